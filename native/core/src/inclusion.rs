//! Positional inclusion proofs: (index, size, path), the path from the leaf's sibling up.
//!
//! Where the paths of the leaf and of the last leaf still differ, the index's bits say on which side a sibling stands;
//! above that the leaf lies on the tree's right edge, where only left siblings exist (RFC 9162, section 2.1.3).

use crate::tree::{check_length, check_size};
use crate::{batch, Fault, Hash, NodeRule};

/// Nodes in the inclusion path of `index` in a tree of `size`.
pub fn path_length(index: u64, size: u64) -> Result<u64, Fault> {
    check_position(index, size)?;
    let inner = inner_length(index, size);
    Ok(u64::from(inner) + u64::from((index >> inner).count_ones()))
}

/// The inclusion path of a leaf out of a tree's flat array into `out`, which takes `path_length(index, size)` nodes.
pub fn path_into(nodes: &[Hash], size: u64, index: u64, out: &mut [Hash]) -> Result<(), Fault> {
    batch::check_count(path_length(index, size)?, out.len())?;
    let (mut slots, mut from, mut width, mut position) = (out.iter_mut(), 0, size, index);
    while width > 1 {
        let sibling = position ^ 1;
        if sibling < width {
            let found = usize::try_from(from + sibling).ok().and_then(|place| nodes.get(place));
            if let (Some(slot), Some(sibling)) = (slots.next(), found) {
                *slot = *sibling;
            }
        }
        (from, width, position) = (from + width, width.div_ceil(2), position >> 1);
    }
    check_length("nodes", from + 1, nodes.len() as u64)
}

/// The inclusion path of a leaf out of a tree's flat array.
pub fn path(nodes: &[Hash], size: u64, index: u64) -> Result<Vec<Hash>, Fault> {
    let mut out = vec![[0; 32]; usize::try_from(path_length(index, size)?).unwrap_or(0)];
    path_into(nodes, size, index, &mut out)?;
    Ok(out)
}

/// Checks that `leaf` stands at `index` in the tree of `size` leaves under `root`.
pub fn verify(
    rule: &impl NodeRule,
    root: &Hash,
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
) -> Result<(), Fault> {
    let expected = path_length(index, size)?;
    let actual = path.len() as u64;
    if expected != actual {
        return Err(Fault::PathLengthWrong { expected, actual });
    }
    check_root(root, rule.reached(root, size, index, leaf, path))
}

/// Refuses an index outside the tree.
pub(crate) fn check_position(index: u64, size: u64) -> Result<(), Fault> {
    check_size(size)?;
    if index >= size {
        return Err(Fault::IndexOutOfRange { index, size });
    }
    Ok(())
}

/// Refuses a root other than the one asked for.
pub(crate) fn check_root(expected: &Hash, actual: Hash) -> Result<(), Fault> {
    if *expected != actual {
        return Err(Fault::RootMismatch { expected: *expected, actual });
    }
    Ok(())
}

/// Bit n is set where the path's node number n stands on the left.
pub(crate) fn left_sides(index: u64, size: u64) -> u64 {
    let edge = u64::MAX << inner_length(index, size).min(u64::BITS - 1);
    index | edge
}

/// Levels on which the leaf's branch is not yet the tree's right edge.
pub(crate) fn inner_length(index: u64, size: u64) -> u32 {
    u64::BITS - (index ^ (size - 1)).leading_zeros()
}
