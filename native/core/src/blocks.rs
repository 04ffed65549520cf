//! Messages of one Keccak block, hashed as many at a time as the processor takes.
//!
//! Decided here: how messages are grouped and padded; the lanes themselves are `wattest-lanes`. In a group that does not
//! fill every lane the others hash something that nobody reads.

use crate::inclusion::left_sides;
use crate::{batch, Hash, Salt, LEAF_PREFIX, NODE_PREFIX};
use wattest_lanes::{prefetch, Digest, Kernel, Simd, State, Task, BLOCK_WORDS, DIGEST_WORDS};

/// Bytes of one block.
pub const BLOCK_BYTES: usize = 8 * BLOCK_WORDS;

/// Bytes before a leaf's payload: its prefix and its salt.
pub const LEAF_HEAD: usize = 1 + size_of::<Salt>();

/// Leaves between asking for a payload and reading it: more than a page.
const AHEAD: usize = 64;

/// Leaves `keccak256(0x00 || salt || payload)` of one width; it and the three lengths are checked by the caller.
pub fn leaves(simd: Simd, payloads: &[u8], width: usize, salts: &[Salt], out: &mut [Hash]) {
    simd.run(Leaves { payloads, width, salts, out });
}

/// Parents of neighbours: `above` takes `below.len() / 2` nodes.
pub fn parents(simd: Simd, below: &[Hash], above: &mut [Hash]) {
    simd.run(Parents { below, above });
}

/// The parent of one pair of neighbours, which has nobody to share its lanes with.
pub(crate) fn parent(simd: Simd, below: &[Hash], above: &mut [Hash]) {
    simd.run_one(Parents { below, above });
}

/// Where one inclusion proof leads, if not to the root.
pub(crate) fn climb_one(simd: Simd, proof: Climb<'_>) -> Option<(usize, Hash)> {
    simd.run_one(proof)
}

/// The first inclusion proof that does not lead to the root, and where it leads.
pub(crate) fn climb(simd: Simd, proofs: Climb<'_>) -> Option<(usize, Hash)> {
    simd.run(proofs)
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

/// Inclusion proofs whose counts agree, to be judged.
pub(crate) struct Climb<'a> {
    pub(crate) size: u64,
    pub(crate) root: &'a Hash,
    pub(crate) indices: &'a [u64],
    pub(crate) leaves: &'a [Hash],
    pub(crate) nodes: &'a [Hash],
}

impl Task for Climb<'_> {
    type Output = Option<(usize, Hash)>;

    fn run<const LANES: usize>(self, kernel: impl Kernel<LANES>) -> Self::Output {
        const NONE: Hash = [0; 32];
        let blank = padded(NODE_PREFIX, 65);
        let mut rest = self.nodes;
        for (group, (indices, leaves)) in self.indices.chunks(LANES).zip(self.leaves.chunks(LANES)).enumerate() {
            let (mut paths, mut sides): ([&[Hash]; LANES], _) = ([&[]; LANES], [0_u64; LANES]);
            let mut reached = Digest([[0; LANES]; DIGEST_WORDS]);
            let mut longest = 0;
            for (lane, (&index, leaf)) in indices.iter().zip(leaves).enumerate() {
                let length = batch::length(index, self.size) as usize;
                let (path, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                (paths[lane], rest) = (path, after);
                sides[lane] = left_sides(index, self.size);
                put(&mut reached, lane, leaf);
                longest = longest.max(length);
            }
            for step in 0..longest {
                let (mut left, mut active) = (0, 0);
                let mut siblings = [&NONE; LANES];
                for lane in 0..LANES {
                    left |= u8::from(sides[lane] >> step & 1 == 1) << lane;
                    active |= u8::from(step < paths[lane].len()) << lane;
                    siblings[lane] = paths[lane].get(step).unwrap_or(&NONE);
                }
                kernel.climb(&blank, &mut reached, &siblings, left, active);
            }
            for lane in 0..indices.len() {
                let reached = take(&reached, lane);
                if reached != *self.root {
                    return Some((group * LANES + lane, reached));
                }
            }
        }
        None
    }
}

/// Puts a hash into a lane.
fn put<const LANES: usize>(digest: &mut Digest<LANES>, lane: usize, hash: &Hash) {
    for (lanes, bytes) in digest.0.iter_mut().zip(hash.as_chunks::<8>().0) {
        lanes[lane] = u64::from_le_bytes(*bytes);
    }
}

/// The hash in a lane.
fn take<const LANES: usize>(digest: &Digest<LANES>, lane: usize) -> Hash {
    let mut hash = [0; 32];
    for (lanes, bytes) in digest.0.iter().zip(hash.as_chunks_mut::<8>().0) {
        *bytes = lanes[lane].to_le_bytes();
    }
    hash
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
