//! Which Python objects count as bytes.
//!
//! `bytes` are immutable and are borrowed. Any other C-contiguous buffer of single bytes could be changed by its owner
//! while the core reads, so it is only ever copied, with the GIL held, and what is hashed is the copy: a small one at
//! once, the columns of a tree a share at a time by the thread that hashes the share. A buffer changed meanwhile gives a
//! tree over old and new bytes, and nothing worse. No `unsafe` is needed for any of it.

use crate::fault::{raise, refuse_buffer};
use pyo3::buffer::{PyBuffer, ReadOnlyCell};
use pyo3::exceptions::{PyBufferError, PyTypeError, PyUnicodeEncodeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyMemoryView, PyString};
use std::ffi::OsStr;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use wattest_core::batch::PROOFS_MAX;
use wattest_core::{shares::Leaves, tree, Fault, Hash, Salt, Simd, SIZE_MAX};
use zeroize::Zeroize;

/// Bytes that stay as they are while the GIL is released.
pub enum Buffer {
    /// Borrowed from a `bytes` object.
    Borrowed(PyBackedBytes),
    /// Copied out of something mutable.
    Copied(Vec<u8>),
}

impl std::ops::Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Copied(bytes) => bytes,
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Buffer {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match Column::extract(object)? {
            Column::Borrowed(bytes) => Ok(Self::Borrowed(bytes)),
            Column::Shared(view) => Ok(Self::Copied(view.to_vec(object.py())?)),
            Column::Signed(view) => {
                Ok(Self::Copied(view.to_vec(object.py())?.into_iter().map(i8::cast_unsigned).collect()))
            }
        }
    }
}

/// Bytes that nobody should find in memory afterwards: what was copied is wiped, what was borrowed is its owner's.
pub struct Secret(Buffer);

impl std::ops::Deref for Secret {
    type Target = Buffer;

    fn deref(&self) -> &Buffer {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        if let Buffer::Copied(bytes) = &mut self.0 {
            bytes.zeroize();
        }
    }
}

impl<'a, 'py> FromPyObject<'a, 'py> for Secret {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        Buffer::extract(object).map(Self)
    }
}

const SCATTERED: &str = "its bytes do not lie one after the other";

/// A large input that is not copied as a whole.
pub enum Column {
    /// Borrowed from a `bytes` object.
    Borrowed(PyBackedBytes),
    /// Somebody else's memory.
    Shared(PyBuffer<u8>),
    /// The same, of bytes that pass for signed ones: Arrow's buffers say so.
    Signed(PyBuffer<i8>),
}

impl<'a, 'py> FromPyObject<'a, 'py> for Column {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyBytes>() {
            return Ok(Self::Borrowed(object.extract::<PyBackedBytes>()?));
        }
        let py = object.py();
        if let Ok(view) = PyBuffer::<i8>::get(&object) {
            return if view.is_c_contiguous() { Ok(Self::Signed(view)) } else { Err(refuse_buffer(py, SCATTERED)) };
        }
        let view = PyBuffer::<u8>::get(&object).map_err(|error| {
            if error.is_instance_of::<PyTypeError>(py) || !error.is_instance_of::<PyBufferError>(py) {
                return error;
            }
            refuse_buffer(py, "its items are not single bytes, or it cannot be read in place")
        })?;
        if !view.is_c_contiguous() {
            return Err(refuse_buffer(py, SCATTERED));
        }
        Ok(Self::Shared(view))
    }
}

impl Column {
    /// Bytes in it; they stay as many for as long as it is held.
    pub fn len(&self) -> usize {
        match self {
            Self::Borrowed(bytes) => bytes.len(),
            Self::Shared(view) => view.item_count(),
            Self::Signed(view) => view.item_count(),
        }
    }

    /// The bytes themselves, if nobody can change them.
    fn steady(&self) -> Option<&[u8]> {
        match self {
            Self::Borrowed(bytes) => Some(bytes),
            Self::Shared(_) | Self::Signed(_) => None,
        }
    }

    /// A copy of some of its bytes, each read once.
    fn copy(&self, py: Python<'_>, range: Range<usize>) -> Option<Vec<u8>> {
        match self {
            Self::Borrowed(bytes) => bytes.get(range).map(<[u8]>::to_vec),
            Self::Shared(view) => Some(view.as_slice(py)?.get(range)?.iter().map(ReadOnlyCell::get).collect()),
            Self::Signed(view) => {
                let cells = view.as_slice(py)?.get(range)?.iter();
                Some(cells.map(|cell| cell.get().cast_unsigned()).collect())
            }
        }
    }
}

/// The payloads and salts of a tree to be.
pub struct Columns {
    simd: Simd,
    payloads: Column,
    width: usize,
    salts: Column,
}

impl Columns {
    /// Refuses widths and lengths that make no tree; gives the number of leaves, which may be none.
    pub fn new(py: Python<'_>, simd: Simd, payloads: Column, width: usize, salts: Column) -> PyResult<(Self, u64)> {
        let count = (salts.len() / 16) as u64;
        if !salts.len().is_multiple_of(16) {
            // As many as the payloads need, where these make whole leaves.
            let needed = payloads.len().checked_div(width).filter(|leaves| leaves * width == payloads.len());
            let expected = needed.map_or(16 * count, |leaves| 16 * leaves as u64);
            let actual = salts.len() as u64;
            return Err(raise(py, &Fault::LengthWrong { what: "salts", expected, actual }));
        }
        tree::check_payloads(payloads.len() as u64, width, count).map_err(|fault| raise(py, &fault))?;
        Ok((Self { simd, payloads, width, salts }, count))
    }

    /// Leaves of a piece, out of bytes that nobody changes.
    fn hash_steady(&self, payloads: &[u8], salts: &[u8], out: &mut [Hash]) -> Result<(), Fault> {
        tree::Flat::new(self.simd, payloads, self.width, salts.as_chunks().0)?.hash(0, out)
    }
}

impl Leaves for Columns {
    // Every copied share waits for the GIL once, so shares are larger than the core's own.
    const SHARE: usize = 8192;

    fn hash(&self, from: usize, out: &mut [Hash]) -> Result<(), Fault> {
        let to = from + out.len();
        let (payloads, salts) = (from * self.width..to * self.width, from * 16..to * 16);
        if let (Some(all_payloads), Some(all_salts)) = (self.payloads.steady(), self.salts.steady()) {
            if let (Some(payloads), Some(salts)) = (all_payloads.get(payloads.clone()), all_salts.get(salts.clone())) {
                return self.hash_steady(payloads, salts, out);
            }
        }
        let copied = Python::try_attach(|py| Some((self.payloads.copy(py, payloads)?, self.salts.copy(py, salts)?)));
        let (payloads, salts) = copied.flatten().ok_or(Fault::InputGone)?;
        self.hash_steady(&payloads, &salts, out)
    }
}

/// Leaf indices: a buffer of 64-bit numbers as the machine writes them, or any sequence of integers.
pub struct Indices(pub Vec<u64>);

impl<'a, 'py> FromPyObject<'a, 'py> for Indices {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if let Ok(view) = PyBuffer::<u64>::get(&object) {
            return Ok(Self(view.to_vec(py)?));
        }
        if let Ok(view) = PyBuffer::<i64>::get(&object) {
            let whole = view.to_vec(py)?.into_iter().map(u64::try_from).collect::<Result<_, _>>();
            return whole.map(Self).map_err(|_| refuse_buffer(py, "an index is below zero"));
        }
        if object.is_instance_of::<PyBytes>() || PyMemoryView::from(&object).is_ok() {
            return Err(refuse_buffer(py, "indices are 64-bit integers"));
        }
        items(object, PROOFS_MAX, |maximum, actual| Fault::TooManyProofs { maximum, actual }).map(Self)
    }
}

/// Buffers in a list or another sequence.
pub struct Buffers(pub Vec<Buffer>);

impl<'a, 'py> FromPyObject<'a, 'py> for Buffers {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        items(object, SIZE_MAX, |maximum, actual| Fault::TreeTooLarge { maximum, actual }).map(Self)
    }
}

/// A file's path, as `os.fsencode` takes it.
pub struct Place(pub PathBuf);

impl<'a, 'py> FromPyObject<'a, 'py> for Place {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let encoded = py.import("os")?.call_method1("fsencode", (object,)).map_err(|error| {
            if error.is_instance_of::<PyUnicodeEncodeError>(py) {
                return raise(py, &Fault::StorageFailed { reason: "no file can have this name".to_owned() });
            }
            error
        })?;
        Ok(Self(OsStr::from_bytes(encoded.cast::<PyBytes>()?.as_bytes()).into()))
    }
}

/// The items of a sequence, no more of them than it says, or `maximum`. What it says is not believed before: room is made
/// for items that are there.
fn items<'py, T>(
    object: Borrowed<'_, 'py, PyAny>,
    maximum: u64,
    too_many: impl Fn(u64, u64) -> Fault,
) -> PyResult<Vec<T>>
where
    T: for<'a> FromPyObject<'a, 'py, Error = PyErr>,
{
    if object.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err("a text is no sequence of these"));
    }
    let length = object.len()?;
    if length as u64 > maximum {
        return Err(raise(object.py(), &too_many(maximum, length as u64)));
    }
    let mut taken = Vec::new();
    for item in object.try_iter()?.take(length) {
        taken.push(item?.extract()?);
    }
    Ok(taken)
}

impl Buffer {
    /// The bytes as one 32-byte digest.
    pub fn hash(&self, py: Python<'_>, what: &'static str) -> PyResult<Hash> {
        self.array(py, what)
    }

    /// The bytes as one salt.
    pub fn salt(&self, py: Python<'_>, what: &'static str) -> PyResult<Salt> {
        self.array(py, what)
    }

    /// The bytes as digests, one after the other.
    pub fn hashes(&self, py: Python<'_>, what: &'static str) -> PyResult<&[Hash]> {
        self.arrays(py, what)
    }

    fn array<const N: usize>(&self, py: Python<'_>, what: &'static str) -> PyResult<[u8; N]> {
        <[u8; N]>::try_from(&**self)
            .map_err(|_| raise(py, &Fault::LengthWrong { what, expected: N as u64, actual: self.len() as u64 }))
    }

    fn arrays<const N: usize>(&self, py: Python<'_>, what: &'static str) -> PyResult<&[[u8; N]]> {
        let (whole, rest) = self.as_chunks::<N>();
        if rest.is_empty() {
            return Ok(whole);
        }
        let expected = (whole.len() * N) as u64;
        Err(raise(py, &Fault::LengthWrong { what, expected, actual: self.len() as u64 }))
    }
}
