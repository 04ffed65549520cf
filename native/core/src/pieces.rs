//! Leaves on their way into a growing tree: a piece at a time, hashed by several threads, kept in order.
//!
//! An aligned piece of 2^k leaves stands in one run of the post-order array, so whoever is free hashes it whole. The
//! caller's thread keeps the runs in their order, adds the few nodes above each, and hashes pieces itself while the next
//! one is not there yet. At most `AHEAD` pieces a thread are under way or waiting: that bounds the memory, whatever is
//! appended. Threads live for one call, so a fork finds nothing broken.

use crate::frontier::Frontier;
use crate::keccak::Keccak;
use crate::shares::{Leaves, THREADS_MAX};
use crate::{Fault, Hash, Simd};
use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Leaves hashed before their parents: they stay in a core's cache.
pub const PIECE: u64 = 2048;

/// Pieces that a thread may be ahead of what is kept.
const AHEAD: u64 = 4;

/// What is appended.
pub(crate) struct Appending<'a, L> {
    pub(crate) simd: Simd,
    pub(crate) leaves: &'a L,
    pub(crate) count: u64,
    pub(crate) threads: usize,
}

impl<L: Leaves> Appending<'_, L> {
    /// The nodes that stand over some leaves alone, in post-order, added to `frontier`.
    fn hash(&self, frontier: &mut Frontier, from: u64, count: u64, made: &mut Vec<Hash>) -> Result<(), Fault> {
        if count == 0 {
            return Ok(());
        }
        let mut hashed = vec![[0; 32]; usize::try_from(count).unwrap_or(0)];
        self.leaves.hash(usize::try_from(from).unwrap_or(usize::MAX), &mut hashed)?;
        frontier.append(&Keccak(self.simd), &hashed, made)
    }
}

/// Takes leaves in and hands the nodes that they complete to `keep`, in post-order.
pub(crate) fn append<L: Leaves>(
    frontier: &mut Frontier,
    appending: &Appending<'_, L>,
    mut keep: impl FnMut(&[Hash]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let count = appending.count;
    frontier.check_room(count)?;
    // Up to where whole pieces begin, the whole pieces, and what is left.
    let first = count.min(frontier.size().next_multiple_of(PIECE) - frontier.size());
    let pieces = (count - first) / PIECE;
    let mut made = Vec::new();
    appending.hash(frontier, 0, first, &mut made)?;
    keep(&made)?;
    whole_pieces(frontier, appending, first, pieces, &mut keep)?;
    let done = first + pieces * PIECE;
    made.clear();
    appending.hash(frontier, done, count - done, &mut made)?;
    keep(&made)
}

/// Takes aligned pieces in.
fn whole_pieces<L: Leaves>(
    frontier: &mut Frontier,
    appending: &Appending<'_, L>,
    first: u64,
    pieces: u64,
    keep: &mut impl FnMut(&[Hash]) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let threads = appending.threads.clamp(1, THREADS_MAX).min(usize::try_from(pieces).unwrap_or(THREADS_MAX));
    let line = Line::new(pieces, AHEAD * threads as u64);
    let hash = |piece: u64| {
        let mut made = Vec::with_capacity(2 * usize::try_from(PIECE).unwrap_or(0) + 32);
        appending.hash(&mut Frontier::default(), first + piece * PIECE, PIECE, &mut made).map(|()| made)
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // A thread that cannot be started leaves its pieces to the others.
            let _ = thread::Builder::new().spawn_scoped(scope, || line.work(&hash));
        }
        let leave = Leave(&line);
        for piece in 0..pieces {
            let mut made = line.wait_for(piece, &hash)?;
            let root = made.last().copied().unwrap_or_default();
            frontier.append_whole(&Keccak(appending.simd), PIECE.ilog2(), root, &mut made);
            keep(&made)?;
        }
        drop(leave);
        Ok(())
    })
}

/// Pieces waiting for their turn.
struct Line {
    state: Mutex<State>,
    changed: Condvar,
    pieces: u64,
    ahead: u64,
}

struct State {
    /// The next piece that nobody has taken.
    next: u64,
    /// Pieces that were kept.
    kept: u64,
    /// What was hashed and is not kept yet.
    done: BTreeMap<u64, Result<Vec<Hash>, Fault>>,
    /// Nothing more is wanted.
    over: bool,
}

impl Line {
    fn new(pieces: u64, ahead: u64) -> Self {
        let state = State { next: 0, kept: 0, done: BTreeMap::new(), over: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), pieces, ahead }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hashes pieces until there are none, waiting while too many are ahead.
    fn work(&self, hash: &impl Fn(u64) -> Result<Vec<Hash>, Fault>) {
        let leave = Leave(self);
        let mut state = self.lock();
        while !state.over && state.next < self.pieces {
            if state.next >= state.kept + self.ahead {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let piece = state.next;
            state.next += 1;
            drop(state);
            let made = hash(piece);
            state = self.lock();
            state.done.insert(piece, made);
            self.changed.notify_all();
        }
        drop(state);
        std::mem::forget(leave);
    }

    /// The piece whose turn it is; until it is there the caller hashes those that nobody has taken.
    fn wait_for(&self, piece: u64, hash: &impl Fn(u64) -> Result<Vec<Hash>, Fault>) -> Result<Vec<Hash>, Fault> {
        let mut state = self.lock();
        loop {
            if let Some(made) = state.done.remove(&piece) {
                state.kept = piece + 1;
                self.changed.notify_all();
                return made;
            }
            if state.over {
                return Err(Fault::InputGone);
            }
            if state.next < self.pieces.min(state.kept + self.ahead) {
                let taken = state.next;
                state.next += 1;
                drop(state);
                let made = hash(taken);
                state = self.lock();
                state.done.insert(taken, made);
                continue;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Ends the line when dropped, so that nobody waits for somebody who is gone.
struct Leave<'a>(&'a Line);

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.changed.notify_all();
    }
}
