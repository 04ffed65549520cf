//! Verification for Python: single proofs in one call, batches and multiproofs without the GIL.

use crate::buffer::{Buffer, Indices};
use crate::fault::{raise, refuse_buffer};
use crate::settings;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use wattest_core::groups::{self, Groups};
use wattest_core::{batch, inclusion, keccak::Keccak, multiproof, sha256, Fault, Hash};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(verify_inclusion, module)?)?;
    module.add_function(wrap_pyfunction!(verify_sha256_inclusion, module)?)?;
    module.add_function(wrap_pyfunction!(verify_multiproof, module)?)?;
    module.add_function(wrap_pyfunction!(verify_batch, module)?)?;
    module.add_function(wrap_pyfunction!(verify_multiproofs, module)?)?;
    module.add_function(wrap_pyfunction!(batch_node_count, module)?)?;
    module.add_function(wrap_pyfunction!(multiproof_node_count, module)?)?;
    module.add_function(wrap_pyfunction!(split_nodes, module)?)
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
    threads: Option<settings::Threads>,
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

#[pyfunction]
#[pyo3(signature = (root, size, indices, ends, leaves, nodes, threads=None, /))]
#[allow(clippy::too_many_arguments)] // flat buffers side by side
fn verify_multiproofs(
    py: Python<'_>,
    root: Buffer,
    size: u64,
    indices: Indices,
    ends: Indices,
    leaves: Buffer,
    nodes: Buffer,
    threads: Option<settings::Threads>,
) -> PyResult<()> {
    let (simd, threads) = (settings::simd(py)?, settings::threads(py, threads)?);
    let root = root.hash(py, "root")?;
    let (leaves, nodes) = (leaves.hashes(py, "leaves")?, nodes.hashes(py, "nodes")?);
    let groups = Groups::new(&indices.0, &ends.0).map_err(|fault| raise(py, &fault))?;
    let checked = py.detach(|| groups::verify(simd, &root, size, groups, leaves, nodes, threads));
    checked.map_err(|fault| raise(py, &fault))
}

#[pyfunction]
#[pyo3(signature = (indices, ends, size, /))]
fn multiproof_node_count(py: Python<'_>, indices: Indices, ends: Indices, size: u64) -> PyResult<u64> {
    let counted = Groups::new(&indices.0, &ends.0).and_then(|groups| groups::node_count(groups, size));
    counted.map_err(|fault| raise(py, &fault))
}

/// Flat nodes as one `bytes` each.
#[pyfunction]
#[pyo3(signature = (nodes, /))]
fn split_nodes<'py>(py: Python<'py>, nodes: Buffer) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(py, nodes.hashes(py, "nodes")?.iter().map(|node| PyBytes::new(py, node)))
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
