//! A growing tree in memory.

use crate::frontier::{self, Edge};
use crate::groups::{self, Groups};
use crate::keccak::Keccak;
use crate::pieces::{self, Appending};
use crate::shares::Leaves;
use crate::{batch, frontier::Frontier, Fault, Hash, Simd};

/// A tree that takes leaves in at its end and proves any of them at any time.
#[derive(Clone, Debug, Default)]
pub struct Growing {
    frontier: Frontier,
    nodes: Vec<Hash>,
}

impl Growing {
    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Takes `count` leaves in, hashed by at most `threads` threads.
    pub fn append(&mut self, simd: Simd, leaves: &impl Leaves, count: u64, threads: usize) -> Result<(), Fault> {
        let before = (self.frontier.clone(), self.nodes.len());
        let nodes = &mut self.nodes;
        let appending = Appending { simd, leaves, count, threads };
        let appended = pieces::append(&mut self.frontier, &appending, |made| {
            nodes.try_reserve(made.len()).map_err(|_| Fault::OutOfMemory { bytes: 32 * made.len() as u64 })?;
            nodes.extend_from_slice(made);
            Ok(())
        });
        // All or nothing: a refused leaf leaves the tree as it was.
        if appended.is_err() {
            self.frontier = before.0;
            self.nodes.truncate(before.1);
        }
        appended
    }

    /// The root and the right edge of the tree as it is now.
    pub fn edge(&self) -> Result<Edge, Fault> {
        self.frontier.edge(&Keccak::ONE_BY_ONE)
    }

    /// The hashes of leaves.
    pub fn leaves(&self, indices: &[u64]) -> Result<Vec<Hash>, Fault> {
        batch::node_count(indices, self.size())?;
        indices.iter().map(|&index| self.read(frontier::place(0, index))).collect()
    }

    /// The paths of leaves, one after the other.
    pub fn paths(&self, indices: &[u64]) -> Result<Vec<Hash>, Fault> {
        let edge = self.edge()?;
        let mut out = Vec::with_capacity(usize::try_from(batch::node_count(indices, self.size())?).unwrap_or(0));
        for &index in indices {
            edge.path(index, |place| self.read(place), &mut out)?;
        }
        Ok(out)
    }

    /// The multiproofs of groups of leaves, one after the other.
    pub fn multiproofs(&self, groups: Groups<'_>) -> Result<Vec<Hash>, Fault> {
        let edge = self.edge()?;
        let mut out = batch::room(groups::node_count(groups, edge.size())?)?;
        let read = |level, position| edge.node(level, position, |place| self.read(place));
        groups::nodes(groups, edge.size(), read, &mut out)?;
        Ok(out)
    }

    fn read(&self, place: u64) -> Result<Hash, Fault> {
        let found = usize::try_from(place).ok().and_then(|place| self.nodes.get(place));
        found.copied().ok_or(Fault::IndexOutOfRange { index: place, size: self.nodes.len() as u64 })
    }
}
