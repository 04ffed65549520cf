//! Messages of one Keccak block, hashed as many at a time as the processor takes.
//!
//! Decided here: how messages are grouped and padded; the lanes themselves are `wattest-lanes`. In a group that does not
//! fill every lane the others hash something that nobody reads.

use crate::{Hash, Salt, LEAF_PREFIX, NODE_PREFIX};
use wattest_lanes::{prefetch, Kernel, Simd, State, Task, BLOCK_WORDS};

/// Bytes of one block.
pub const BLOCK_BYTES: usize = 8 * BLOCK_WORDS;

/// Bytes before a leaf's payload: its prefix and its salt.
pub const LEAF_HEAD: usize = 1 + size_of::<Salt>();

/// Leaves between asking for a payload and reading it: more than a page.
const AHEAD: usize = 64;

/// Scattered pairs worth handing over at once: two groups of the widest lanes, one written while the other is hashed.
pub(crate) const GROUP: usize = 16;

/// Leaves `keccak256(0x00 || salt || payload)` of one width; it and the three lengths are checked by the caller.
pub fn leaves(simd: Simd, payloads: &[u8], width: usize, salts: &[Salt], out: &mut [Hash]) {
    simd.run(Leaves { payloads, width, salts, out });
}

/// Parents of neighbours: `above` takes `below.len() / 2` nodes.
pub fn parents(simd: Simd, below: &[Hash], above: &mut [Hash]) {
    simd.run(Parents { below, above });
}

/// The parents of scattered pairs: `fill` writes the pair of a place, left and right, and `take` gets its parent.
pub(crate) fn pairs(simd: Simd, count: usize, fill: impl Fn(usize, &mut [u8; 64]), take: impl FnMut(usize, Hash)) {
    simd.run(Pairs { count, fill, take });
}

/// Bare permutations on full lanes, at least `count` of them: how fast this processor can be at most.
pub fn permutations(simd: Simd, count: u64) -> u64 {
    simd.run(Permutations(count))
}

/// A block as words, padded for a message of `length` bytes that are zero after the prefix.
fn padded(prefix: u8, length: usize) -> [u64; BLOCK_WORDS] {
    let mut bytes = [0; BLOCK_BYTES];
    bytes[0] = prefix;
    bytes[length] = 0x01;
    bytes[BLOCK_BYTES - 1] |= 0x80;
    let mut words = [0; BLOCK_WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

struct Leaves<'a> {
    payloads: &'a [u8],
    width: usize,
    salts: &'a [Salt],
    out: &'a mut [Hash],
}

impl Task for Leaves<'_> {
    type Output = ();

    fn run<const LANES: usize>(self, kernel: impl Kernel<LANES>) {
        let blank = padded(LEAF_PREFIX, LEAF_HEAD + self.width);
        let mut payloads = self.payloads.chunks_exact(self.width);
        let mut rows: [&[u8]; LANES] = [&[]; LANES];
        let (salts, last_salts) = self.salts.as_chunks::<LANES>();
        let (out, last_out) = self.out.as_chunks_mut::<LANES>();
        for (group, (salts, out)) in salts.iter().zip(out).enumerate() {
            let later = (group * LANES + AHEAD) * self.width;
            prefetch(self.payloads.get(later..later + LANES * self.width).unwrap_or(&[]));
            rows.iter_mut().zip(&mut payloads).for_each(|(row, payload)| *row = payload);
            kernel.hash_rows(&blank, salts, &rows, out);
        }
        if last_out.is_empty() {
            return;
        }
        let (mut salts, mut hashes) = ([[0; 16]; LANES], [[0; 32]; LANES]);
        rows.iter_mut().zip(&mut payloads).for_each(|(row, payload)| *row = payload);
        salts.iter_mut().zip(last_salts).for_each(|(salt, last)| *salt = *last);
        // Rows of one length in every lane: the others repeat the first.
        let first = rows[0];
        rows.iter_mut().skip(last_out.len()).for_each(|row| *row = first);
        kernel.hash_rows(&blank, &salts, &rows, &mut hashes);
        last_out.iter_mut().zip(hashes).for_each(|(slot, hash)| *slot = hash);
    }
}

struct Parents<'a> {
    below: &'a [Hash],
    above: &'a mut [Hash],
}

impl Task for Parents<'_> {
    type Output = ();

    fn run<const LANES: usize>(self, kernel: impl Kernel<LANES>) {
        let blank = padded(NODE_PREFIX, 65);
        let (groups, last_pairs) = self.below.as_flattened().as_chunks::<64>().0.as_chunks::<LANES>();
        let (out, last_out) = self.above.as_chunks_mut::<LANES>();
        for (pairs, out) in groups.iter().zip(out) {
            kernel.hash_pairs(&blank, pairs, out);
        }
        if last_out.is_empty() {
            return;
        }
        let (mut pairs, mut hashes) = ([[0; 64]; LANES], [[0; 32]; LANES]);
        pairs.iter_mut().zip(last_pairs).for_each(|(pair, last)| *pair = *last);
        kernel.hash_pairs(&blank, &pairs, &mut hashes);
        last_out.iter_mut().zip(hashes).for_each(|(slot, hash)| *slot = hash);
    }
}

struct Pairs<Fill, Take> {
    count: usize,
    fill: Fill,
    take: Take,
}

impl<Fill: Fn(usize, &mut [u8; 64]), Take: FnMut(usize, Hash)> Task for Pairs<Fill, Take> {
    type Output = ();

    fn run<const LANES: usize>(mut self, kernel: impl Kernel<LANES>) {
        let blank = padded(NODE_PREFIX, 65);
        let (mut pairs, mut hashes) = ([[0; 64]; LANES], [[0; 32]; LANES]);
        for from in (0..self.count).step_by(LANES) {
            let places = from..self.count.min(from + LANES);
            places.clone().zip(&mut pairs).for_each(|(at, pair)| (self.fill)(at, pair));
            kernel.hash_pairs(&blank, &pairs, &mut hashes);
            places.zip(&hashes).for_each(|(at, hash)| (self.take)(at, *hash));
        }
    }
}

struct Permutations(u64);

impl Task for Permutations {
    type Output = u64;

    fn run<const LANES: usize>(self, kernel: impl Kernel<LANES>) -> u64 {
        let mut state = State([[1; LANES]; 25]);
        for _ in 0..self.0.div_ceil(LANES as u64) {
            kernel.permute(&mut state);
        }
        state.0[0][0]
    }
}
