//! Eight states side by side in the 512-bit registers of x86-64.

use crate::rounds::permute;
use crate::{Block, Digest, Kernel, State};
use std::arch::x86_64::{
    __m512i, _mm512_loadu_si512, _mm512_rol_epi64, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_storeu_si512,
    _mm512_ternarylogic_epi64, _mm512_xor_si512,
};

/// The kernel of eight lanes; having one means that the processor was asked.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The kernel, if this processor has AVX-512F.
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Self(()))
    }
}

impl Kernel<8> for Avx512 {
    fn hash(self, block: &Block<8>, out: &mut Digest<8>) {
        // SAFETY: `detect` made `self`, so the processor has AVX-512F.
        unsafe { hash(block, out) }
    }

    fn permute(self, state: &mut State<8>) {
        // SAFETY: `detect` made `self`, so the processor has AVX-512F.
        unsafe { permute_state(state) }
    }
}

#[target_feature(enable = "avx512f")]
fn hash(block: &Block<8>, out: &mut Digest<8>) {
    let mut a = [_mm512_setzero_si512(); 25];
    for (word, lanes) in a.iter_mut().zip(&block.0) {
        *word = load(lanes);
    }
    permute!(a);
    for (word, lanes) in a.iter().zip(&mut out.0) {
        store(lanes, *word);
    }
}

#[target_feature(enable = "avx512f")]
fn permute_state(state: &mut State<8>) {
    let mut a = [_mm512_setzero_si512(); 25];
    for (word, lanes) in a.iter_mut().zip(&state.0) {
        *word = load(lanes);
    }
    permute!(a);
    for (word, lanes) in a.iter().zip(&mut state.0) {
        store(lanes, *word);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load(lanes: &[u64; 8]) -> __m512i {
    // SAFETY: the reference covers 64 readable bytes; this load asks for no alignment.
    unsafe { _mm512_loadu_si512(lanes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(lanes: &mut [u64; 8], word: __m512i) {
    // SAFETY: the reference covers 64 writable bytes; this store asks for no alignment.
    unsafe { _mm512_storeu_si512(lanes.as_mut_ptr().cast(), word) }
}

/// Exclusive or of three: the truth table 0x96.
#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn parity(a: __m512i, b: __m512i, c: __m512i, d: __m512i, e: __m512i) -> __m512i {
    xor3(xor3(a, b, c), d, e)
}

/// Both columns stay apart: three-way exclusive or takes them in `turn` at no extra cost.
#[inline]
#[target_feature(enable = "avx512f")]
fn mix(before: __m512i, after: __m512i) -> (__m512i, __m512i) {
    (before, _mm512_rol_epi64::<1>(after))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn turn<const LEFT: i32, const RIGHT: i32>(word: __m512i, with: (__m512i, __m512i)) -> __m512i {
    _mm512_rol_epi64::<LEFT>(xor3(word, with.0, with.1))
}

/// `a ^ (!b & c)`: the truth table 0xd2.
#[inline]
#[target_feature(enable = "avx512f")]
fn chi(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0xd2>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn iota(word: __m512i, constant: u64) -> __m512i {
    _mm512_xor_si512(word, _mm512_set1_epi64(constant.cast_signed()))
}
