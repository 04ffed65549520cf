//! Where a tree's nodes lie.
//!
//! Touching fresh memory page by page costs about as much as a third of the hashing; large arrays therefore ask the
//! kernel for huge pages, and take small ones where it has none to give.

use crate::{Fault, Hash};
use memmap2::{Advice, MmapMut};

/// Arrays from this many bytes up are mapped by themselves.
const MAP_FROM: usize = 4 << 20;

/// A fixed number of nodes, zero at first.
#[derive(Debug)]
pub struct Arena(Memory);

#[derive(Debug)]
enum Memory {
    Heap(Vec<Hash>),
    Mapped(MmapMut),
}

impl Arena {
    /// Room for `count` nodes; refuses what the machine does not give.
    pub fn new(count: u64) -> Result<Self, Fault> {
        let refused = Fault::OutOfMemory { bytes: count.saturating_mul(32) };
        let bytes = usize::try_from(count).ok().and_then(|count| count.checked_mul(32)).ok_or(refused.clone())?;
        if bytes < MAP_FROM {
            return Ok(Self(Memory::Heap(vec![[0; 32]; bytes / 32])));
        }
        let map = MmapMut::map_anon(bytes).map_err(|_| refused)?;
        // A wish: small pages hold the same nodes.
        let _ = map.advise(Advice::HugePage);
        // Faults of several threads at once wait for each other: the kernel hands all of it out beforehand, if it can.
        #[cfg(target_os = "linux")]
        let _ = map.advise(Advice::PopulateWrite);
        Ok(Self(Memory::Mapped(map)))
    }
}

impl std::ops::Deref for Arena {
    type Target = [Hash];

    fn deref(&self) -> &[Hash] {
        match &self.0 {
            Memory::Heap(nodes) => nodes,
            Memory::Mapped(map) => map.as_chunks().0,
        }
    }
}

impl std::ops::DerefMut for Arena {
    fn deref_mut(&mut self) -> &mut [Hash] {
        match &mut self.0 {
            Memory::Heap(nodes) => nodes,
            Memory::Mapped(map) => map.as_chunks_mut().0,
        }
    }
}
