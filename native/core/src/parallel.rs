//! Parts that are judged by several threads, and the first of them that is refused.

use crate::shares::THREADS_MAX;
use crate::Fault;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Calls `check` for the parts 0, 1, 2, ... on at most `threads` threads that live for this call.
///
/// Of several refusals the lowest part's comes back, whichever thread was first.
pub fn first_refused(
    parts: usize,
    threads: usize,
    check: impl Fn(usize) -> Result<(), Fault> + Sync,
) -> Result<(), Fault> {
    let (next, refused) = (AtomicUsize::new(0), Mutex::new(None::<(usize, Fault)>));
    let work = || loop {
        let part = next.fetch_add(1, Ordering::Relaxed);
        if part >= parts {
            return;
        }
        if let Err(fault) = check(part) {
            // Parts are taken in order: those below are in somebody's hands, those above do not matter any more.
            next.fetch_max(parts, Ordering::Relaxed);
            let mut refused = refused.lock().unwrap_or_else(PoisonError::into_inner);
            if refused.as_ref().is_none_or(|(before, _)| part < *before) {
                *refused = Some((part, fault));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.clamp(1, THREADS_MAX).min(parts) {
            // A thread that cannot be started leaves its parts to the others.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    refused.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), |(_, fault)| Err(fault))
}
