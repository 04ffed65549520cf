//! Trees and proofs for Python: a tree is one flat `bytes` of nodes, a path one flat `bytes` of siblings.

use crate::buffer::Buffer;
use crate::fault::raise;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use wattest_core::{inclusion, keccak::Keccak, multiproof, sha256, tree, Fault, Hash};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(build_tree, module)?)?;
    module.add_function(wrap_pyfunction!(build_tree_unequal, module)?)?;
    module.add_function(wrap_pyfunction!(build_sha256_tree, module)?)?;
    module.add_function(wrap_pyfunction!(inclusion_path, module)?)?;
    module.add_function(wrap_pyfunction!(multiproof_nodes, module)?)?;
    module.add_function(wrap_pyfunction!(verify_inclusion, module)?)?;
    module.add_function(wrap_pyfunction!(verify_sha256_inclusion, module)?)?;
    module.add_function(wrap_pyfunction!(verify_multiproof, module)?)
}

#[pyfunction]
#[pyo3(signature = (payloads, width, salts, /))]
fn build_tree<'py>(py: Python<'py>, payloads: Buffer, width: usize, salts: Buffer) -> PyResult<Bound<'py, PyBytes>> {
    let salts = salts.salts(py, "salts")?;
    tree::check_size(salts.len() as u64).map_err(|fault| raise(py, &fault))?;
    tree::check_payloads(&payloads, width, salts).map_err(|fault| raise(py, &fault))?;
    flat_tree(py, salts.len() as u64, |nodes| tree::build(&payloads, width, salts, nodes))
}

#[pyfunction]
#[pyo3(signature = (payloads, salts, /))]
fn build_tree_unequal<'py>(
    py: Python<'py>,
    payloads: Vec<Buffer>,
    salts: Vec<Buffer>,
) -> PyResult<Bound<'py, PyBytes>> {
    if payloads.len() != salts.len() {
        let (expected, actual) = (payloads.len() as u64, salts.len() as u64);
        return Err(raise(py, &Fault::LengthWrong { what: "salts", expected, actual }));
    }
    let salts = salts.iter().map(|salt| salt.salt(py, "salt")).collect::<PyResult<Vec<_>>>()?;
    flat_tree(py, payloads.len() as u64, |nodes| {
        tree::build_unequal(payloads.iter().map(|payload| &**payload).zip(salts), nodes)
    })
}

#[pyfunction]
#[pyo3(signature = (items, width, /))]
fn build_sha256_tree<'py>(py: Python<'py>, items: Buffer, width: usize) -> PyResult<Bound<'py, PyBytes>> {
    let size = tree::unsalted_size(&items, width).map_err(|fault| raise(py, &fault))?;
    flat_tree(py, size, |nodes| tree::build_sha256(&items, width, nodes))
}

#[pyfunction]
#[pyo3(signature = (nodes, size, index, /))]
fn inclusion_path<'py>(py: Python<'py>, nodes: Buffer, size: u64, index: u64) -> PyResult<Bound<'py, PyBytes>> {
    let path = inclusion::path(nodes.hashes(py, "nodes")?, size, index).map_err(|fault| raise(py, &fault))?;
    Ok(PyBytes::new(py, path.as_flattened()))
}

#[pyfunction]
#[pyo3(signature = (nodes, size, indices, /))]
fn multiproof_nodes<'py>(
    py: Python<'py>,
    nodes: Buffer,
    size: u64,
    indices: Vec<u64>,
) -> PyResult<Bound<'py, PyBytes>> {
    let nodes = nodes.hashes(py, "nodes")?;
    let siblings = py.detach(|| multiproof::nodes(nodes, size, &indices)).map_err(|fault| raise(py, &fault))?;
    Ok(PyBytes::new(py, siblings.as_flattened()))
}

#[pyfunction]
#[pyo3(signature = (root, leaf, index, size, path, /))]
fn verify_inclusion(py: Python<'_>, root: Buffer, leaf: Buffer, index: u64, size: u64, path: Buffer) -> PyResult<()> {
    let (root, leaf) = (root.hash(py, "root")?, leaf.hash(py, "leaf")?);
    let path = path.hashes(py, "path")?;
    inclusion::verify::<Keccak>(&root, &leaf, index, size, path).map_err(|fault| raise(py, &fault))
}

#[pyfunction]
#[pyo3(signature = (root, item, index, size, path, /))]
fn verify_sha256_inclusion(
    py: Python<'_>,
    root: Buffer,
    item: Buffer,
    index: u64,
    size: u64,
    path: Buffer,
) -> PyResult<()> {
    let root = root.hash(py, "root")?;
    let path = path.hashes(py, "path")?;
    let leaf = sha256::leaf(&item).map_err(|fault| raise(py, &fault))?;
    inclusion::verify::<sha256::Rfc9162>(&root, &leaf, index, size, path).map_err(|fault| raise(py, &fault))
}

#[pyfunction]
#[pyo3(signature = (root, size, indices, leaves, nodes, /))]
fn verify_multiproof(
    py: Python<'_>,
    root: Buffer,
    size: u64,
    indices: Vec<u64>,
    leaves: Buffer,
    nodes: Buffer,
) -> PyResult<()> {
    let root = root.hash(py, "root")?;
    let (leaves, nodes) = (leaves.hashes(py, "leaves")?, nodes.hashes(py, "nodes")?);
    py.detach(|| multiproof::verify::<Keccak>(&root, size, &indices, leaves, nodes)).map_err(|fault| raise(py, &fault))
}

/// A new `bytes` for a tree's nodes, filled without the GIL; nobody else holds it yet.
fn flat_tree<'py>(
    py: Python<'py>,
    size: u64,
    fill: impl FnOnce(&mut [Hash]) -> Result<(), Fault> + Send,
) -> PyResult<Bound<'py, PyBytes>> {
    let count = tree::node_count(size).map_err(|fault| raise(py, &fault))?;
    PyBytes::new_with(py, usize::try_from(count)?.saturating_mul(32), |out| {
        let (nodes, _) = out.as_chunks_mut::<32>();
        py.detach(|| fill(nodes)).map_err(|fault| raise(py, &fault))
    })
}
