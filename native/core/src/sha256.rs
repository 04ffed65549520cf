//! The unsalted SHA-256 tree of RFC 9162, section 2.1.1: device blocks, rosters, lists of citations.

use crate::{Fault, Hash, NodeRule, ITEM_MAX, LEAF_PREFIX, NODE_PREFIX};
use sha2::{Digest, Sha256};

/// The rule of unsalted trees.
#[derive(Clone, Copy, Debug)]
pub struct Rfc9162;

impl NodeRule for Rfc9162 {
    fn node(&self, left: &Hash, right: &Hash) -> Hash {
        let mut hasher = Sha256::new_with_prefix([NODE_PREFIX]);
        hasher.update(left);
        hasher.update(right);
        hasher.finalize().into()
    }
}

/// An unsalted leaf: `SHA-256(0x00 || item)`.
pub fn leaf(item: &[u8]) -> Result<Hash, Fault> {
    if item.len() > ITEM_MAX {
        return Err(Fault::PayloadTooLong { maximum: ITEM_MAX as u64, actual: item.len() as u64 });
    }
    let mut hasher = Sha256::new_with_prefix([LEAF_PREFIX]);
    hasher.update(item);
    Ok(hasher.finalize().into())
}

/// Leaves of equal width from a flat buffer into `out`; the two must agree in count.
pub fn leaves(items: &[u8], width: usize, out: &mut [Hash]) -> Result<(), Fault> {
    for (item, slot) in items.chunks_exact(width).zip(out) {
        *slot = leaf(item)?;
    }
    Ok(())
}
