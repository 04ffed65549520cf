//! Keccak-256 as Ethereum uses it, and the salted leaf and node rule built on it.

use crate::{blocks, Fault, Hash, NodeRule, Salt, LEAF_PREFIX, NODE_PREFIX, PAYLOAD_MAX};
use sha3::{Digest, Keccak256};
use wattest_lanes::{Scalar, Simd};

/// The rule of salted trees, on the lanes it is given.
#[derive(Clone, Copy, Debug)]
pub struct Keccak(pub Simd);

impl Keccak {
    /// One node at a time: for single paths, where each hash needs the one before.
    pub const ONE_BY_ONE: Self = Self(Simd::Scalar(Scalar));
}

impl NodeRule for Keccak {
    fn node(&self, left: &Hash, right: &Hash) -> Hash {
        let mut preimage = [0; 65];
        preimage[0] = NODE_PREFIX;
        preimage[1..33].copy_from_slice(left);
        preimage[33..].copy_from_slice(right);
        keccak256(&preimage)
    }

    fn pairs(&self, below: &[Hash], above: &mut [Hash]) {
        match below {
            [left, right] => above.iter_mut().for_each(|parent| *parent = self.node(left, right)),
            _ => blocks::parents(self.0, below, above),
        }
    }
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
