//! Which Python objects count as bytes.
//!
//! `bytes` are immutable and are borrowed; any other C-contiguous buffer of single bytes is copied while the GIL is
//! held, because its owner could change it while the core reads without the GIL. No `unsafe` is needed for either.

use crate::fault::{raise, refuse_buffer};
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyBufferError, PyTypeError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use wattest_core::{Fault, Hash, Salt};

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
        if object.is_instance_of::<PyBytes>() {
            return Ok(Self::Borrowed(object.extract::<PyBackedBytes>()?));
        }
        let py = object.py();
        let view = PyBuffer::<u8>::get(&object).map_err(|error| {
            if error.is_instance_of::<PyTypeError>(py) || !error.is_instance_of::<PyBufferError>(py) {
                return error;
            }
            refuse_buffer(py, "its items are not single bytes, or it cannot be read in place")
        })?;
        if !view.is_c_contiguous() {
            return Err(refuse_buffer(py, "its bytes do not lie one after the other"));
        }
        Ok(Self::Copied(view.to_vec(py)?))
    }
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

    /// The bytes as salts, one after the other.
    pub fn salts(&self, py: Python<'_>, what: &'static str) -> PyResult<&[Salt]> {
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
