//! Keccak-256 as Ethereum uses it, and the salted leaf and node rule built on it.

use crate::{blocks, Fault, Hash, NodeRule, Salt, LEAF_PREFIX, NODE_PREFIX, PAYLOAD_MAX};
use sha3::{Digest, Keccak256};
use wattest_lanes::{Block, Scalar, Simd, BLOCK_WORDS};

const NODE_BYTES: usize = 65;

/// The rule of salted trees, on the lanes it is given.
#[derive(Clone, Copy, Debug)]
pub struct Keccak(pub Simd);

impl Keccak {
    /// One node at a time in general registers.
    pub const ONE_BY_ONE: Self = Self(Simd::Scalar(Scalar));
}

impl NodeRule for Keccak {
    fn node(&self, left: &Hash, right: &Hash) -> Hash {
        let mut preimage = [0; blocks::BLOCK_BYTES];
        preimage[0] = NODE_PREFIX;
        preimage[1..33].copy_from_slice(left);
        preimage[33..NODE_BYTES].copy_from_slice(right);
        one_block(self.0, &mut preimage, NODE_BYTES)
    }

    fn pairs(&self, below: &[Hash], above: &mut [Hash]) {
        match below {
            [left, right] => above.iter_mut().for_each(|parent| *parent = self.node(left, right)),
            _ => blocks::parents(self.0, below, above),
        }
    }
}

/// Keccak-256 of the first `length` bytes of a block that is zero after them.
fn one_block(simd: Simd, bytes: &mut [u8; blocks::BLOCK_BYTES], length: usize) -> Hash {
    if matches!(simd, Simd::Scalar(_)) {
        return keccak256(&bytes[..length]);
    }
    bytes[length] = 0x01;
    bytes[blocks::BLOCK_BYTES - 1] |= 0x80;
    let mut block = Block([[0]; BLOCK_WORDS]);
    for ([word], bytes) in block.0.iter_mut().zip(bytes.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    let Some(digest) = simd.hash_one(&block) else {
        bytes[length] = 0;
        return keccak256(&bytes[..length]);
    };
    let mut hash = [0; 32];
    for (to, [word]) in hash.as_chunks_mut().0.iter_mut().zip(digest.0) {
        *to = word.to_le_bytes();
    }
    hash
}

/// Keccak-256 with the original padding (not SHA3-256).
pub fn keccak256(data: &[u8]) -> Hash {
    Keccak256::digest(data).into()
}

/// A salted leaf: `keccak256(0x00 || salt || payload)`.
pub fn leaf(salt: &Salt, payload: &[u8]) -> Result<Hash, Fault> {
    if payload.len() > PAYLOAD_MAX {
        return Err(Fault::PayloadTooLong { maximum: PAYLOAD_MAX as u64, actual: payload.len() as u64 });
    }
    let mut preimage = [0; blocks::LEAF_HEAD + PAYLOAD_MAX];
    let end = blocks::LEAF_HEAD + payload.len();
    preimage[0] = LEAF_PREFIX;
    preimage[1..blocks::LEAF_HEAD].copy_from_slice(salt);
    preimage[blocks::LEAF_HEAD..end].copy_from_slice(payload);
    Ok(keccak256(&preimage[..end]))
}
