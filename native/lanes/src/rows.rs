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
