//! Single hashes and bulk salts for Python.

use crate::buffer::{Buffer, Secret};
use crate::fault::raise;
use crate::settings;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use wattest_core::{blocks, keccak, salts, Fault, NodeRule, Simd, SIZE_MAX};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(keccak256, module)?)?;
    module.add_function(wrap_pyfunction!(leaf_hash, module)?)?;
    module.add_function(wrap_pyfunction!(node_hash, module)?)?;
    module.add_function(wrap_pyfunction!(derive_salts, module)?)?;
    module.add_function(wrap_pyfunction!(key_salts, module)?)?;
    module.add_function(wrap_pyfunction!(keccak_permutations, module)?)?;
    module.add_function(wrap_pyfunction!(simd_kernels, module)?)
}

/// Inputs above this many bytes are hashed without the GIL; below it letting go costs more than it gives.
const RELEASE_ABOVE: usize = 16 * 1024;

#[pyfunction]
#[pyo3(signature = (data, /))]
fn keccak256<'py>(py: Python<'py>, data: Buffer) -> Bound<'py, PyBytes> {
    let digest =
        if data.len() > RELEASE_ABOVE { py.detach(|| keccak::keccak256(&data)) } else { keccak::keccak256(&data) };
    PyBytes::new(py, &digest)
}

#[pyfunction]
#[pyo3(signature = (salt, payload, /))]
fn leaf_hash<'py>(py: Python<'py>, salt: Buffer, payload: Buffer) -> PyResult<Bound<'py, PyBytes>> {
    let leaf = keccak::leaf(&salt.salt(py, "salt")?, &payload).map_err(|fault| raise(py, &fault))?;
    Ok(PyBytes::new(py, &leaf))
}

#[pyfunction]
#[pyo3(signature = (left, right, /))]
fn node_hash<'py>(py: Python<'py>, left: Buffer, right: Buffer) -> PyResult<Bound<'py, PyBytes>> {
    let node = keccak::Keccak(settings::simd(py)?).node(&left.hash(py, "left")?, &right.hash(py, "right")?);
    Ok(PyBytes::new(py, &node))
}

#[pyfunction]
#[pyo3(signature = (series_key, tag, count, /))]
fn derive_salts<'py>(py: Python<'py>, series_key: Secret, tag: u8, count: u64) -> PyResult<Bound<'py, PyBytes>> {
    salts::check_count(count).map_err(|fault| raise(py, &fault))?;
    let length = usize::try_from(count * 16)?;
    PyBytes::new_with(py, length, |out| {
        let (slots, _) = out.as_chunks_mut::<16>();
        py.detach(|| salts::derive(&series_key, tag, slots)).map_err(|fault| raise(py, &fault))
    })
}

#[pyfunction]
#[pyo3(signature = (series_keys, tag, /))]
fn key_salts<'py>(py: Python<'py>, series_keys: Secret, tag: u8) -> PyResult<Bound<'py, PyBytes>> {
    let keys = series_keys.hashes(py, "series_keys")?;
    PyBytes::new_with(py, 16 * keys.len(), |out| {
        let (slots, _) = out.as_chunks_mut::<16>();
        py.detach(|| salts::of_keys(keys, tag, slots));
        Ok(())
    })
}

/// Most permutations of one call: as many hashes as the largest tree has.
const PERMUTATIONS_MAX: u64 = 2 * SIZE_MAX - 1;

/// Permutations after which a signal is looked for: a tenth of a second or so.
const PERMUTATIONS_EACH: u64 = 1 << 20;

/// The limit that everything here is measured against: permutations in full lanes, with nothing read or written.
#[pyfunction]
#[pyo3(signature = (count, /))]
fn keccak_permutations(py: Python<'_>, count: u64) -> PyResult<u64> {
    let simd = settings::simd(py)?;
    if count > PERMUTATIONS_MAX {
        return Err(raise(py, &Fault::TreeTooLarge { maximum: PERMUTATIONS_MAX, actual: count }));
    }
    let mut left = count;
    loop {
        let now = left.min(PERMUTATIONS_EACH);
        let word = py.detach(|| blocks::permutations(simd, now));
        left -= now;
        if left == 0 {
            return Ok(word);
        }
        py.check_signals()?;
    }
}

/// The kernel of this process, then every kernel of this processor.
#[pyfunction]
fn simd_kernels(py: Python<'_>) -> PyResult<Vec<&'static str>> {
    let all = Simd::available();
    Ok(std::iter::once(settings::simd(py)?).chain(all).map(Simd::name).collect())
}
