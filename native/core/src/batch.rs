//! Many inclusion proofs at once: taken from a flat array, checked in all lanes and by several threads.
//!
//! The paths of a batch lie one after the other in the order of its indices. How long each is follows from index and
//! size, so nothing else is stored, and indices may come in any order and more than once.

use crate::blocks::{self, Climb};
use crate::inclusion::{check_position, check_root, inner_length};
use crate::parallel;
use crate::tree::{check_size, Levels};
use crate::{Fault, Hash, Simd};

/// Most proofs in one batch: a gibibyte of paths at the utmost.
pub const PROOFS_MAX: u64 = 1 << 20;

/// Proofs that a thread takes at a time.
const PART: usize = 512;

/// Nodes of all paths together; refuses what no batch can be.
pub fn node_count(indices: &[u64], size: u64) -> Result<u64, Fault> {
    check_size(size)?;
    if indices.is_empty() {
        return Err(Fault::NoIndices);
    }
    if indices.len() as u64 > PROOFS_MAX {
        return Err(Fault::TooManyProofs { maximum: PROOFS_MAX, actual: indices.len() as u64 });
    }
    let lengths = indices.iter().zip(0u64..).map(|(&index, position)| {
        check_position(index, size).map_err(|fault| fault.of_proof(position))?;
        Ok(u64::from(length(index, size)))
    });
    lengths.sum()
}

/// The paths of all indices out of a tree's flat array into `out`, which takes `node_count(indices, size)` nodes.
pub fn paths(nodes: &[Hash], size: u64, indices: &[u64], out: &mut [Hash]) -> Result<(), Fault> {
    check_count(node_count(indices, size)?, out.len())?;
    let levels = Levels::new(nodes, size)?;
    let mut slots = out.iter_mut();
    for &index in indices {
        for depth in 0..u64::BITS - (size - 1).leading_zeros() {
            if let Some(sibling) = levels.node(depth, (index >> depth) ^ 1) {
                slots.by_ref().take(1).for_each(|slot| *slot = *sibling);
            }
        }
    }
    Ok(())
}

/// Checks that each leaf stands at its index in the tree of `size` leaves under `root`.
///
/// The first proof that does not hold is named by its position in the batch.
pub fn verify(
    simd: Simd,
    root: &Hash,
    size: u64,
    indices: &[u64],
    leaves: &[Hash],
    nodes: &[Hash],
    threads: usize,
) -> Result<(), Fault> {
    check_size(size)?;
    if !indices.is_empty() && indices.len() != leaves.len() {
        return Err(Fault::LeavesMismatch { expected: indices.len() as u64, actual: leaves.len() as u64 });
    }
    check_count(node_count(indices, size)?, nodes.len())?;
    let (mut parts, mut rest, mut from) = (Vec::with_capacity(indices.len().div_ceil(PART)), nodes, 0);
    for (indices, leaves) in indices.chunks(PART).zip(leaves.chunks(PART)) {
        let count = indices.iter().map(|&index| length(index, size) as usize).sum::<usize>();
        let (nodes, after) = rest.split_at_checked(count).unwrap_or((rest, &[]));
        parts.push((from, indices, leaves, nodes));
        (rest, from) = (after, from + PART as u64);
    }
    parallel::first_refused(parts.len(), threads, |part| {
        let (from, indices, leaves, nodes) = parts[part];
        match blocks::climb(simd, Climb { size, root, indices, leaves, nodes }) {
            Some((position, reached)) => {
                check_root(root, reached).map_err(|fault| fault.of_proof(from + position as u64))
            }
            None => Ok(()),
        }
    })
}

/// Nodes in the path of an index that lies inside the tree.
pub(crate) fn length(index: u64, size: u64) -> u32 {
    let inner = inner_length(index, size);
    inner + (index >> inner).count_ones()
}

/// Zeroed nodes; refuses what the machine does not give.
pub(crate) fn room(count: u64) -> Result<Vec<Hash>, Fault> {
    let refused = Fault::OutOfMemory { bytes: count.saturating_mul(32) };
    let count = usize::try_from(count).map_err(|_| refused.clone())?;
    let mut nodes = Vec::new();
    nodes.try_reserve_exact(count).map_err(|_| refused)?;
    nodes.resize(count, [0; 32]);
    Ok(nodes)
}

pub(crate) fn check_count(expected: u64, actual: usize) -> Result<(), Fault> {
    let actual = actual as u64;
    if expected != actual {
        return Err(Fault::NodeCountWrong { expected, actual });
    }
    Ok(())
}
