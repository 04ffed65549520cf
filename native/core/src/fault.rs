//! Every way in which bytes can be refused here, by one name in Rust, Python and Solidity.

use crate::Hash;

/// A refusal: what was expected and what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A tree of no leaves has no root.
    EmptyTree,
    /// More leaves than `SIZE_MAX`.
    TreeTooLarge {
        /// Most leaves allowed.
        maximum: u64,
        /// Leaves asked for.
        actual: u64,
    },
    /// A leaf index at or beyond the tree's size.
    IndexOutOfRange {
        /// The index named.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// An inclusion path of another length than its index and size need.
    PathLengthWrong {
        /// Nodes needed.
        expected: u64,
        /// Nodes given.
        actual: u64,
    },
    /// A multiproof over no leaf at all.
    NoIndices,
    /// Leaves and indices that do not pair up.
    LeavesMismatch {
        /// Indices named.
        expected: u64,
        /// Leaves given.
        actual: u64,
    },
    /// Indices not strictly ascending, so also any repeated one.
    IndicesNotAscending {
        /// Where in the list the order breaks.
        position: u64,
    },
    /// A multiproof with missing or surplus nodes.
    NodeCountWrong {
        /// Nodes needed.
        expected: u64,
        /// Nodes given.
        actual: u64,
    },
    /// Well formed, but of another root.
    RootMismatch {
        /// The root asked for.
        expected: Hash,
        /// The root computed.
        actual: Hash,
    },
    /// A payload over `PAYLOAD_MAX`, or an item over `ITEM_MAX`.
    PayloadTooLong {
        /// Most bytes allowed.
        maximum: u64,
        /// Bytes given.
        actual: u64,
    },
    /// A buffer of another length than its partner or its kind needs.
    LengthWrong {
        /// Which argument.
        what: &'static str,
        /// Bytes (or elements) needed.
        expected: u64,
        /// Bytes (or elements) given.
        actual: u64,
    },
}

impl Fault {
    /// The refusal's name, equal to the Solidity custom error where the contract's library can meet it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::EmptyTree => "EmptyTree",
            Self::TreeTooLarge { .. } => "TreeTooLarge",
            Self::IndexOutOfRange { .. } => "IndexOutOfRange",
            Self::PathLengthWrong { .. } => "PathLengthWrong",
            Self::NoIndices => "NoIndices",
            Self::LeavesMismatch { .. } => "LeavesMismatch",
            Self::IndicesNotAscending { .. } => "IndicesNotAscending",
            Self::NodeCountWrong { .. } => "NodeCountWrong",
            Self::RootMismatch { .. } => "RootMismatch",
            Self::PayloadTooLong { .. } => "PayloadTooLong",
            Self::LengthWrong { .. } => "LengthWrong",
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EmptyTree => write!(out, "an empty tree has no root"),
            Self::TreeTooLarge { maximum, actual } => {
                write!(out, "a tree holds at most {maximum} leaves, not {actual}")
            }
            Self::IndexOutOfRange { index, size } => {
                write!(out, "leaf index {index} lies outside a tree of {size}")
            }
            Self::PathLengthWrong { expected, actual } => {
                write!(out, "the inclusion path must have {expected} nodes, not {actual}")
            }
            Self::NoIndices => write!(out, "a multiproof must name at least one leaf"),
            Self::LeavesMismatch { expected, actual } => {
                write!(out, "the multiproof names {expected} leaves, {actual} were given")
            }
            Self::IndicesNotAscending { position } => {
                write!(
                    out,
                    "leaf indices must be strictly ascending; the one at place {position} is not above the one before"
                )
            }
            Self::NodeCountWrong { expected, actual } => {
                write!(out, "the multiproof must have {expected} nodes, not {actual}")
            }
            Self::RootMismatch { .. } => write!(out, "the proof leads to another root"),
            Self::PayloadTooLong { maximum, actual } => {
                write!(out, "a leaf takes at most {maximum} bytes, not {actual}")
            }
            Self::LengthWrong { what, expected, actual } => {
                write!(out, "{what} must have length {expected}, not {actual}")
            }
        }
    }
}

impl std::error::Error for Fault {}
