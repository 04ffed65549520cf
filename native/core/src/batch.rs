//! Many inclusion proofs at once: taken from a flat array, checked in all lanes and by several threads.
//!
//! The paths of a batch lie one after the other in the order of its indices. How long each is follows from index and
//! size, so nothing else is stored, and indices may come in any order and more than once.

use crate::blocks;
use crate::inclusion::{check_position, check_root, inner_length, place, side_of, split, Side};
use crate::tree::{check_nodes, check_size, level_widths};
use crate::{Fault, Hash, Simd};
use std::thread;

/// Most proofs in one batch: a gibibyte of paths at the utmost.
pub const PROOFS_MAX: u64 = 1 << 20;

/// Proofs that are worth a thread.
const PART: usize = 1024;

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
    check_nodes(nodes, size)?;
    let (mut levels, mut rest) = (Vec::with_capacity(33), nodes);
    for width in level_widths(size) {
        let (level, above) = split(rest, width);
        levels.push(level);
        rest = above;
    }
    let mut slots = out.iter_mut();
    for &index in indices {
        for (level, depth) in levels.iter().zip(0u32..) {
            if let Some(sibling) = place(level, (index >> depth) ^ 1) {
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
    let threads = threads.clamp(1, crate::shares::THREADS_MAX).min(indices.len().div_ceil(PART));
    let part = indices.len().div_ceil(threads);
    let mut starts = Vec::with_capacity(indices.len());
    let mut start = 0;
    for &index in indices {
        starts.push(start);
        start += length(index, size) as usize;
    }
    let check = |from: usize| {
        let to = indices.len().min(from + part);
        let (indices, leaves, starts) = (&indices[from..to], &leaves[from..to], &starts[from..to]);
        let reached = climb(simd, size, indices, leaves, starts, nodes);
        let mut positions = reached.into_iter().zip(from as u64..);
        positions
            .try_for_each(|(reached, position)| check_root(root, reached).map_err(|fault| fault.of_proof(position)))
    };
    thread::scope(|scope| {
        let rest =
            (1..threads).map(|at| (at * part, thread::Builder::new().spawn_scoped(scope, move || check(at * part))));
        let rest = rest.collect::<Vec<_>>();
        let first = check(0);
        // In order, so that the first proof refused is the one that is named.
        rest.into_iter().fold(first, |before, (from, thread)| {
            before.and_then(|()| match thread.map(thread::ScopedJoinHandle::join) {
                Ok(Ok(checked)) => checked,
                _ => check(from),
            })
        })
    })
}

/// The roots that checked proofs lead to, a group of lanes at a time, as many levels as the group's longest path.
fn climb(simd: Simd, size: u64, indices: &[u64], leaves: &[Hash], starts: &[usize], nodes: &[Hash]) -> Vec<Hash> {
    let mut reached = leaves.to_vec();
    let lengths = indices.iter().map(|&index| length(index, size)).collect::<Vec<_>>();
    let mut active = Vec::with_capacity(blocks::GROUP);
    for from in (0..indices.len()).step_by(blocks::GROUP) {
        let to = indices.len().min(from + blocks::GROUP);
        let longest = lengths[from..to].iter().copied().max().unwrap_or(0);
        for level in 0..longest {
            active.clear();
            active.extend((from..to).filter(|&at| level < lengths[at]));
            let fill = |slot: usize, pair: &mut [u8; 64]| {
                let at = active[slot];
                let (left, right) = pair.split_at_mut(32);
                let sibling = &nodes[starts[at] + level as usize];
                let (first, second) = match side_of(indices[at], size, level) {
                    Side::Left => (sibling, &reached[at]),
                    Side::Right => (&reached[at], sibling),
                };
                left.copy_from_slice(first);
                right.copy_from_slice(second);
            };
            let mut parents = [[0; 32]; blocks::GROUP];
            blocks::pairs(simd, active.len(), fill, |slot, hash| parents[slot] = hash);
            for (&at, parent) in active.iter().zip(parents) {
                reached[at] = parent;
            }
        }
    }
    reached
}

/// Nodes in the path of an index that lies inside the tree.
fn length(index: u64, size: u64) -> u32 {
    let inner = inner_length(index, size);
    inner + (index >> inner).count_ones()
}

fn check_count(expected: u64, actual: usize) -> Result<(), Fault> {
    let actual = actual as u64;
    if expected != actual {
        return Err(Fault::NodeCountWrong { expected, actual });
    }
    Ok(())
}
