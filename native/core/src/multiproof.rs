//! Multiproofs: several leaves, one set of sibling nodes, in exactly one order and number.
//!
//! Level by level from the leaves, positions ascending: a node whose sibling is known too is paired with it, one whose
//! sibling exists takes the next node of the proof, one without a sibling moves up. What this walk needs is the proof;
//! anything more or less is refused before a single hash is computed. Many at once are `groups`.

use crate::groups::Walk;
use crate::inclusion::{check_position, check_root, inner_length};
use crate::tree::{check_size, level_widths, Levels};
use crate::{batch, Fault, Hash, NodeRule};

/// Nodes in the multiproof of `indices` in a tree of `size`.
///
/// Two neighbours of the list part below the level on which they are siblings; each needs its own path up to there, and
/// there neither needs a node for the other.
pub fn node_count(indices: &[u64], size: u64) -> Result<u64, Fault> {
    check_indices(indices, size)?;
    let mut count = indices.first().map_or(0, |&index| u64::from(batch::length(index, size)));
    for pair in indices.windows(2) {
        count = count + u64::from(siblings_below((pair[0] ^ pair[1]).ilog2(), pair[1], size)) - 1;
    }
    Ok(count)
}

/// The multiproof's nodes out of a tree's flat array.
pub fn nodes(tree: &[Hash], size: u64, indices: &[u64]) -> Result<Vec<Hash>, Fault> {
    let count = node_count(indices, size)?;
    let levels = Levels::new(tree, size)?;
    let mut siblings = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    walk(&mut indices.to_vec(), size, |level, position| {
        siblings.extend(levels.node(level, position));
        Ok(())
    })?;
    Ok(siblings)
}

/// Checks that each leaf stands at its index in the tree of `size` leaves under `root`.
pub fn verify(
    rule: &impl NodeRule,
    root: &Hash,
    size: u64,
    indices: &[u64],
    leaves: &[Hash],
    nodes: &[Hash],
) -> Result<(), Fault> {
    check_size(size)?;
    if indices.is_empty() {
        return Err(Fault::NoIndices);
    }
    if indices.len() != leaves.len() {
        return Err(Fault::LeavesMismatch { expected: indices.len() as u64, actual: leaves.len() as u64 });
    }
    batch::check_count(node_count(indices, size)?, nodes.len())?;
    let mut walk = Walk::default();
    walk.push(indices, leaves, nodes);
    check_root(root, walk.climb(rule, size).first().copied().unwrap_or_default())
}

/// Refuses no index at all, an order that is not strictly ascending, and an index outside the tree.
fn check_indices(indices: &[u64], size: u64) -> Result<(), Fault> {
    check_size(size)?;
    let last = *indices.last().ok_or(Fault::NoIndices)?;
    if let Some(before) = indices.windows(2).position(|pair| pair[0] >= pair[1]) {
        return Err(Fault::IndicesNotAscending { position: before as u64 + 1 });
    }
    check_position(last, size)
}

/// Siblings that a leaf's path has below a level.
fn siblings_below(level: u32, index: u64, size: u64) -> u32 {
    let inner = inner_length(index, size);
    if level <= inner {
        return level;
    }
    inner + (index >> inner & ((1 << (level - inner)) - 1)).count_ones()
}

/// Walks the known positions, which are overwritten, to the root; tells which (level, position) the proof must supply.
pub(crate) fn walk(
    known: &mut [u64],
    size: u64,
    mut missing: impl FnMut(u32, u64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut count = known.len();
    for (level, width) in (0..).zip(level_widths(size)) {
        let (mut at, mut above) = (0, 0);
        while at < count {
            let position = known[at];
            let sibling = position ^ 1;
            at += 1;
            // Ascending order: a known sibling can only be the next one, since a left one took its right one along.
            if at < count && known[at] == sibling {
                at += 1;
            } else if sibling < width {
                missing(level, sibling)?;
            }
            known[above] = position >> 1;
            above += 1;
        }
        count = above;
    }
    Ok(())
}
