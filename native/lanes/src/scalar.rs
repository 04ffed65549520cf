//! One state in general registers: every processor has this path.

use crate::rounds::permute;
use crate::{Block, Digest, Kernel, State};

/// The kernel of one lane.
#[derive(Clone, Copy, Debug)]
pub struct Scalar;

impl Kernel<1> for Scalar {
    fn hash(self, block: &Block<1>, out: &mut Digest<1>) {
        let mut a = [0; 25];
        for (word, from) in a.iter_mut().zip(&block.0) {
            *word = from[0];
        }
        permute!(a);
        out.0 = [[a[0]], [a[1]], [a[2]], [a[3]]];
    }

    fn permute(self, state: &mut State<1>) {
        let mut a = state.0.map(|[word]| word);
        permute!(a);
        state.0 = a.map(|word| [word]);
    }
}

#[inline(always)]
fn parity(a: u64, b: u64, c: u64, d: u64, e: u64) -> u64 {
    a ^ b ^ c ^ d ^ e
}

#[inline(always)]
fn mix(before: u64, after: u64) -> u64 {
    before ^ after.rotate_left(1)
}

#[inline(always)]
fn turn<const LEFT: u32, const RIGHT: u32>(word: u64, with: u64) -> u64 {
    (word ^ with).rotate_left(LEFT)
}

#[inline(always)]
fn chi(a: u64, b: u64, c: u64) -> u64 {
    a ^ (!b & c)
}

#[inline(always)]
fn iota(word: u64, constant: u64) -> u64 {
    word ^ constant
}
