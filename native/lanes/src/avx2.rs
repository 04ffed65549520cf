//! Four states side by side in the 256-bit registers of x86-64.

use crate::rounds::permute;
use crate::{Block, Digest, Kernel, State};
use std::arch::x86_64::{
    __m256i, _mm256_andnot_si256, _mm256_loadu_si256, _mm256_or_si256, _mm256_set1_epi64x, _mm256_setr_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi64, _mm256_srli_epi64, _mm256_storeu_si256,
    _mm256_xor_si256,
};

/// The kernel of four lanes; having one means that the processor was asked.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

impl Avx2 {
    /// The kernel, if this processor has AVX2.
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Kernel<4> for Avx2 {
    fn hash(self, block: &Block<4>, out: &mut Digest<4>) {
        // SAFETY: `detect` made `self`, so the processor has AVX2.
        unsafe { hash(block, out) }
    }

    fn permute(self, state: &mut State<4>) {
        // SAFETY: `detect` made `self`, so the processor has AVX2.
        unsafe { permute_state(state) }
    }
}

#[target_feature(enable = "avx2")]
fn hash(block: &Block<4>, out: &mut Digest<4>) {
    let mut a = [_mm256_setzero_si256(); 25];
    for (word, lanes) in a.iter_mut().zip(&block.0) {
        *word = load(lanes);
    }
    permute!(a);
    for (word, lanes) in a.iter().zip(&mut out.0) {
        store(lanes, *word);
    }
}

#[target_feature(enable = "avx2")]
fn permute_state(state: &mut State<4>) {
    let mut a = [_mm256_setzero_si256(); 25];
    for (word, lanes) in a.iter_mut().zip(&state.0) {
        *word = load(lanes);
    }
    permute!(a);
    for (word, lanes) in a.iter().zip(&mut state.0) {
        store(lanes, *word);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(lanes: &[u64; 4]) -> __m256i {
    // SAFETY: the reference covers 32 readable bytes; this load asks for no alignment.
    unsafe { _mm256_loadu_si256(lanes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(lanes: &mut [u64; 4], word: __m256i) {
    // SAFETY: the reference covers 32 writable bytes; this store asks for no alignment.
    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), word) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn parity(a: __m256i, b: __m256i, c: __m256i, d: __m256i, e: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d)), e)
}

#[inline]
#[target_feature(enable = "avx2")]
fn mix(before: __m256i, after: __m256i) -> __m256i {
    _mm256_xor_si256(before, rotate::<1, 63>(after))
}

#[inline]
#[target_feature(enable = "avx2")]
fn turn<const LEFT: i32, const RIGHT: i32>(word: __m256i, with: __m256i) -> __m256i {
    rotate::<LEFT, RIGHT>(_mm256_xor_si256(word, with))
}

#[inline]
#[target_feature(enable = "avx2")]
fn chi(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(a, _mm256_andnot_si256(b, c))
}

#[inline]
#[target_feature(enable = "avx2")]
fn iota(word: __m256i, constant: u64) -> __m256i {
    _mm256_xor_si256(word, _mm256_set1_epi64x(constant.cast_signed()))
}

/// Rotation to the left: AVX2 has none, so two shifts; turns by whole bytes are one shuffle.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const LEFT: i32, const RIGHT: i32>(word: __m256i) -> __m256i {
    match LEFT {
        0 => word,
        8 => {
            let order = _mm256_setr_epi8(
                7, 0, 1, 2, 3, 4, 5, 6, 15, 8, 9, 10, 11, 12, 13, 14, 7, 0, 1, 2, 3, 4, 5, 6, 15, 8, 9, 10, 11, 12, 13,
                14,
            );
            _mm256_shuffle_epi8(word, order)
        }
        56 => {
            let order = _mm256_setr_epi8(
                1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15, 8, 1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14,
                15, 8,
            );
            _mm256_shuffle_epi8(word, order)
        }
        _ => _mm256_or_si256(_mm256_slli_epi64::<LEFT>(word), _mm256_srli_epi64::<RIGHT>(word)),
    }
}
