//! Keccak-f[1600] over one, two, four or eight states at once, chosen when the program runs.
//!
//! Decided here: which instructions a processor offers, and the permutation in each of them. Not decided here: what is
//! hashed, or in which order. Invariant: a kernel's value exists only where its instructions do, so its methods are safe
//! to call; `unsafe` stands in this crate alone, for those calls and for loads and stores of whole registers.

mod prefetch;
mod rounds;
mod rows;
mod scalar;
mod simd;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_one;
#[cfg(target_arch = "aarch64")]
mod neon;

#[cfg(target_arch = "x86_64")]
pub use {avx2::Avx2, avx512::Avx512, avx512_one::Avx512One};

#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use prefetch::prefetch;
pub use scalar::Scalar;
pub use simd::{Simd, SimdUnavailable, Task};

/// Words of one Keccak-256 block: 136 bytes.
pub const BLOCK_WORDS: usize = 17;

/// Most bytes of a row: with a byte and a head of 16 one less than a block, which padding needs.
pub const ROW_MAX: usize = 118;

/// Words of a Keccak-256 digest.
pub const DIGEST_WORDS: usize = 4;

/// One padded block for each lane, word by word: `block.0[word][lane]`, each word little-endian.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Block<const LANES: usize>(pub [[u64; LANES]; BLOCK_WORDS]);

/// One digest for each lane, word by word.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Digest<const LANES: usize>(pub [[u64; LANES]; DIGEST_WORDS]);

/// One whole state for each lane, word by word.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct State<const LANES: usize>(pub [[u64; LANES]; 25]);

/// A way to run the permutation on `LANES` states at once.
pub trait Kernel<const LANES: usize>: Copy + Send + Sync {
    /// Keccak-256 of messages that are one block long, padding included.
    fn hash(self, block: &Block<LANES>, out: &mut Digest<LANES>);

    /// Keccak-256 of a byte and the 64 bytes of each lane; `blank` is the padded block of such a message that is zero
    /// after its first byte.
    #[inline]
    fn hash_pairs(self, blank: &[u64; BLOCK_WORDS], pairs: &[[u8; 64]; LANES], out: &mut [[u8; 32]; LANES]) {
        rows::hash_pairs(self, blank, pairs, out);
    }

    /// Keccak-256 of a byte, a head and a row of at most `ROW_MAX` bytes for each lane; rows are of one length, and
    /// `blank` is as for `hash_pairs`. Other rows give a hash of nothing in particular.
    #[inline]
    fn hash_rows(
        self,
        blank: &[u64; BLOCK_WORDS],
        heads: &[[u8; 16]; LANES],
        rows: &[&[u8]; LANES],
        out: &mut [[u8; 32]; LANES],
    ) {
        rows::hash_rows(self, blank, heads, rows, out);
    }

    /// One step up in every lane: Keccak-256 of a byte, the lane's node and its sibling, written over the node.
    ///
    /// Bit n of `left` says that lane n's sibling stands on the left; a lane without its bit in `active` keeps its node.
    #[inline]
    fn climb(
        self,
        blank: &[u64; BLOCK_WORDS],
        nodes: &mut Digest<LANES>,
        siblings: &[&[u8; 32]; LANES],
        left: u8,
        active: u8,
    ) {
        rows::climb(self, blank, nodes, siblings, left, active);
    }

    /// The bare permutation: what the hardware can do at most.
    fn permute(self, state: &mut State<LANES>);
}
