//! Filling a tree's flat array in shares that fit a core's cache, by as many threads as are asked for.
//!
//! Decided here: who hashes what. A share is an aligned run of leaves with every node above them up to a few; it is
//! taken from one queue by whichever thread is free, so a slow core delays nobody by more than one share. What lies
//! above all shares is a thousandth of the work and done by the caller. Threads live for one call: nothing is left
//! behind that a fork could break.

use crate::tree::level_widths;
use crate::{Fault, Hash, NodeRule};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Nodes at the top of a share: enough to fill the lanes.
const SHARE_TOP: usize = 8;

/// Most threads for one tree.
pub const THREADS_MAX: usize = 256;

/// Where leaves come from.
pub trait Leaves: Sync {
    /// Leaves of a share, a power of two: with 118-byte payloads half a mebibyte of input and nodes.
    const SHARE: usize = 2048;

    /// Hashes the leaves from place `from` on, as many as `out` takes.
    fn hash(&self, from: usize, out: &mut [Hash]) -> Result<(), Fault>;
}

/// A run of leaves and the nodes above it, level by level.
struct Share<'a> {
    from: usize,
    levels: Vec<&'a mut [Hash]>,
}

/// Fills the flat array of a tree of `size` leaves, whose length the caller has checked.
pub(crate) fn fill<L: Leaves>(
    rule: &impl NodeRule,
    leaves: &L,
    nodes: &mut [Hash],
    size: u64,
    threads: usize,
) -> Result<(), Fault> {
    let widths = level_widths(size).map(|width| usize::try_from(width).unwrap_or(usize::MAX));
    let widths = widths.collect::<Vec<_>>();
    let shared = widths.len().min((L::SHARE / SHARE_TOP).ilog2() as usize + 1);
    let shares = divide(split(nodes, &widths[..shared]).0, L::SHARE);
    let threads = threads.clamp(1, THREADS_MAX).min(shares.len());
    let queue = Mutex::new(Ok(shares.into_iter()));
    thread::scope(|scope| {
        for _ in 1..threads {
            // A thread that cannot be started leaves its shares to the others.
            let _ = thread::Builder::new().spawn_scoped(scope, || work(rule, leaves, &queue));
        }
        work(rule, leaves, &queue);
    });
    queue.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    let (_, above) = split(nodes, &widths[..shared - 1]);
    climb(rule, &mut split(above, &widths[shared - 1..]).0);
    Ok(())
}

/// Takes shares until there are none, or until one of them was refused.
fn work<'a>(rule: &impl NodeRule, leaves: &impl Leaves, queue: &Mutex<Result<impl Iterator<Item = Share<'a>>, Fault>>) {
    loop {
        let next = match &mut *queue.lock().unwrap_or_else(PoisonError::into_inner) {
            Ok(shares) => shares.next(),
            Err(_) => None,
        };
        let Some(mut share) = next else { return };
        let hashed = match share.levels.first_mut() {
            Some(level) => leaves.hash(share.from, level),
            None => Ok(()),
        };
        match hashed {
            Ok(()) => climb(rule, &mut share.levels),
            Err(fault) => *queue.lock().unwrap_or_else(PoisonError::into_inner) = Err(fault),
        }
    }
}

/// Fills every level from the one below it; the first stands already.
fn climb(rule: &impl NodeRule, levels: &mut [&mut [Hash]]) {
    for at in 1..levels.len() {
        if let [.., below, above] = &mut levels[..=at] {
            rule.level(below, above);
        }
    }
}

/// The first levels of a flat array, and what lies above them.
fn split<'a>(nodes: &'a mut [Hash], widths: &[usize]) -> (Vec<&'a mut [Hash]>, &'a mut [Hash]) {
    let (mut levels, mut rest) = (Vec::with_capacity(widths.len()), nodes);
    for &width in widths {
        let (level, above) = rest.split_at_mut(width.min(rest.len()));
        levels.push(level);
        rest = above;
    }
    (levels, rest)
}

/// Levels cut into shares: a node belongs where its leaves do.
fn divide(levels: Vec<&mut [Hash]>, share: usize) -> Vec<Share<'_>> {
    let height = levels.len();
    let mut shares = Vec::new();
    for (level, nodes) in levels.into_iter().enumerate() {
        for (place, part) in nodes.chunks_mut(share >> level).enumerate() {
            if level == 0 {
                shares.push(Share { from: place * share, levels: Vec::with_capacity(height) });
            }
            shares[place].levels.push(part);
        }
    }
    shares
}
