//! Two states side by side in the 128-bit registers of aarch64, where the processor has the SHA3 instructions.
//!
//! Without them two lanes are slower than the general registers, which rotate for free; `Scalar` serves there.

use crate::rounds::permute;
use crate::{Block, Digest, Kernel, State};
use std::arch::aarch64::{
    uint64x2_t, vbcaxq_u64, vdupq_n_u64, veor3q_u64, veorq_u64, vld1q_u64, vrax1q_u64, vst1q_u64, vxarq_u64,
};
use std::arch::is_aarch64_feature_detected;

/// The kernel of two lanes; having one means that the processor was asked.
#[derive(Clone, Copy, Debug)]
pub struct Neon(());

impl Neon {
    /// The kernel, if this processor has NEON with the SHA3 instructions.
    pub fn detect() -> Option<Self> {
        (is_aarch64_feature_detected!("neon") && is_aarch64_feature_detected!("sha3")).then_some(Self(()))
    }
}

impl Kernel<2> for Neon {
    fn hash(self, block: &Block<2>, out: &mut Digest<2>) {
        // SAFETY: `detect` made `self`, so the processor has NEON and SHA3.
        unsafe { hash(block, out) }
    }

    fn permute(self, state: &mut State<2>) {
        // SAFETY: `detect` made `self`, so the processor has NEON and SHA3.
        unsafe { permute_state(state) }
    }
}

#[target_feature(enable = "neon,sha3")]
fn hash(block: &Block<2>, out: &mut Digest<2>) {
    let mut a = [vdupq_n_u64(0); 25];
    for (word, lanes) in a.iter_mut().zip(&block.0) {
        *word = load(lanes);
    }
    permute!(a);
    for (word, lanes) in a.iter().zip(&mut out.0) {
        store(lanes, *word);
    }
}

#[target_feature(enable = "neon,sha3")]
fn permute_state(state: &mut State<2>) {
    let mut a = [vdupq_n_u64(0); 25];
    for (word, lanes) in a.iter_mut().zip(&state.0) {
        *word = load(lanes);
    }
    permute!(a);
    for (word, lanes) in a.iter().zip(&mut state.0) {
        store(lanes, *word);
    }
}

#[inline]
#[target_feature(enable = "neon,sha3")]
fn load(lanes: &[u64; 2]) -> uint64x2_t {
    // SAFETY: the reference covers 16 readable bytes.
    unsafe { vld1q_u64(lanes.as_ptr()) }
}

#[inline]
#[target_feature(enable = "neon,sha3")]
fn store(lanes: &mut [u64; 2], word: uint64x2_t) {
    // SAFETY: the reference covers 16 writable bytes.
    unsafe { vst1q_u64(lanes.as_mut_ptr(), word) }
}

#[inline]
#[target_feature(enable = "neon,sha3")]
fn parity(a: uint64x2_t, b: uint64x2_t, c: uint64x2_t, d: uint64x2_t, e: uint64x2_t) -> uint64x2_t {
    veor3q_u64(veor3q_u64(a, b, c), d, e)
}

/// `before ^ rotate_left(after, 1)` in one instruction.
#[inline]
#[target_feature(enable = "neon,sha3")]
fn mix(before: uint64x2_t, after: uint64x2_t) -> uint64x2_t {
    vrax1q_u64(before, after)
}

/// Exclusive or and rotation in one instruction, which rotates to the right.
#[inline]
#[target_feature(enable = "neon,sha3")]
fn turn<const LEFT: i32, const RIGHT: i32>(word: uint64x2_t, with: uint64x2_t) -> uint64x2_t {
    vxarq_u64::<RIGHT>(word, with)
}

/// `a ^ (c & !b)` in one instruction.
#[inline]
#[target_feature(enable = "neon,sha3")]
fn chi(a: uint64x2_t, b: uint64x2_t, c: uint64x2_t) -> uint64x2_t {
    vbcaxq_u64(a, c, b)
}

#[inline]
#[target_feature(enable = "neon,sha3")]
fn iota(word: uint64x2_t, constant: u64) -> uint64x2_t {
    veorq_u64(word, vdupq_n_u64(constant))
}
