//! Messages of one Keccak block, hashed as many at a time as the processor takes.
//!
//! Decided here: how bytes become the words of a block, lane by lane. All of it is safe code over slices; the lanes
//! themselves are `wattest-lanes`. A group that does not fill every lane leaves old words in the others, whose digests
//! nobody reads.

use crate::{Hash, Salt, LEAF_PREFIX, NODE_PREFIX};
use wattest_lanes::{Block, Digest, Kernel, Simd, State, Task, BLOCK_WORDS};

/// Bytes of one block.
pub const BLOCK_BYTES: usize = 8 * BLOCK_WORDS;

/// Bytes before a leaf's payload: its prefix and its salt.
pub const LEAF_HEAD: usize = 1 + size_of::<Salt>();

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

/// Hashes `count` blocks in groups that fill the lanes: `fill` writes a message into a lane, `take` gets its digest.
///
/// A group's words are written one group ahead: a load of all lanes that meets the stores of single lanes still under
/// way would wait for them.
#[inline(always)]
fn hash_all<const LANES: usize>(
    kernel: impl Kernel<LANES>,
    blank: [u64; BLOCK_WORDS],
    count: usize,
    mut fill: impl FnMut(usize, usize, &mut Block<LANES>),
    mut take: impl FnMut(usize, Hash),
) {
    let mut block = Block(blank.map(|word| [word; LANES]));
    let mut ahead = block;
    let mut digests = Digest([[0; LANES]; 4]);
    (0..LANES.min(count)).for_each(|lane| fill(lane, lane, &mut ahead));
    for from in (0..count).step_by(LANES) {
        std::mem::swap(&mut block, &mut ahead);
        let next = from + LANES;
        (next..count.min(next + LANES)).for_each(|at| fill(at, at - next, &mut ahead));
        kernel.hash(&block, &mut digests);
        (from..count.min(next)).for_each(|at| take(at, digest(&digests, at - from)));
    }
}

/// A lane's digest as bytes.
#[inline(always)]
fn digest<const LANES: usize>(digests: &Digest<LANES>, lane: usize) -> Hash {
    let mut hash = [0; 32];
    for (word, lanes) in hash.as_chunks_mut::<8>().0.iter_mut().zip(&digests.0) {
        *word = lanes[lane].to_le_bytes();
    }
    hash
}

/// Writes `prefix || pair` into a lane, one byte off the words of the pair.
#[inline(always)]
fn place_pair<const LANES: usize>(block: &mut Block<LANES>, lane: usize, pair: &[u8; 64]) {
    let (first, middle, last) = (&pair[..8], &pair[7..63], pair[63]);
    let first = first.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
    block.0[0][lane] = first << 8 | u64::from(NODE_PREFIX);
    for (lanes, bytes) in block.0[1..8].iter_mut().zip(middle.as_chunks::<8>().0) {
        lanes[lane] = u64::from_le_bytes(*bytes);
    }
    block.0[8][lane] = u64::from(last) | 0x0100;
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
        let (payloads, width, salts) = (self.payloads, self.width, self.salts);
        let count = self.out.len().min(salts.len()).min(payloads.len() / width);
        let payload = |at: usize| &payloads[at * width..][..width];
        let take = |at: usize, hash| self.out[at] = hash;
        if width >= 8 {
            let fill = |at, lane, block: &mut Block<LANES>| place_leaf(block, &blank, lane, &salts[at], payload(at));
            hash_all(kernel, blank, count, fill, take);
        } else {
            let fill = |at, lane, block: &mut Block<LANES>| {
                place_short_leaf(block, &blank, lane, &salts[at], payload(at));
            };
            hash_all(kernel, blank, count, fill, take);
        }
    }
}

/// Writes `0x00 || salt || payload` into a lane, payloads of 8 bytes and more; words after them stay blank.
#[inline(always)]
fn place_leaf<const LANES: usize>(
    block: &mut Block<LANES>,
    blank: &[u64; BLOCK_WORDS],
    lane: usize,
    salt: &Salt,
    payload: &[u8],
) {
    let salt = u128::from_le_bytes(*salt);
    let (first, last) = (payload.first_chunk(), payload.last_chunk());
    let (first, last) = (u64::from_le_bytes(*first.unwrap_or(&[0; 8])), u64::from_le_bytes(*last.unwrap_or(&[0; 8])));
    block.0[0][lane] = low(salt << 8);
    block.0[1][lane] = low(salt >> 56);
    block.0[2][lane] = first << 8 | low(salt >> 120);
    let (whole, tail) = payload[7..].as_chunks::<8>();
    let mut words = block.0[3..].iter_mut();
    for (bytes, lanes) in whole.iter().zip(&mut words) {
        lanes[lane] = u64::from_le_bytes(*bytes);
    }
    // The tail's bytes are the uppermost of the payload's last eight; without a tail its word is as it was.
    if let (false, Some(lanes)) = (tail.is_empty(), words.next()) {
        lanes[lane] = last >> (64 - 8 * tail.len()) | blank[3 + whole.len()];
    }
}

/// The same for payloads of 1 to 7 bytes.
fn place_short_leaf<const LANES: usize>(
    block: &mut Block<LANES>,
    blank: &[u64; BLOCK_WORDS],
    lane: usize,
    salt: &Salt,
    payload: &[u8],
) {
    let salt = u128::from_le_bytes(*salt);
    let payload = payload.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    block.0[0][lane] = low(salt << 8);
    block.0[1][lane] = low(salt >> 56);
    block.0[2][lane] = payload << 8 | low(salt >> 120) | blank[2];
}

/// The lower half.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)]
fn low(word: u128) -> u64 {
    word as u64
}

struct Parents<'a> {
    below: &'a [Hash],
    above: &'a mut [Hash],
}

impl Task for Parents<'_> {
    type Output = ();

    fn run<const LANES: usize>(self, kernel: impl Kernel<LANES>) {
        let (children, above) = (self.below.as_flattened().as_chunks::<64>().0, self.above);
        let fill = |at: usize, lane, block: &mut Block<LANES>| place_pair(block, lane, &children[at]);
        let count = children.len().min(above.len());
        hash_all(kernel, padded(NODE_PREFIX, 65), count, fill, |at, hash| above[at] = hash);
    }
}

struct Pairs<Fill, Take> {
    count: usize,
    fill: Fill,
    take: Take,
}

impl<Fill: Fn(usize, &mut [u8; 64]), Take: FnMut(usize, Hash)> Task for Pairs<Fill, Take> {
    type Output = ();

    fn run<const LANES: usize>(self, kernel: impl Kernel<LANES>) {
        let fill = |at, lane, block: &mut Block<LANES>| {
            let mut pair = [0; 64];
            (self.fill)(at, &mut pair);
            place_pair(block, lane, &pair);
        };
        hash_all(kernel, padded(NODE_PREFIX, 65), self.count, fill, self.take);
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
