//! A tree that grows: what must be remembered to go on, and where its nodes stand.
//!
//! Only nodes over whole subtrees are kept, in post-order: a node follows its right child at once, so appending never
//! moves or changes what stands. The ragged right edge (RFC 9162 moves an odd last node up) is folded from the peaks
//! when it is asked for: at most 31 hashes.

use crate::tree::check_size;
use crate::{Fault, Hash, NodeRule, SIZE_MAX};

/// Levels above the leaves that a tree of `SIZE_MAX` leaves can have.
pub const LEVELS: usize = 32;

/// Nodes that stand for a tree of `size` leaves.
pub fn node_count(size: u64) -> u64 {
    2 * size - u64::from(size.count_ones())
}

/// The place of a node over a whole subtree; the leaf that completes it comes first.
pub fn place(level: u32, position: u64) -> u64 {
    let leaf = ((position + 1) << level) - 1;
    node_count(leaf) + u64::from(level)
}

/// The size of a growing tree and its peaks: the roots of its largest whole subtrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: [Hash; LEVELS],
}

/// What a tree of one size cannot read from its nodes: its root, and the subtree at its right edge on every level.
#[derive(Clone, Debug)]
pub struct Edge {
    size: u64,
    root: Hash,
    ragged: [Hash; LEVELS],
}

impl Default for Frontier {
    fn default() -> Self {
        Self { size: 0, peaks: [[0; 32]; LEVELS] }
    }
}

impl Frontier {
    /// The frontier of a tree whose nodes stand already; `read` takes a place.
    pub fn restore(size: u64, read: impl Fn(u64) -> Result<Hash, Fault>) -> Result<Self, Fault> {
        let mut frontier = Self { size, ..Self::default() };
        for (level, peak) in (0u32..).zip(&mut frontier.peaks) {
            if (size >> level) & 1 == 1 {
                *peak = read(place(level, (size >> level) - 1))?;
            }
        }
        Ok(frontier)
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// How many more leaves would be refused, if `count` would.
    pub fn check_room(&self, count: u64) -> Result<(), Fault> {
        let actual = self.size.saturating_add(count);
        if actual > SIZE_MAX {
            return Err(Fault::TreeTooLarge { maximum: SIZE_MAX, actual });
        }
        Ok(())
    }

    /// Takes leaves in; the nodes that now stand go to the end of `out`, in post-order.
    pub fn append(&mut self, rule: &impl NodeRule, leaves: &[Hash], out: &mut Vec<Hash>) -> Result<(), Fault> {
        self.check_room(leaves.len() as u64)?;
        let (from, to) = (self.size, self.size + leaves.len() as u64);
        let mut levels = vec![leaves.to_vec()];
        let mut below = Vec::with_capacity(leaves.len() + 1);
        for (level, peak) in (0u32..).zip(&mut self.peaks) {
            let Some(fresh) = levels.last().filter(|fresh| !fresh.is_empty()) else { break };
            below.clear();
            // The left sibling of the first new node stood alone until now: it is this level's peak.
            below.extend(((from >> level) & 1 == 1).then_some(*peak));
            below.extend(fresh);
            if let (1, Some(last)) = ((to >> level) & 1, fresh.last()) {
                *peak = *last;
            }
            let pairs = below.len() / 2;
            let mut above = vec![[0; 32]; pairs];
            rule.pairs(&below[..2 * pairs], &mut above);
            levels.push(above);
        }
        for leaf in from..to {
            let completed = (leaf + 1).trailing_zeros() + 1;
            for (level, nodes) in (0..completed).zip(&levels) {
                let position = (((leaf + 1) >> level) - 1) - (from >> level);
                out.extend(usize::try_from(position).ok().and_then(|position| nodes.get(position)));
            }
        }
        self.size = to;
        Ok(())
    }

    /// Takes a whole subtree of 2^level leaves in, whose nodes stand already; the nodes that it completes above itself go
    /// to the end of `out`. The size is a multiple of the subtree's.
    pub(crate) fn append_whole(&mut self, rule: &impl NodeRule, level: u32, root: Hash, out: &mut Vec<Hash>) {
        let mut node = root;
        for (place, peak) in (0u32..).zip(&mut self.peaks).skip(level as usize) {
            if (self.size >> place) & 1 == 0 {
                *peak = node;
                break;
            }
            node = rule.node(peak, &node);
            out.push(node);
        }
        self.size += 1 << level;
    }

    /// The root and the right edge; refuses an empty tree.
    pub fn edge(&self, rule: &impl NodeRule) -> Result<Edge, Fault> {
        check_size(self.size)?;
        let mut ragged = [[0; 32]; LEVELS];
        let mut tail: Option<Hash> = None;
        for ((level, peak), slot) in (0u32..).zip(&self.peaks).zip(&mut ragged) {
            *slot = tail.unwrap_or_default();
            if (self.size >> level) & 1 == 1 {
                tail = Some(tail.map_or(*peak, |tail| rule.node(peak, &tail)));
            }
        }
        Ok(Edge { size: self.size, root: tail.unwrap_or_default(), ragged })
    }
}

impl Edge {
    /// Leaves of the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The node at a position that a level of the tree has; `read` takes a place among the standing nodes.
    pub fn node(
        &self,
        level: u32,
        position: u64,
        mut read: impl FnMut(u64) -> Result<Hash, Fault>,
    ) -> Result<Hash, Fault> {
        if position < self.size >> level {
            return read(place(level, position));
        }
        Ok(self.ragged.get(level as usize).copied().unwrap_or_default())
    }

    /// Pushes the inclusion path of a leaf inside the tree; `read` takes a place among the standing nodes.
    pub fn path(
        &self,
        index: u64,
        mut read: impl FnMut(u64) -> Result<Hash, Fault>,
        out: &mut Vec<Hash>,
    ) -> Result<(), Fault> {
        for (level, ragged) in (0u32..).zip(&self.ragged) {
            let (sibling, whole) = ((index >> level) ^ 1, self.size >> level);
            if sibling < whole {
                out.push(read(place(level, sibling))?);
            } else if sibling == whole && whole << level < self.size {
                out.push(*ragged);
            }
        }
        Ok(())
    }
}
