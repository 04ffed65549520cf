//! Keccak-256 as Ethereum uses it, and the salted leaf and node rule built on it.
//!
//! One hash at a time. Lanes that hash several leaves or nodes at once belong here too, behind `leaves` and
//! `Keccak::level`, so that no caller changes.

use crate::{Fault, Hash, NodeRule, Salt, LEAF_PREFIX, NODE_PREFIX, PAYLOAD_MAX};
use sha3::{Digest, Keccak256};

/// The rule of salted trees.
pub struct Keccak;

impl NodeRule for Keccak {
    fn node(left: &Hash, right: &Hash) -> Hash {
        let mut preimage = [0; 65];
        preimage[0] = NODE_PREFIX;
        preimage[1..33].copy_from_slice(left);
        preimage[33..].copy_from_slice(right);
        keccak256(&preimage)
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
    let mut preimage = [0; 1 + 16 + PAYLOAD_MAX];
    let end = 17 + payload.len();
    preimage[0] = LEAF_PREFIX;
    preimage[1..17].copy_from_slice(salt);
    preimage[17..end].copy_from_slice(payload);
    Ok(keccak256(&preimage[..end]))
}

/// Leaves of equal width from flat buffers into `out`; the three must agree in count.
pub fn leaves(payloads: &[u8], width: usize, salts: &[Salt], out: &mut [Hash]) -> Result<(), Fault> {
    for ((payload, salt), slot) in payloads.chunks_exact(width).zip(salts).zip(out) {
        *slot = leaf(salt, payload)?;
    }
    Ok(())
}
