//! Multiproofs: several leaves, one set of sibling nodes, in exactly one order and number.
//!
//! Level by level from the leaves, positions ascending: a node whose sibling is known too is paired with it, one whose
//! sibling exists takes the next node of the proof, one without a sibling moves up. What this walk needs is the proof;
//! anything more or less is refused before a single hash is computed.

use crate::inclusion::{check_position, check_root, place, split};
use crate::tree::{check_nodes, check_size, level_widths};
use crate::{Fault, Hash, NodeRule};

/// Nodes in the multiproof of `indices` in a tree of `size`.
pub fn node_count(indices: &[u64], size: u64) -> Result<u64, Fault> {
    check_indices(indices, size)?;
    let mut count = 0;
    climb(indices, size, |_, _| count += 1);
    Ok(count)
}

/// The multiproof's nodes out of a tree's flat array.
pub fn nodes(tree: &[Hash], size: u64, indices: &[u64]) -> Result<Vec<Hash>, Fault> {
    check_indices(indices, size)?;
    check_nodes(tree, size)?;
    let mut levels = Vec::with_capacity(33);
    let mut rest = tree;
    for width in level_widths(size) {
        let (level, above) = split(rest, width);
        levels.push(level);
        rest = above;
    }
    let mut siblings = Vec::new();
    climb(indices, size, |level, position| {
        siblings.extend(levels.get(level).and_then(|nodes| place(nodes, position)));
    });
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
    let expected = node_count(indices, size)?;
    if expected != nodes.len() as u64 {
        return Err(Fault::NodeCountWrong { expected, actual: nodes.len() as u64 });
    }
    check_root(root, fold(rule, size, indices, leaves, nodes))
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

/// Walks the known positions to the root and tells which (level, position) the proof must supply.
fn climb(indices: &[u64], size: u64, mut missing: impl FnMut(usize, u64)) {
    let mut known = indices.to_vec();
    for (level, width) in level_widths(size).enumerate() {
        let mut parents = Vec::with_capacity(known.len());
        let mut places = known.iter().copied().peekable();
        while let Some(position) = places.next() {
            let sibling = position ^ 1;
            // Ascending order: a known sibling can only be the next one, since a left one took its right one along.
            if places.next_if_eq(&sibling).is_none() && sibling < width {
                missing(level, sibling);
            }
            parents.push(position >> 1);
        }
        known = parents;
    }
}

/// The root that checked leaves and nodes lead to: on each level the pairs first, then their parents all at once.
fn fold(rule: &impl NodeRule, size: u64, indices: &[u64], leaves: &[Hash], nodes: &[Hash]) -> Hash {
    let mut known: Vec<(u64, Hash)> = indices.iter().copied().zip(leaves.iter().copied()).collect();
    let mut supply = nodes.iter();
    let (mut children, mut parents) = (Vec::new(), Vec::new());
    for width in level_widths(size) {
        let mut above = Vec::with_capacity(known.len());
        let mut places = known.iter().peekable();
        children.clear();
        while let Some((position, node)) = places.next() {
            let sibling = position ^ 1;
            let other = match places.next_if(|(next, _)| *next == sibling) {
                Some((_, right)) => Some(right),
                None if sibling < width => supply.next(),
                None => None,
            };
            match other {
                Some(other) if position & 1 == 0 => children.extend([*node, *other]),
                Some(other) => children.extend([*other, *node]),
                None => {}
            }
            above.push((position >> 1, other.map_or(Some(*node), |_| None)));
        }
        parents.clear();
        parents.resize(children.len() / 2, [0; 32]);
        rule.pairs(&children, &mut parents);
        let mut hashed = parents.iter();
        known = above
            .into_iter()
            .map(|(position, moved)| (position, moved.or_else(|| hashed.next().copied()).unwrap_or([0; 32])))
            .collect();
    }
    known.first().map_or([0; 32], |(_, root)| *root)
}
