//! The shape of RFC 9162 as levels in one flat array, leaves first and root last.
//!
//! Splitting at the largest power of two below n gives the same tree as pairing neighbours level by level and moving an
//! odd last node up unchanged; a moved node is stored again on its new level, so that a position is always
//! `index >> level`.

use crate::{keccak, sha256, Fault, Hash, NodeRule, Salt, ITEM_MAX, PAYLOAD_MAX, SIZE_MAX};

/// Nodes in the flat array of a tree with `size` leaves; refuses an empty or too large tree.
pub fn node_count(size: u64) -> Result<u64, Fault> {
    check_size(size)?;
    Ok(level_widths(size).sum())
}

/// Level widths from the leaves (`size`) to the root (1).
pub fn level_widths(size: u64) -> impl Iterator<Item = u64> {
    std::iter::successors(Some(size), |width| (*width > 1).then(|| width.div_ceil(2)))
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
    check_length("items", size * width as u64, items.len())?;
    check_size(size)?;
    Ok(size)
}

/// Builds a salted tree into `nodes`, which must have `node_count(salts.len())` places.
pub fn build(payloads: &[u8], width: usize, salts: &[Salt], nodes: &mut [Hash]) -> Result<(), Fault> {
    let below = leaf_level(nodes, salts.len())?;
    check_payloads(payloads, width, salts)?;
    keccak::leaves(payloads, width, salts, below)?;
    fill::<keccak::Keccak>(nodes, salts.len());
    Ok(())
}

/// Refuses a payload buffer that does not hold `width` bytes for every salt.
pub fn check_payloads(payloads: &[u8], width: usize, salts: &[Salt]) -> Result<(), Fault> {
    check_width(width, PAYLOAD_MAX)?;
    check_length("payloads", salts.len() as u64 * width as u64, payloads.len())
}

/// Builds a salted tree over payloads of unequal lengths, one salt to each.
pub fn build_unequal<'a>(
    leaves: impl ExactSizeIterator<Item = (&'a [u8], Salt)>,
    nodes: &mut [Hash],
) -> Result<(), Fault> {
    let size = leaves.len();
    for ((payload, salt), slot) in leaves.zip(leaf_level(nodes, size)?) {
        *slot = keccak::leaf(&salt, payload)?;
    }
    fill::<keccak::Keccak>(nodes, size);
    Ok(())
}

/// Builds an unsalted SHA-256 tree into `nodes`, which must have `node_count(unsalted_size(items, width))` places.
pub fn build_sha256(items: &[u8], width: usize, nodes: &mut [Hash]) -> Result<(), Fault> {
    check_width(width, ITEM_MAX)?;
    let size = items.len() / width;
    check_length("items", size as u64 * width as u64, items.len())?;
    sha256::leaves(items, width, leaf_level(nodes, size)?)?;
    fill::<sha256::Rfc9162>(nodes, size);
    Ok(())
}

/// Fills every level above the leaves that already stand in `nodes[..size]`.
fn fill<R: NodeRule>(nodes: &mut [Hash], size: usize) {
    let (mut rest, mut width) = (nodes, size);
    while width > 1 {
        let (below, above) = rest.split_at_mut(width);
        width = width.div_ceil(2);
        R::level(below, &mut above[..width]);
        rest = above;
    }
}

/// The leaf places of a flat array, once its length is known to fit `size`.
fn leaf_level(nodes: &mut [Hash], size: usize) -> Result<&mut [Hash], Fault> {
    check_nodes(nodes, size as u64)?;
    Ok(&mut nodes[..size])
}

/// Refuses a flat array whose length does not fit `size`.
pub(crate) fn check_nodes(nodes: &[Hash], size: u64) -> Result<(), Fault> {
    check_length("nodes", node_count(size)?, nodes.len())
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

fn check_length(what: &'static str, expected: u64, actual: usize) -> Result<(), Fault> {
    let actual = actual as u64;
    if expected != actual {
        return Err(Fault::LengthWrong { what, expected, actual });
    }
    Ok(())
}
