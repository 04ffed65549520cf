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
    /// More memory than the machine gives.
    OutOfMemory {
        /// Bytes asked for.
        bytes: u64,
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
    /// More proofs than one batch holds.
    TooManyProofs {
        /// Most proofs allowed.
        maximum: u64,
        /// Proofs asked for.
        actual: u64,
    },
    /// One proof of a batch, refused for the reason inside.
    OfProof {
        /// Its place in the batch.
        position: u64,
        /// Why.
        fault: Box<Fault>,
    },
    /// A kernel forced by name that this processor or build has not.
    SimdUnavailable {
        /// The name.
        asked: String,
        /// The names that could be forced here.
        available: String,
    },
    /// A number of threads that is none.
    ThreadsInvalid {
        /// What was asked for.
        asked: String,
        /// Most threads allowed.
        maximum: u64,
    },
    /// Input that cannot be read any more, because Python is shutting down.
    InputGone,
    /// A file that is no stored tree of this version.
    StoredTreeMalformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A stored tree with fewer bytes than its header says.
    StoredTreeTruncated {
        /// Bytes needed.
        expected: u64,
        /// Bytes there.
        actual: u64,
    },
    /// A stored tree whose nodes are not those its root was made of.
    StoredTreeAltered {
        /// The root stored.
        expected: Hash,
        /// The root computed.
        actual: Hash,
    },
    /// A stored tree that another process is writing.
    StoredTreeBusy,
    /// A stored tree that was opened for reading.
    StoredTreeReadOnly,
    /// A file where a new stored tree should be.
    StoredTreeExists,
    /// What the operating system says about the file.
    StorageFailed {
        /// Its words.
        reason: String,
    },
}

/// The value of a fault's field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A count, index or position.
    Number(u64),
    /// A digest.
    Hash(Hash),
    /// A name or a reason.
    Text(String),
}

impl Fault {
    /// The same refusal, as that of one proof of a batch.
    #[must_use]
    pub fn of_proof(self, position: u64) -> Self {
        Self::OfProof { position, fault: Box::new(self) }
    }

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
            Self::OutOfMemory { .. } => "OutOfMemory",
            Self::LengthWrong { .. } => "LengthWrong",
            Self::TooManyProofs { .. } => "TooManyProofs",
            Self::OfProof { fault, .. } => fault.name(),
            Self::SimdUnavailable { .. } => "SimdUnavailable",
            Self::ThreadsInvalid { .. } => "ThreadsInvalid",
            Self::InputGone => "InputGone",
            Self::StoredTreeMalformed { .. } => "StoredTreeMalformed",
            Self::StoredTreeTruncated { .. } => "StoredTreeTruncated",
            Self::StoredTreeAltered { .. } => "StoredTreeAltered",
            Self::StoredTreeBusy => "StoredTreeBusy",
            Self::StoredTreeReadOnly => "StoredTreeReadOnly",
            Self::StoredTreeExists => "StoredTreeExists",
            Self::StorageFailed { .. } => "StorageFailed",
        }
    }

    /// What was expected and what came, by name.
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        use Value::{Number, Text};
        match self {
            Self::EmptyTree
            | Self::NoIndices
            | Self::InputGone
            | Self::StoredTreeBusy
            | Self::StoredTreeReadOnly
            | Self::StoredTreeExists => vec![],
            Self::TreeTooLarge { maximum, actual }
            | Self::PayloadTooLong { maximum, actual }
            | Self::TooManyProofs { maximum, actual } => {
                vec![("maximum", Number(*maximum)), ("actual", Number(*actual))]
            }
            Self::IndexOutOfRange { index, size } => vec![("index", Number(*index)), ("size", Number(*size))],
            Self::PathLengthWrong { expected, actual }
            | Self::LeavesMismatch { expected, actual }
            | Self::NodeCountWrong { expected, actual }
            | Self::StoredTreeTruncated { expected, actual } => {
                vec![("expected", Number(*expected)), ("actual", Number(*actual))]
            }
            Self::IndicesNotAscending { position } => vec![("position", Number(*position))],
            Self::RootMismatch { expected, actual } | Self::StoredTreeAltered { expected, actual } => {
                vec![("expected", Value::Hash(*expected)), ("actual", Value::Hash(*actual))]
            }
            Self::OutOfMemory { bytes } => vec![("bytes", Number(*bytes))],
            Self::LengthWrong { what, expected, actual } => {
                let what = Text((*what).to_owned());
                vec![("what", what), ("expected", Number(*expected)), ("actual", Number(*actual))]
            }
            Self::OfProof { position, fault } => {
                // Of a group whose order breaks, the place inside it has another name than the group's own.
                let within = |name| if name == "position" { "place" } else { name };
                let mut fields: Vec<_> =
                    fault.fields().into_iter().map(|(name, value)| (within(name), value)).collect();
                fields.push(("position", Number(*position)));
                fields
            }
            Self::SimdUnavailable { asked, available } => {
                vec![("asked", Text(asked.clone())), ("available", Text(available.clone()))]
            }
            Self::ThreadsInvalid { asked, maximum } => {
                vec![("asked", Text(asked.clone())), ("maximum", Number(*maximum))]
            }
            Self::StoredTreeMalformed { what } => vec![("what", Text((*what).to_owned()))],
            Self::StorageFailed { reason } => vec![("reason", Text(reason.clone()))],
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
            Self::NoIndices => write!(out, "a proof of several leaves must name at least one"),
            Self::LeavesMismatch { expected, actual } => {
                write!(out, "the proof names {expected} leaves, {actual} were given")
            }
            Self::IndicesNotAscending { position } => {
                write!(
                    out,
                    "leaf indices must be strictly ascending; the one at place {position} is not above the one before"
                )
            }
            Self::NodeCountWrong { expected, actual } => {
                write!(out, "the proof must have {expected} nodes, not {actual}")
            }
            Self::RootMismatch { .. } => write!(out, "the proof leads to another root"),
            Self::PayloadTooLong { maximum, actual } => {
                write!(out, "a leaf takes at most {maximum} bytes, not {actual}")
            }
            Self::OutOfMemory { bytes } => write!(out, "the machine has no {bytes} bytes of memory to give"),
            Self::LengthWrong { what, expected, actual } => {
                write!(out, "{what} must have length {expected}, not {actual}")
            }
            Self::TooManyProofs { maximum, actual } => {
                write!(out, "a batch holds at most {maximum} proofs, not {actual}")
            }
            Self::OfProof { position, fault } => write!(out, "proof {position} of the batch: {fault}"),
            Self::SimdUnavailable { asked, available } => {
                write!(out, "WATTEST_SIMD asks for {asked:?}; this processor has {available}")
            }
            Self::ThreadsInvalid { asked, maximum } => {
                write!(out, "{asked} is no number of threads from 1 to {maximum}")
            }
            Self::InputGone => write!(out, "Python is shutting down; the input cannot be read any more"),
            Self::StoredTreeMalformed { what } => write!(out, "not a stored tree: {what}"),
            Self::StoredTreeTruncated { expected, actual } => {
                write!(out, "the stored tree needs {expected} bytes, its file has {actual}")
            }
            Self::StoredTreeAltered { .. } => write!(out, "the stored nodes do not lead to the stored root"),
            Self::StoredTreeBusy => write!(out, "another writer holds the stored tree"),
            Self::StoredTreeReadOnly => write!(out, "the stored tree was opened for reading"),
            Self::StoredTreeExists => write!(out, "there is a file already"),
            Self::StorageFailed { reason } => write!(out, "the file cannot be used: {reason}"),
        }
    }
}

impl std::error::Error for Fault {}
