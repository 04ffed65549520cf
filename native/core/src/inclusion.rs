//! Positional inclusion proofs: (index, size, path), the path from the leaf's sibling up.
//!
//! Where the paths of the leaf and of the last leaf still differ, the index's bits say on which side a sibling stands;
//! above that the leaf lies on the tree's right edge, where only left siblings exist (RFC 9162, section 2.1.3).

use crate::tree::{check_nodes, check_size, level_widths};
use crate::{Fault, Hash, NodeRule};

/// Nodes in the inclusion path of `index` in a tree of `size`.
pub fn path_length(index: u64, size: u64) -> Result<u64, Fault> {
    check_position(index, size)?;
    let inner = inner_length(index, size);
    Ok(u64::from(inner) + u64::from((index >> inner).count_ones()))
}

/// The inclusion path of a leaf out of a tree's flat array.
pub fn path(nodes: &[Hash], size: u64, index: u64) -> Result<Vec<Hash>, Fault> {
    check_position(index, size)?;
    check_nodes(nodes, size)?;
    let (mut siblings, mut rest, mut position) = (Vec::with_capacity(32), nodes, index);
    for width in level_widths(size) {
        let (level, above) = split(rest, width);
        if let Some(sibling) = place(level, position ^ 1) {
            siblings.push(*sibling);
        }
        (rest, position) = (above, position >> 1);
    }
    Ok(siblings)
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
    let reached = path.iter().zip(0u32..).fold(*leaf, |node, (sibling, step)| match side_of(index, size, step) {
        Side::Left => rule.node(sibling, &node),
        Side::Right => rule.node(&node, sibling),
    });
    check_root(root, reached)
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

/// A level and what lies above it.
pub(crate) fn split(nodes: &[Hash], width: u64) -> (&[Hash], &[Hash]) {
    let width = usize::try_from(width).unwrap_or(usize::MAX);
    nodes.split_at_checked(width).unwrap_or((nodes, &[]))
}

/// The node at a position, if the level reaches that far.
pub(crate) fn place(level: &[Hash], position: u64) -> Option<&Hash> {
    level.get(usize::try_from(position).ok()?)
}

/// Where a sibling stands.
pub(crate) enum Side {
    Left,
    Right,
}

/// On which side the path's node number `step` stands.
pub(crate) fn side_of(index: u64, size: u64, step: u32) -> Side {
    if step >= inner_length(index, size) || (index >> step) & 1 == 1 {
        Side::Left
    } else {
        Side::Right
    }
}

/// Levels on which the leaf's branch is not yet the tree's right edge.
pub(crate) fn inner_length(index: u64, size: u64) -> u32 {
    u64::BITS - (index ^ (size - 1)).leading_zeros()
}
