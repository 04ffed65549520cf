//! The byte rules of wattest: leaves, nodes, trees, inclusion proofs, multiproofs and salts.
//!
//! Decided here: every rule of `docs/spec/merkle.md` and the bulk salts of `docs/spec/hashing-and-keys.md`, over plain
//! slices. Not decided here: who calls (the Python face is the crate above), what a payload means, or where keys live.
//! Nothing here panics on any input, allocates by a number it was told (only by bytes it was given), or is `unsafe`.

pub mod arena;
pub mod batch;
pub mod blocks;
pub mod fault;
pub mod frontier;
pub mod groups;
pub mod growing;
pub mod inclusion;
pub mod keccak;
pub mod multiproof;
pub mod parallel;
pub mod pieces;
pub mod salts;
pub mod sha256;
pub mod shares;
pub mod stored;
pub mod tree;

pub use fault::{Fault, Value};
pub use wattest_lanes::{Scalar, Simd};

/// A 32-byte digest: leaf, node or root.
pub type Hash = [u8; 32];

/// The 16 bytes that keep a leaf's payload from being guessed.
pub type Salt = [u8; 16];

/// Most leaves a tree may have; sizes and indices are 32-bit on the wire.
pub const SIZE_MAX: u64 = u32::MAX as u64;

/// Most payload bytes under one leaf: 1 + 16 + 118 = 135 bytes, one Keccak permutation.
pub const PAYLOAD_MAX: usize = 118;

/// Most bytes of one item in an unsalted SHA-256 tree.
pub const ITEM_MAX: usize = 1024;

const LEAF_PREFIX: u8 = 0x00;
const NODE_PREFIX: u8 = 0x01;

/// How two children become a parent; the tree's shape is the same for every rule.
pub trait NodeRule: Sync {
    /// The parent of two nodes, left then right.
    fn node(&self, left: &Hash, right: &Hash) -> Hash;

    /// Where a leaf's path leads, whose length fits index and size; `root` is where it should.
    fn reached(&self, root: &Hash, size: u64, index: u64, leaf: &Hash, path: &[Hash]) -> Hash {
        let _ = root;
        let sides = inclusion::left_sides(index, size);
        path.iter().zip(0u32..).fold(*leaf, |node, (sibling, step)| match sides >> step & 1 {
            1 => self.node(sibling, &node),
            _ => self.node(&node, sibling),
        })
    }

    /// The parents of neighbours: `above` takes `below.len() / 2` nodes. A rule with lanes overrides this.
    fn pairs(&self, below: &[Hash], above: &mut [Hash]) {
        let (children, _) = below.as_chunks::<2>();
        for (parent, [left, right]) in above.iter_mut().zip(children) {
            *parent = self.node(left, right);
        }
    }

    /// A whole level from the one below it, `below.len().div_ceil(2)` nodes; an odd last node moves up unchanged.
    fn level(&self, below: &[Hash], above: &mut [Hash]) {
        let (paired, moved) = below.split_at(below.len() & !1);
        let (parents, last) = above.split_at_mut(paired.len() / 2);
        self.pairs(paired, parents);
        last.copy_from_slice(moved);
    }
}
