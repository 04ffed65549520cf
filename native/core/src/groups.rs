//! Many multiproofs at once: groups of leaves of one tree, each under a multiproof of its own, in flat buffers.
//!
//! The groups' indices lie one after the other, and so do their nodes; where a group's nodes end follows from its indices
//! and the size. To verify, as many groups as fit a core's cache are walked together, so that the lanes stay full where a
//! single small multiproof has only one node left on a level.

use crate::batch::{check_count, PROOFS_MAX};
use crate::inclusion::check_root;
use crate::keccak::Keccak;
use crate::tree::{check_size, level_widths};
use crate::{multiproof, parallel, Fault, Hash, NodeRule, Simd};

/// Indices that are walked together at least: their hashes and pairs stay in the first-level cache.
const TOGETHER: usize = 256;

/// Groups of leaf indices, one after the other: each ends at its place in `ends` and begins where the one before ends.
#[derive(Clone, Copy, Debug)]
pub struct Groups<'a> {
    indices: &'a [u64],
    ends: &'a [u64],
}

impl<'a> Groups<'a> {
    /// Refuses ends that go back, or that do not end where the indices do.
    pub fn new(indices: &'a [u64], ends: &'a [u64]) -> Result<Self, Fault> {
        let expected = indices.len() as u64;
        let wrong = |actual| Err(Fault::LengthWrong { what: "ends", expected, actual });
        if let Some(pair) = ends.windows(2).find(|pair| pair[0] > pair[1]) {
            return wrong(pair[0]);
        }
        match ends.last().copied().unwrap_or(0) {
            end if end == expected => Ok(Self { indices, ends }),
            end => wrong(end),
        }
    }

    /// All indices.
    pub fn indices(&self) -> &'a [u64] {
        self.indices
    }

    /// Group after group.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u64]> + use<'a> {
        let mut rest = self.indices;
        let mut from = 0;
        self.ends.iter().map(move |&end| {
            let count = usize::try_from(end - from).unwrap_or(usize::MAX);
            let (group, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
            (rest, from) = (after, end);
            group
        })
    }

    /// Nodes of each group's multiproof; refuses what no batch of multiproofs can be.
    fn counts(&self, size: u64) -> Result<Vec<usize>, Fault> {
        self.check(size)?;
        let counts = self.iter().zip(0u64..).map(|(group, position)| {
            let count = multiproof::node_count(group, size).map_err(|fault| fault.of_proof(position))?;
            Ok(usize::try_from(count).unwrap_or(usize::MAX))
        });
        counts.collect()
    }

    fn check(&self, size: u64) -> Result<(), Fault> {
        check_size(size)?;
        if self.ends.is_empty() {
            return Err(Fault::NoIndices);
        }
        let actual = self.indices.len().max(self.ends.len()) as u64;
        if actual > PROOFS_MAX {
            return Err(Fault::TooManyProofs { maximum: PROOFS_MAX, actual });
        }
        Ok(())
    }
}

/// Nodes of all multiproofs together; refuses what no batch of multiproofs can be.
pub fn node_count(groups: Groups<'_>, size: u64) -> Result<u64, Fault> {
    Ok(groups.counts(size)?.into_iter().map(|count| count as u64).sum())
}

/// The nodes of all multiproofs into `out`, which takes `node_count(groups, size)`; `read` gives a node by level and
/// position.
pub fn nodes(
    groups: Groups<'_>,
    size: u64,
    mut read: impl FnMut(u32, u64) -> Result<Hash, Fault>,
    out: &mut [Hash],
) -> Result<(), Fault> {
    check_count(node_count(groups, size)?, out.len())?;
    let (mut slots, mut known) = (out.iter_mut(), Vec::new());
    for group in groups.iter() {
        known.clear();
        known.extend_from_slice(group);
        multiproof::walk(&mut known, size, |level, position| {
            if let Some(slot) = slots.next() {
                *slot = read(level, position)?;
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Checks that the leaves of every group stand at its indices in the tree of `size` leaves under `root`.
///
/// `leaves` are those of all groups, one after the other. The first group that does not hold is named by its position.
pub fn verify(
    simd: Simd,
    root: &Hash,
    size: u64,
    groups: Groups<'_>,
    leaves: &[Hash],
    nodes: &[Hash],
    threads: usize,
) -> Result<(), Fault> {
    check_size(size)?;
    if !groups.ends.is_empty() && groups.indices.len() != leaves.len() {
        return Err(Fault::LeavesMismatch { expected: groups.indices.len() as u64, actual: leaves.len() as u64 });
    }
    let counts = groups.counts(size)?;
    check_count(counts.iter().map(|&count| count as u64).sum(), nodes.len())?;

    let mut parts = vec![];
    let mut part = Part { first: 0, groups: vec![] };
    let (mut rest_leaves, mut rest_nodes, mut together) = (leaves, nodes, 0);
    for ((group, count), position) in groups.iter().zip(counts).zip(0u64..) {
        let (leaves, after) = rest_leaves.split_at_checked(group.len()).unwrap_or((rest_leaves, &[]));
        let (nodes, above) = rest_nodes.split_at_checked(count).unwrap_or((rest_nodes, &[]));
        (rest_leaves, rest_nodes) = (after, above);
        part.groups.push((group, leaves, nodes));
        together += group.len();
        if together >= TOGETHER {
            parts.push(std::mem::replace(&mut part, Part { first: position + 1, groups: vec![] }));
            together = 0;
        }
    }
    parts.push(part);
    parallel::first_refused(parts.len(), threads, |at| {
        let mut walk = Walk::default();
        for (indices, leaves, nodes) in &parts[at].groups {
            walk.push(indices, leaves, nodes);
        }
        let reached = walk.climb(&Keccak(simd), size);
        let mut reached = reached.into_iter().zip(parts[at].first..);
        reached.try_for_each(|(reached, position)| check_root(root, reached).map_err(|fault| fault.of_proof(position)))
    })
}

/// Groups that are walked together, and the first one's position.
struct Part<'a> {
    first: u64,
    groups: Vec<(&'a [u64], &'a [Hash], &'a [Hash])>,
}

/// Multiproofs whose counts agree, on their way to the root side by side.
#[derive(Default)]
pub(crate) struct Walk<'a> {
    known: Vec<u64>,
    hashes: Vec<Hash>,
    groups: Vec<(usize, &'a [Hash])>,
}

impl<'a> Walk<'a> {
    /// Adds a multiproof.
    pub(crate) fn push(&mut self, indices: &[u64], leaves: &[Hash], nodes: &'a [Hash]) {
        self.known.extend_from_slice(indices);
        self.hashes.extend_from_slice(leaves);
        self.groups.push((indices.len(), nodes));
    }

    /// The root that each multiproof leads to: on each level the pairs of all of them, then their parents at once.
    pub(crate) fn climb(mut self, rule: &impl NodeRule, size: u64) -> Vec<Hash> {
        const NONE: Hash = [0; 32];
        let mut pairs = vec![[NONE; 2]; self.known.len()];
        let mut moved = Vec::new();
        for width in level_widths(size).take_while(|width| *width > 1) {
            let (mut at, mut above) = (0, 0);
            for (count, nodes) in &mut self.groups {
                let (end, first) = (at + *count, above);
                while at < end {
                    let (position, node) = (self.known[at], &self.hashes[at]);
                    // The side is chosen by place: of random indices no branch could be foreseen.
                    let (pair, side) = (&mut pairs[above], usize::from(position & 1 == 1));
                    pair[side] = *node;
                    at += 1;
                    if at < end && self.known[at] == position ^ 1 {
                        pair[1 - side] = self.hashes[at];
                        at += 1;
                    } else if position ^ 1 < width {
                        let (next, after) = nodes.split_first().unwrap_or((&NONE, &[]));
                        (pair[1 - side], *nodes) = (*next, after);
                    } else {
                        moved.push((above, *node));
                    }
                    self.known[above] = position >> 1;
                    above += 1;
                }
                *count = above - first;
            }
            rule.pairs(pairs[..above].as_flattened(), &mut self.hashes[..above]);
            // A node without a sibling moves up; what was hashed in its place was nothing.
            moved.drain(..).for_each(|(place, node)| self.hashes[place] = node);
        }
        self.hashes.truncate(self.groups.len());
        self.hashes
    }
}
