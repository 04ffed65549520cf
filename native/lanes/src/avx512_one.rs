//! One state in 128-bit registers of x86-64: rotations and three-way logic in one instruction each.
//!
//! For a single path, where every hash waits for the one before, so that there are no lanes to fill. A register's upper half
//! is idle.

use crate::rounds::permute;
use crate::{Block, Digest, Kernel, State};
use std::arch::x86_64::{
    __m128i, _mm_cvtsi128_si64, _mm_cvtsi64_si128, _mm_rol_epi64, _mm_setzero_si128, _mm_ternarylogic_epi64,
    _mm_xor_si128,
};

/// The kernel of one lane; having one means that the processor was asked.
#[derive(Clone, Copy, Debug)]
pub struct Avx512One(());

impl Avx512One {
    /// The kernel, if this processor has AVX-512 F and VL.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl")).then_some(Self(()))
    }
}

impl Kernel<1> for Avx512One {
    fn hash(self, block: &Block<1>, out: &mut Digest<1>) {
        // SAFETY: `detect` made `self`, so the processor has AVX-512 F and VL.
        unsafe { hash(block, out) }
    }

    fn permute(self, state: &mut State<1>) {
        // SAFETY: `detect` made `self`, so the processor has AVX-512 F and VL.
        unsafe { permute_state(state) }
    }
}

#[target_feature(enable = "avx512f,avx512vl")]
fn hash(block: &Block<1>, out: &mut Digest<1>) {
    let mut a = [_mm_setzero_si128(); 25];
    for (word, [from]) in a.iter_mut().zip(&block.0) {
        *word = _mm_cvtsi64_si128(from.cast_signed());
    }
    permute!(a);
    for (word, [to]) in a.iter().zip(&mut out.0) {
        *to = _mm_cvtsi128_si64(*word).cast_unsigned();
    }
}

#[target_feature(enable = "avx512f,avx512vl")]
fn permute_state(state: &mut State<1>) {
    let mut a = state.0.map(|[word]| _mm_cvtsi64_si128(word.cast_signed()));
    permute!(a);
    for (word, [to]) in a.iter().zip(&mut state.0) {
        *to = _mm_cvtsi128_si64(*word).cast_unsigned();
    }
}

/// Exclusive or of three: the truth table 0x96.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn xor3(a: __m128i, b: __m128i, c: __m128i) -> __m128i {
    _mm_ternarylogic_epi64::<0x96>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn parity(a: __m128i, b: __m128i, c: __m128i, d: __m128i, e: __m128i) -> __m128i {
    xor3(xor3(a, b, c), d, e)
}

/// Both columns stay apart: three-way exclusive or takes them in `turn` at no extra cost.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn mix(before: __m128i, after: __m128i) -> (__m128i, __m128i) {
    (before, _mm_rol_epi64::<1>(after))
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn turn<const LEFT: i32, const RIGHT: i32>(word: __m128i, with: (__m128i, __m128i)) -> __m128i {
    _mm_rol_epi64::<LEFT>(xor3(word, with.0, with.1))
}

/// `a ^ (!b & c)`: the truth table 0xd2.
#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn chi(a: __m128i, b: __m128i, c: __m128i) -> __m128i {
    _mm_ternarylogic_epi64::<0xd2>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f,avx512vl")]
fn iota(word: __m128i, constant: u64) -> __m128i {
    _mm_xor_si128(word, _mm_cvtsi64_si128(constant.cast_signed()))
}
