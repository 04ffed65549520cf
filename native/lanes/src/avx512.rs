//! Eight states side by side in the 512-bit registers of x86-64.

use crate::rounds::permute;
use crate::{Block, Digest, Kernel, State, BLOCK_WORDS};
use std::arch::x86_64::{
    __m256i, __m512i, _mm256_loadu_si256, _mm256_storeu_si256, _mm512_castsi256_si512, _mm512_castsi512_si256,
    _mm512_extracti64x4_epi64, _mm512_inserti64x4, _mm512_loadu_si512, _mm512_mask_blend_epi64,
    _mm512_maskz_loadu_epi8, _mm512_or_si512, _mm512_permutex2var_epi64, _mm512_rol_epi64, _mm512_set1_epi64,
    _mm512_setr_epi64, _mm512_setzero_si512, _mm512_shuffle_i64x2, _mm512_slli_epi64, _mm512_srli_epi64,
    _mm512_storeu_si512, _mm512_ternarylogic_epi64, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64, _mm512_xor_si512,
};

/// The kernel of eight lanes; having one means that the processor was asked.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx512 {
    /// The kernel, if this processor has AVX-512 F and BW, as all do that anybody would hash on.
    pub fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw")).then_some(Self(()))
    }
}

impl Kernel<8> for Avx512 {
    fn hash(self, block: &Block<8>, out: &mut Digest<8>) {
        // SAFETY: `detect` made `self`, so the processor has AVX-512 F and BW.
        unsafe { hash(block, out) }
    }

    fn hash_pairs(self, blank: &[u64; BLOCK_WORDS], pairs: &[[u8; 64]; 8], out: &mut [[u8; 32]; 8]) {
        // SAFETY: `detect` made `self`, so the processor has AVX-512 F and BW.
        unsafe { hash_pairs(blank, pairs, out) }
    }

    fn hash_rows(self, blank: &[u64; BLOCK_WORDS], heads: &[[u8; 16]; 8], rows: &[&[u8]; 8], out: &mut [[u8; 32]; 8]) {
        // SAFETY: `detect` made `self`, so the processor has AVX-512 F and BW.
        unsafe { hash_rows(blank, heads, rows, out) }
    }

    fn climb(self, blank: &[u64; BLOCK_WORDS], nodes: &mut Digest<8>, siblings: &[&[u8; 32]; 8], left: u8, active: u8) {
        // SAFETY: `detect` made `self`, so the processor has AVX-512 F and BW.
        unsafe { climb(blank, nodes, siblings, left, active) }
    }

    fn permute(self, state: &mut State<8>) {
        // SAFETY: `detect` made `self`, so the processor has AVX-512 F and BW.
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

#[target_feature(enable = "avx512f,avx512bw")]
fn hash_pairs(blank: &[u64; BLOCK_WORDS], pairs: &[[u8; 64]; 8], out: &mut [[u8; 32]; 8]) {
    let p = columns(&pairs.each_ref().map(|pair| pair.as_slice()));
    let mut a = [_mm512_setzero_si512(); 25];
    a[0] = _mm512_slli_epi64::<8>(p[0]);
    for at in 1..8 {
        a[at] = join(p[at - 1], p[at]);
    }
    a[8] = _mm512_srli_epi64::<56>(p[7]);
    pad(&mut a, blank);
    permute!(a);
    store_digests([a[0], a[1], a[2], a[3]], out);
}

#[target_feature(enable = "avx512f,avx512bw")]
fn hash_rows(blank: &[u64; BLOCK_WORDS], heads: &[[u8; 16]; 8], rows: &[&[u8]; 8], out: &mut [[u8; 32]; 8]) {
    let heads = heads.as_flattened();
    let (upper, lower) = (load_bytes(&heads[..64]), load_bytes(&heads[64..]));
    let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    let odd = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    let head = [_mm512_permutex2var_epi64(upper, even, lower), _mm512_permutex2var_epi64(upper, odd, lower)];
    let p = columns(rows);
    let mut a = [_mm512_setzero_si512(); 25];
    a[0] = _mm512_slli_epi64::<8>(head[0]);
    a[1] = join(head[0], head[1]);
    a[2] = join(head[1], p[0]);
    for at in 1..8 {
        a[2 + at] = join(p[at - 1], p[at]);
    }
    if rows[0].len() < 64 {
        // Of a row of 63 bytes the last stands in this word's first byte.
        a[10] = _mm512_srli_epi64::<56>(p[7]);
    } else {
        let q = columns(&rows.map(|row| row.get(64..).unwrap_or(&[])));
        a[10] = join(p[7], q[0]);
        for at in 1..7 {
            a[10 + at] = join(q[at - 1], q[at]);
        }
    }
    pad(&mut a, blank);
    permute!(a);
    store_digests([a[0], a[1], a[2], a[3]], out);
}

/// Nodes stay in the order of words from step to step; only the siblings are turned over.
#[target_feature(enable = "avx512f")]
fn climb(blank: &[u64; BLOCK_WORDS], nodes: &mut Digest<8>, siblings: &[&[u8; 32]; 8], left: u8, active: u8) {
    let sibling = four_columns(siblings);
    let [n0, n1, n2, n3] = &nodes.0;
    let node = [load(n0), load(n1), load(n2), load(n3)];
    let mut p = [_mm512_setzero_si512(); 8];
    for at in 0..4 {
        p[at] = _mm512_mask_blend_epi64(left, node[at], sibling[at]);
        p[4 + at] = _mm512_mask_blend_epi64(left, sibling[at], node[at]);
    }
    let mut a = [_mm512_setzero_si512(); 25];
    a[0] = _mm512_slli_epi64::<8>(p[0]);
    for at in 1..8 {
        a[at] = join(p[at - 1], p[at]);
    }
    a[8] = _mm512_srli_epi64::<56>(p[7]);
    pad(&mut a, blank);
    permute!(a);
    for ((lanes, before), word) in nodes.0.iter_mut().zip(node).zip(a) {
        store(lanes, _mm512_mask_blend_epi64(active, before, word));
    }
}

/// The four words of every lane's hash, word by word.
#[inline]
#[target_feature(enable = "avx512f")]
fn four_columns(hashes: &[&[u8; 32]; 8]) -> [__m512i; 4] {
    let two = |at: usize| {
        let (low, high) = (load_half(hashes[at]), load_half(hashes[at + 1]));
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
    };
    let (r0, r1, r2, r3) = (two(0), two(2), two(4), two(6));
    let (first, last) = (_mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13), _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15));
    let (a, b) = (_mm512_permutex2var_epi64(r0, first, r1), _mm512_permutex2var_epi64(r2, first, r3));
    let (c, d) = (_mm512_permutex2var_epi64(r0, last, r1), _mm512_permutex2var_epi64(r2, last, r3));
    [
        _mm512_shuffle_i64x2::<0x44>(a, b),
        _mm512_shuffle_i64x2::<0xee>(a, b),
        _mm512_shuffle_i64x2::<0x44>(c, d),
        _mm512_shuffle_i64x2::<0xee>(c, d),
    ]
}

/// The words of a message from the words of its input: one byte later.
#[inline]
#[target_feature(enable = "avx512f")]
fn join(before: __m512i, word: __m512i) -> __m512i {
    _mm512_or_si512(_mm512_slli_epi64::<8>(word), _mm512_srli_epi64::<56>(before))
}

/// Puts the prefix and the padding in.
#[inline]
#[target_feature(enable = "avx512f")]
fn pad(a: &mut [__m512i; 25], blank: &[u64; BLOCK_WORDS]) {
    for (word, blank) in a.iter_mut().zip(blank) {
        *word = _mm512_or_si512(*word, _mm512_set1_epi64(blank.cast_signed()));
    }
}

/// The first eight words of every lane's row, word by word: a matrix of words turned over.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn columns(rows: &[&[u8]; 8]) -> [__m512i; 8] {
    let mut r = [_mm512_setzero_si512(); 8];
    for (row, bytes) in r.iter_mut().zip(rows) {
        *row = load_bytes(bytes);
    }
    // Pairs of rows, then fours, then all eight; `even` and `odd` are the words' places.
    let even = quarters([
        _mm512_unpacklo_epi64(r[0], r[1]),
        _mm512_unpacklo_epi64(r[2], r[3]),
        _mm512_unpacklo_epi64(r[4], r[5]),
        _mm512_unpacklo_epi64(r[6], r[7]),
    ]);
    let odd = quarters([
        _mm512_unpackhi_epi64(r[0], r[1]),
        _mm512_unpackhi_epi64(r[2], r[3]),
        _mm512_unpackhi_epi64(r[4], r[5]),
        _mm512_unpackhi_epi64(r[6], r[7]),
    ]);
    [even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]]
}

/// Four registers of four quarters each, turned over.
#[inline]
#[target_feature(enable = "avx512f")]
fn quarters(t: [__m512i; 4]) -> [__m512i; 4] {
    let (u0, u1) = (_mm512_shuffle_i64x2::<0x88>(t[0], t[1]), _mm512_shuffle_i64x2::<0xdd>(t[0], t[1]));
    let (v0, v1) = (_mm512_shuffle_i64x2::<0x88>(t[2], t[3]), _mm512_shuffle_i64x2::<0xdd>(t[2], t[3]));
    [
        _mm512_shuffle_i64x2::<0x88>(u0, v0),
        _mm512_shuffle_i64x2::<0x88>(u1, v1),
        _mm512_shuffle_i64x2::<0xdd>(u0, v0),
        _mm512_shuffle_i64x2::<0xdd>(u1, v1),
    ]
}

/// Every lane's digest as bytes, out of its four words.
#[inline]
#[target_feature(enable = "avx512f")]
fn store_digests(words: [__m512i; 4], out: &mut [[u8; 32]; 8]) {
    let (first, last) = (_mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15));
    let even = (_mm512_unpacklo_epi64(words[0], words[1]), _mm512_unpacklo_epi64(words[2], words[3]));
    let odd = (_mm512_unpackhi_epi64(words[0], words[1]), _mm512_unpackhi_epi64(words[2], words[3]));
    let lanes_0_2 = _mm512_permutex2var_epi64(even.0, first, even.1);
    let lanes_4_6 = _mm512_permutex2var_epi64(even.0, last, even.1);
    let lanes_1_3 = _mm512_permutex2var_epi64(odd.0, first, odd.1);
    let lanes_5_7 = _mm512_permutex2var_epi64(odd.0, last, odd.1);
    for (at, (even, odd)) in [(0, (lanes_0_2, lanes_1_3)), (4, (lanes_4_6, lanes_5_7))] {
        store_half(&mut out[at], _mm512_castsi512_si256(even));
        store_half(&mut out[at + 1], _mm512_castsi512_si256(odd));
        store_half(&mut out[at + 2], _mm512_extracti64x4_epi64::<1>(even));
        store_half(&mut out[at + 3], _mm512_extracti64x4_epi64::<1>(odd));
    }
}

/// The first 64 bytes, or as many as there are and zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_bytes(bytes: &[u8]) -> __m512i {
    let mask = if bytes.len() < 64 { (1 << bytes.len()) - 1 } else { u64::MAX };
    // SAFETY: the mask names no byte beyond the slice, and a byte that is not named is not read.
    unsafe { _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_half(hash: &[u8; 32]) -> __m256i {
    // SAFETY: the reference covers 32 readable bytes; this load asks for no alignment.
    unsafe { _mm256_loadu_si256(hash.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store_half(hash: &mut [u8; 32], half: __m256i) {
    // SAFETY: the reference covers 32 writable bytes; this store asks for no alignment.
    unsafe { _mm256_storeu_si256(hash.as_mut_ptr().cast(), half) }
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
