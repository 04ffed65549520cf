//! Keccak-256 as Ethereum uses it, and the salted leaf and node rule built on it.

use crate::blocks::{self, Climb};
use crate::{Fault, Hash, NodeRule, Salt, LEAF_PREFIX, PAYLOAD_MAX};
use sha3::{Digest, Keccak256};
use wattest_lanes::{Scalar, Simd};

/// The rule of salted trees, on the lanes it is given.
#[derive(Clone, Copy, Debug)]
pub struct Keccak(pub Simd);

impl Keccak {
    /// One node at a time in general registers.
    pub const ONE_BY_ONE: Self = Self(Simd::Scalar(Scalar));
}

impl NodeRule for Keccak {
    fn node(&self, left: &Hash, right: &Hash) -> Hash {
        let mut parent = [[0; 32]];
        blocks::parent(self.0, &[*left, *right], &mut parent);
        parent[0]
    }

    fn pairs(&self, below: &[Hash], above: &mut [Hash]) {
        match below {
            [_, _] => blocks::parent(self.0, below, above),
            _ => blocks::parents(self.0, below, above),
        }
    }

    fn reached(&self, root: &Hash, size: u64, index: u64, leaf: &Hash, path: &[Hash]) -> Hash {
        blocks::climb_one(self.0, Climb { size, root, indices: &[index], leaves: &[*leaf], nodes: path })
            .map_or(*root, |(_, reached)| reached)
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
