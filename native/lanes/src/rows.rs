//! From bytes to the words of a block, lane by lane, for kernels without a way of their own.
//!
//! A message is a prefix byte and what follows it, so every word is one byte off the words of the input.

use crate::{Block, Digest, Kernel, BLOCK_WORDS};

/// A block that is blank in every lane: the prefix byte and the padding.
fn blank_block<const LANES: usize>(blank: &[u64; BLOCK_WORDS]) -> Block<LANES> {
    Block(blank.map(|word| [word; LANES]))
}

/// Hashes the prefix and the 64 bytes of each lane.
#[inline(always)]
pub(crate) fn hash_pairs<const LANES: usize>(
    kernel: impl Kernel<LANES>,
    blank: &[u64; BLOCK_WORDS],
    pairs: &[[u8; 64]; LANES],
    out: &mut [[u8; 32]; LANES],
) {
    let mut block = blank_block(blank);
    for (lane, pair) in pairs.iter().enumerate() {
        let (first, rest) = (word(&pair[..8]), pair[7..63].as_chunks::<8>().0);
        block.0[0][lane] |= first << 8;
        for (lanes, bytes) in block.0[1..8].iter_mut().zip(rest) {
            lanes[lane] |= u64::from_le_bytes(*bytes);
        }
        block.0[8][lane] |= u64::from(pair[63]);
    }
    finish(kernel, &block, out);
}

/// Hashes the prefix, the head and the row of each lane.
#[inline(always)]
pub(crate) fn hash_rows<const LANES: usize>(
    kernel: impl Kernel<LANES>,
    blank: &[u64; BLOCK_WORDS],
    heads: &[[u8; 16]; LANES],
    rows: &[&[u8]; LANES],
    out: &mut [[u8; 32]; LANES],
) {
    let mut block = blank_block(blank);
    for (lane, (head, row)) in heads.iter().zip(rows).enumerate() {
        let (low, high) = (word(&head[..8]), word(&head[8..]));
        block.0[0][lane] |= low << 8;
        block.0[1][lane] |= high << 8 | low >> 56;
        block.0[2][lane] |= word(row) << 8 | high >> 56;
        let (whole, tail) = row.get(7..).unwrap_or(&[]).as_chunks::<8>();
        let mut words = block.0[3..].iter_mut();
        for (bytes, lanes) in whole.iter().zip(&mut words) {
            lanes[lane] |= u64::from_le_bytes(*bytes);
        }
        if let (false, Some(lanes)) = (tail.is_empty(), words.next()) {
            lanes[lane] |= word(tail);
        }
    }
    finish(kernel, &block, out);
}

/// Takes every lane's node one level up. Sides are chosen by masks: of random indices no branch could be foreseen.
#[inline(always)]
pub(crate) fn climb<const LANES: usize>(
    kernel: impl Kernel<LANES>,
    blank: &[u64; BLOCK_WORDS],
    nodes: &mut Digest<LANES>,
    siblings: &[&[u8; 32]; LANES],
    left: u8,
    active: u8,
) {
    let mut block = blank_block(blank);
    for (lane, sibling) in siblings.iter().enumerate() {
        let swap = mask(left, lane);
        let mut words = [0; 8];
        let (first, second) = words.split_at_mut(4);
        let pairs = nodes.0.iter().map(|lanes| lanes[lane]).zip(sibling.as_chunks::<8>().0);
        for ((node, sibling), (first, second)) in pairs.zip(first.iter_mut().zip(second)) {
            let sibling = u64::from_le_bytes(*sibling);
            let differing = (node ^ sibling) & swap;
            (*first, *second) = (node ^ differing, sibling ^ differing);
        }
        let mut before = 0;
        for (lanes, word) in block.0.iter_mut().zip(words) {
            lanes[lane] |= word << 8 | before >> 56;
            before = word;
        }
        block.0[8][lane] |= before >> 56;
    }
    let mut digests = Digest([[0; LANES]; 4]);
    kernel.hash(&block, &mut digests);
    for (lanes, hashed) in nodes.0.iter_mut().zip(&digests.0) {
        for (lane, (node, hashed)) in lanes.iter_mut().zip(hashed).enumerate() {
            *node ^= (*node ^ hashed) & mask(active, lane);
        }
    }
}

/// All ones if the lane's bit is set, else zero.
#[inline(always)]
fn mask(bits: u8, lane: usize) -> u64 {
    0_u64.wrapping_sub(u64::from(bits >> lane & 1))
}

/// The first eight bytes as a word; missing ones are zero.
#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(whole) => u64::from_le_bytes(*whole),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[inline(always)]
fn finish<const LANES: usize>(kernel: impl Kernel<LANES>, block: &Block<LANES>, out: &mut [[u8; 32]; LANES]) {
    let mut digests = Digest([[0; LANES]; 4]);
    kernel.hash(block, &mut digests);
    for (lane, hash) in out.iter_mut().enumerate() {
        for (word, lanes) in hash.as_chunks_mut::<8>().0.iter_mut().zip(&digests.0) {
            *word = lanes[lane].to_le_bytes();
        }
    }
}
