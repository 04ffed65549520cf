//! A growing tree in memory.

use crate::frontier::{self, Edge, Frontier};
use crate::keccak::Keccak;
use crate::shares::Leaves;
use crate::{batch, Fault, Hash, Simd};

/// Leaves hashed before their parents: they stay in a core's cache.
pub const PIECE: usize = 2048;

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

    /// Takes `count` leaves in.
    pub fn append(&mut self, simd: Simd, leaves: &impl Leaves, count: u64) -> Result<(), Fault> {
        let before = (self.frontier.clone(), self.nodes.len());
        let nodes = &mut self.nodes;
        let appended = in_pieces(&mut self.frontier, simd, leaves, count, |made| {
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

    fn read(&self, place: u64) -> Result<Hash, Fault> {
        let found = usize::try_from(place).ok().and_then(|place| self.nodes.get(place));
        found.copied().ok_or(Fault::IndexOutOfRange { index: place, size: self.nodes.len() as u64 })
    }
}

/// Hashes `count` leaves a piece at a time and hands the nodes that each piece completes to `keep`.
pub(crate) fn in_pieces(
    frontier: &mut Frontier,
    simd: Simd,
    leaves: &impl Leaves,
    count: u64,
    mut keep: impl FnMut(&[Hash]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    frontier.check_room(count)?;
    let mut hashed = vec![[0; 32]; PIECE.min(usize::try_from(count).unwrap_or(PIECE))];
    let (mut done, mut made) = (0, Vec::with_capacity(2 * hashed.len() + 64));
    while done < count {
        let left = usize::try_from(count - done).unwrap_or(PIECE).min(PIECE);
        let piece = &mut hashed[..left];
        leaves.hash(usize::try_from(done).unwrap_or(usize::MAX), piece)?;
        made.clear();
        frontier.append(&Keccak(simd), piece, &mut made)?;
        keep(&made)?;
        done += left as u64;
    }
    Ok(())
}
