//! Work on many rows by several threads, each taking a run of them at a time.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Rows that a thread takes at a time: a few milliseconds of work, so that a slow core delays nobody for long.
const RUN: usize = 32;

/// Calls `work` for every place of `out`, by at most `threads` threads that live for this call.
pub fn for_each<T: Send>(out: &mut [T], threads: usize, work: impl Fn(usize, &mut T) + Sync) {
    let runs = out.len().div_ceil(RUN);
    let queue = Mutex::new(out.chunks_mut(RUN).enumerate());
    let take = || loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some((run, places)) = next else { return };
        for (at, place) in places.iter_mut().enumerate() {
            work(run * RUN + at, place);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(runs) {
            // A thread that cannot be started leaves its runs to the others.
            let _ = thread::Builder::new().spawn_scoped(scope, take);
        }
        take();
    });
}
