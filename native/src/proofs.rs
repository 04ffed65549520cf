//! Verification for Python: single proofs in one call, batches and multiproofs without the GIL.

use crate::buffer::{Buffer, Indices};
use crate::fault::{raise, refuse_buffer};
use crate::settings;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use wattest_core::{batch, inclusion, keccak::Keccak, multiproof, sha256, Fault, Hash};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(verify_inclusion, module)?)?;
    module.add_function(wrap_pyfunction!(verify_sha256_inclusion, module)?)?;
    module.add_function(wrap_pyfunction!(verify_multiproof, module)?)?;
    module.add_function(wrap_pyfunction!(verify_batch, module)?)?;
    module.add_function(wrap_pyfunction!(batch_node_count, module)?)
}

#[pyfunction]
#[pyo3(signature = (root, leaf, index, size, path, /))]
fn verify_inclusion(
    py: Python<'_>,
    root: Buffer,
    leaf: Buffer,
    index: u64,
    size: u64,
    path: &Bound<'_, PyTuple>,
) -> PyResult<()> {
    let (root, leaf) = (root.hash(py, "root")?, leaf.hash(py, "leaf")?);
    let mut nodes = [[0; 32]; PATH_MAX];
    let nodes = siblings(py, path, &mut nodes)?;
    inclusion::verify(&Keccak(settings::simd(py)?), &root, &leaf, index, size, nodes).map_err(|fault| raise(py, &fault))
}

#[pyfunction]
#[pyo3(signature = (root, item, index, size, path, /))]
fn verify_sha256_inclusion(
    py: Python<'_>,
    root: Buffer,
    item: Buffer,
    index: u64,
    size: u64,
    path: &Bound<'_, PyTuple>,
) -> PyResult<()> {
    let root = root.hash(py, "root")?;
    let mut nodes = [[0; 32]; PATH_MAX];
    let nodes = siblings(py, path, &mut nodes)?;
    let leaf = sha256::leaf(&item).map_err(|fault| raise(py, &fault))?;
    inclusion::verify(&sha256::Rfc9162, &root, &leaf, index, size, nodes).map_err(|fault| raise(py, &fault))
}

#[pyfunction]
#[pyo3(signature = (root, size, indices, leaves, nodes, /))]
fn verify_multiproof(
    py: Python<'_>,
    root: Buffer,
    size: u64,
    indices: Indices,
    leaves: Buffer,
    nodes: Buffer,
) -> PyResult<()> {
    let (rule, root) = (Keccak(settings::simd(py)?), root.hash(py, "root")?);
    let (leaves, nodes) = (leaves.hashes(py, "leaves")?, nodes.hashes(py, "nodes")?);
    py.detach(|| multiproof::verify(&rule, &root, size, &indices.0, leaves, nodes)).map_err(|fault| raise(py, &fault))
}

#[pyfunction]
#[pyo3(signature = (root, size, indices, leaves, nodes, threads=None, /))]
fn verify_batch(
    py: Python<'_>,
    root: Buffer,
    size: u64,
    indices: Indices,
    leaves: Buffer,
    nodes: Buffer,
    threads: Option<i64>,
) -> PyResult<()> {
    let (simd, threads) = (settings::simd(py)?, settings::threads(py, threads)?);
    let root = root.hash(py, "root")?;
    let (leaves, nodes) = (leaves.hashes(py, "leaves")?, nodes.hashes(py, "nodes")?);
    let checked = py.detach(|| batch::verify(simd, &root, size, &indices.0, leaves, nodes, threads));
    checked.map_err(|fault| raise(py, &fault))
}

#[pyfunction]
#[pyo3(signature = (indices, size, /))]
fn batch_node_count(py: Python<'_>, indices: Indices, size: u64) -> PyResult<u64> {
    batch::node_count(&indices.0, size).map_err(|fault| raise(py, &fault))
}

/// The longest path there is, and one more, so that a longer one is seen.
const PATH_MAX: usize = 33;

/// A path's nodes out of a tuple of `bytes`, without an object on the way.
fn siblings<'a>(py: Python<'_>, path: &Bound<'_, PyTuple>, nodes: &'a mut [Hash; PATH_MAX]) -> PyResult<&'a [Hash]> {
    let mut length = 0;
    for (slot, node) in nodes.iter_mut().zip(path.iter_borrowed()) {
        let node = node.cast::<PyBytes>().map_err(|_| refuse_buffer(py, "a node is 32 bytes"))?;
        let bytes = node.as_bytes();
        *slot = bytes.try_into().map_err(|_| {
            let (expected, actual) = (32, bytes.len() as u64);
            raise(py, &Fault::LengthWrong { what: "path", expected, actual })
        })?;
        length += 1;
    }
    Ok(&nodes[..length])
}
