//! The shape of RFC 9162 as levels in one flat array, leaves first and root last.
//!
//! Splitting at the largest power of two below n gives the same tree as pairing neighbours level by level and moving an
//! odd last node up unchanged; a moved node is stored again on its new level, so that a position is always
//! `index >> level`.

use crate::keccak::Keccak;
use crate::sha256::Rfc9162;
use crate::shares::{self, Leaves};
use crate::{blocks, keccak, sha256, Fault, Hash, Salt, ITEM_MAX, PAYLOAD_MAX, SIZE_MAX};
use wattest_lanes::Simd;

/// Nodes in the flat array of a tree with `size` leaves; refuses an empty or too large tree.
pub fn node_count(size: u64) -> Result<u64, Fault> {
    check_size(size)?;
    Ok(level_widths(size).sum())
}

/// Level widths from the leaves (`size`) to the root (1).
pub fn level_widths(size: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(size), |width| (*width > 1).then(|| width.div_ceil(2)))
}

/// The levels of a flat array that fits its size.
#[derive(Clone, Debug)]
pub struct Levels<'a>(Vec<&'a [Hash]>);

impl<'a> Levels<'a> {
    /// Refuses an array of another length than `size` needs.
    pub fn new(nodes: &'a [Hash], size: u64) -> Result<Self, Fault> {
        check_nodes(nodes, size)?;
        let (mut levels, mut rest) = (Vec::with_capacity(33), nodes);
        for width in level_widths(size) {
            let (level, above) = split(rest, width);
            levels.push(level);
            rest = above;
        }
        Ok(Self(levels))
    }

    /// The node at a position of a level, if there is one.
    pub fn node(&self, level: u32, position: u64) -> Option<&'a Hash> {
        self.0.get(level as usize)?.get(usize::try_from(position).ok()?)
    }
}

/// A level and what lies above it.
fn split(nodes: &[Hash], width: u64) -> (&[Hash], &[Hash]) {
    let width = usize::try_from(width).unwrap_or(usize::MAX);
    nodes.split_at_checked(width).unwrap_or((nodes, &[]))
}

/// Refuses a tree of no leaves or of more than the formats can count.
pub fn check_size(size: u64) -> Result<(), Fault> {
    match size {
        0 => Err(Fault::EmptyTree),
        1..=SIZE_MAX => Ok(()),
        _ => Err(Fault::TreeTooLarge { maximum: SIZE_MAX, actual: size }),
    }
}

/// How many items of `width` bytes a flat buffer holds.
pub fn unsalted_size(items: &[u8], width: usize) -> Result<u64, Fault> {
    check_width(width, ITEM_MAX)?;
    let size = (items.len() / width) as u64;
    check_length("items", size * width as u64, items.len() as u64)?;
    check_size(size)?;
    Ok(size)
}

/// Payloads of one width with a salt each, in flat buffers that nobody changes meanwhile.
#[derive(Clone, Copy, Debug)]
pub struct Flat<'a> {
    simd: Simd,
    payloads: &'a [u8],
    width: usize,
    salts: &'a [Salt],
}

impl<'a> Flat<'a> {
    /// Refuses a width that no leaf has, and buffers that do not agree in length.
    pub fn new(simd: Simd, payloads: &'a [u8], width: usize, salts: &'a [Salt]) -> Result<Self, Fault> {
        check_payloads(payloads.len() as u64, width, salts.len() as u64)?;
        Ok(Self { simd, payloads, width, salts })
    }
}

impl Leaves for Flat<'_> {
    fn hash(&self, from: usize, out: &mut [Hash]) -> Result<(), Fault> {
        let to = from + out.len();
        let payloads = self.payloads.get(from * self.width..to * self.width);
        let (Some(payloads), Some(salts)) = (payloads, self.salts.get(from..to)) else {
            return Err(Fault::LengthWrong { what: "salts", expected: to as u64, actual: self.salts.len() as u64 });
        };
        blocks::leaves(self.simd, payloads, self.width, salts, out);
        Ok(())
    }
}

/// Builds a salted tree of `size` leaves into `nodes`, which must have `node_count(size)` places.
pub fn build(simd: Simd, leaves: &impl Leaves, size: u64, nodes: &mut [Hash], threads: usize) -> Result<(), Fault> {
    check_nodes(nodes, size)?;
    shares::fill(&Keccak(simd), leaves, nodes, size, threads)
}

/// Refuses a width that no leaf has, and payloads that are not `width` bytes for every one of `count` salts.
pub fn check_payloads(bytes: u64, width: usize, count: u64) -> Result<(), Fault> {
    check_width(width, PAYLOAD_MAX)?;
    check_length("payloads", count * width as u64, bytes)
}

/// Builds a salted tree over payloads of unequal lengths, one salt to each.
pub fn build_unequal<'a>(
    simd: Simd,
    leaves: impl ExactSizeIterator<Item = (&'a [u8], Salt)>,
    nodes: &mut [Hash],
) -> Result<(), Fault> {
    let size = leaves.len();
    check_nodes(nodes, size as u64)?;
    for ((payload, salt), slot) in leaves.zip(leaf_level(nodes, size as u64)) {
        *slot = keccak::leaf(&salt, payload)?;
    }
    shares::fill(&Keccak(simd), &Standing, nodes, size as u64, 1)
}

/// Builds an unsalted SHA-256 tree into `nodes`, which must have `node_count(unsalted_size(items, width))` places.
pub fn build_sha256(items: &[u8], width: usize, nodes: &mut [Hash]) -> Result<(), Fault> {
    let size = unsalted_size(items, width)?;
    check_nodes(nodes, size)?;
    sha256::leaves(items, width, leaf_level(nodes, size))?;
    shares::fill(&Rfc9162, &Standing, nodes, size, 1)
}

/// Leaves that already stand in their places.
struct Standing;

impl Leaves for Standing {
    fn hash(&self, _from: usize, _out: &mut [Hash]) -> Result<(), Fault> {
        Ok(())
    }
}

/// The leaf places of a flat array that is known to fit `size`.
fn leaf_level(nodes: &mut [Hash], size: u64) -> &mut [Hash] {
    let size = usize::try_from(size).unwrap_or(usize::MAX).min(nodes.len());
    &mut nodes[..size]
}

/// Refuses a flat array whose length does not fit `size`.
pub(crate) fn check_nodes(nodes: &[Hash], size: u64) -> Result<(), Fault> {
    check_length("nodes", node_count(size)?, nodes.len() as u64)
}

fn check_width(width: usize, maximum: usize) -> Result<(), Fault> {
    if width > maximum {
        return Err(Fault::PayloadTooLong { maximum: maximum as u64, actual: width as u64 });
    }
    if width == 0 {
        return Err(Fault::LengthWrong { what: "width", expected: 1, actual: 0 });
    }
    Ok(())
}

pub(crate) fn check_length(what: &'static str, expected: u64, actual: u64) -> Result<(), Fault> {
    if expected != actual {
        return Err(Fault::LengthWrong { what, expected, actual });
    }
    Ok(())
}
