//! Trees for Python: built at once, growing, or stored in a file. Nodes come out as one flat `bytes`, however many proofs
//! they belong to.

use crate::buffer::{Buffer, Buffers, Column, Columns, Indices, Place};
use crate::fault::raise;
use crate::settings;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Mutex, MutexGuard, PoisonError};
use wattest_core::arena::Arena;
use wattest_core::frontier::Edge;
use wattest_core::groups::{self, Groups};
use wattest_core::{batch, growing, inclusion, stored, tree, Fault, Hash};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Tree>()?;
    module.add_class::<GrowingTree>()?;
    module.add_class::<StoredTree>()
}

/// An immutable tree: the flat array of docs/spec/merkle.md, section 2.
#[pyclass(frozen, module = "wattest.crypto._native")]
struct Tree {
    nodes: Arena,
    size: u64,
}

#[pymethods]
impl Tree {
    #[staticmethod]
    #[pyo3(signature = (payloads, width, salts, threads=None, /))]
    fn build(
        py: Python<'_>,
        payloads: Column,
        width: usize,
        salts: Column,
        threads: Option<settings::Threads>,
    ) -> PyResult<Self> {
        let (simd, threads) = (settings::simd(py)?, settings::threads(py, threads)?);
        let (columns, size) = Columns::new(py, simd, payloads, width, salts)?;
        Self::filled(py, size, |nodes| tree::build(simd, &columns, size, nodes, threads))
    }

    #[staticmethod]
    #[pyo3(signature = (payloads, salts, /))]
    fn from_payloads(py: Python<'_>, payloads: Buffers, salts: Buffers) -> PyResult<Self> {
        let (Buffers(payloads), Buffers(salts)) = (payloads, salts);
        let simd = settings::simd(py)?;
        if payloads.len() != salts.len() {
            let (expected, actual) = (payloads.len() as u64, salts.len() as u64);
            return Err(raise(py, &Fault::LengthWrong { what: "salts", expected, actual }));
        }
        let salts = salts.iter().map(|salt| salt.salt(py, "salt")).collect::<PyResult<Vec<_>>>()?;
        Self::filled(py, payloads.len() as u64, |nodes| {
            tree::build_unequal(simd, payloads.iter().map(|payload| &**payload).zip(salts), nodes)
        })
    }

    #[staticmethod]
    #[pyo3(signature = (items, width, /))]
    fn build_sha256(py: Python<'_>, items: Buffer, width: usize) -> PyResult<Self> {
        let size = tree::unsalted_size(&items, width).map_err(|fault| raise(py, &fault))?;
        Self::filled(py, size, |nodes| tree::build_sha256(&items, width, nodes))
    }

    #[getter]
    fn size(&self) -> u64 {
        self.size
    }

    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.nodes.last().map_or(&[], |root| root.as_slice()))
    }

    #[pyo3(signature = (index, /))]
    fn leaf<'py>(&self, py: Python<'py>, index: u64) -> PyResult<Bound<'py, PyBytes>> {
        inclusion::path_length(index, self.size).map_err(|fault| raise(py, &fault))?;
        Ok(PyBytes::new(py, self.leaf_at(index)))
    }

    /// The leaves of indices, one after the other.
    #[pyo3(signature = (indices, /))]
    fn leaves<'py>(&self, py: Python<'py>, indices: Indices) -> PyResult<Bound<'py, PyBytes>> {
        batch::node_count(&indices.0, self.size).map_err(|fault| raise(py, &fault))?;
        flat(py, indices.0.len() as u64, |out| {
            out.iter_mut().zip(&indices.0).for_each(|(slot, &index)| slot.copy_from_slice(self.leaf_at(index)));
            Ok(())
        })
    }

    /// The path of an index, its nodes one after the other.
    #[pyo3(signature = (index, /))]
    fn path<'py>(&self, py: Python<'py>, index: u64) -> PyResult<Bound<'py, PyBytes>> {
        // A path is copied faster than the GIL is let go and taken again.
        let count = inclusion::path_length(index, self.size).map_err(|fault| raise(py, &fault))?;
        PyBytes::new_with(py, usize::try_from(count)?.saturating_mul(32), |out| {
            let (nodes, _) = out.as_chunks_mut::<32>();
            inclusion::path_into(&self.nodes, self.size, index, nodes).map_err(|fault| raise(py, &fault))
        })
    }

    /// The paths of indices, one after the other.
    #[pyo3(signature = (indices, /))]
    fn paths<'py>(&self, py: Python<'py>, indices: Indices) -> PyResult<Bound<'py, PyBytes>> {
        let count = batch::node_count(&indices.0, self.size).map_err(|fault| raise(py, &fault))?;
        flat(py, count, |out| batch::paths(&self.nodes, self.size, &indices.0, out))
    }

    /// The nodes of the multiproofs of groups of indices, one after the other.
    #[pyo3(signature = (indices, ends, /))]
    fn multiproofs<'py>(&self, py: Python<'py>, indices: Indices, ends: Indices) -> PyResult<Bound<'py, PyBytes>> {
        let groups = Groups::new(&indices.0, &ends.0).map_err(|fault| raise(py, &fault))?;
        let count = py.detach(|| groups::node_count(groups, self.size)).map_err(|fault| raise(py, &fault))?;
        flat(py, count, |out| {
            let levels = tree::Levels::new(&self.nodes, self.size)?;
            let outside = |index| Fault::IndexOutOfRange { index, size: self.size };
            let read = |level, position| levels.node(level, position).copied().ok_or_else(|| outside(position));
            groups::nodes(groups, self.size, read, out)
        })
    }

    /// The flat array itself.
    fn nodes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.nodes.as_flattened())
    }
}

impl Tree {
    fn filled(py: Python<'_>, size: u64, fill: impl FnOnce(&mut [Hash]) -> Result<(), Fault> + Send) -> PyResult<Self> {
        let filled = py.detach(|| {
            let mut nodes = Arena::new(tree::node_count(size)?)?;
            fill(&mut nodes)?;
            Ok(Self { nodes, size })
        });
        filled.map_err(|fault| raise(py, &fault))
    }

    fn leaf_at(&self, index: u64) -> &[u8] {
        usize::try_from(index).ok().and_then(|index| self.nodes.get(index)).map_or(&[], |leaf| leaf.as_slice())
    }
}

/// A tree in memory that takes leaves in at its end.
#[pyclass(frozen, module = "wattest.crypto._native")]
struct GrowingTree(Mutex<growing::Growing>);

#[pymethods]
impl GrowingTree {
    #[new]
    fn new() -> Self {
        Self(Mutex::default())
    }

    #[pyo3(signature = (payloads, width, salts, threads=None, /))]
    fn append(
        &self,
        py: Python<'_>,
        payloads: Column,
        width: usize,
        salts: Column,
        threads: Option<settings::Threads>,
    ) -> PyResult<()> {
        let (simd, threads) = (settings::simd(py)?, settings::threads(py, threads)?);
        let (columns, count) = Columns::new(py, simd, payloads, width, salts)?;
        // Waiting for the tree with the GIL in hand would stop the thread that has the tree.
        let appended = py.detach(|| locked(&self.0).append(simd, &columns, count, threads));
        appended.map_err(|fault| raise(py, &fault))
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> u64 {
        py.detach(|| locked(&self.0).size())
    }

    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let edge = py.detach(|| locked(&self.0).edge()).map_err(|fault| raise(py, &fault))?;
        Ok(PyBytes::new(py, &edge.root()))
    }

    /// Size and root of one moment, then the leaves and paths of indices at that moment.
    #[pyo3(signature = (indices, /))]
    fn prove<'py>(&self, py: Python<'py>, indices: Indices) -> PyResult<Proved<'py>> {
        let proved = py.detach(|| {
            let tree = locked(&self.0);
            let edge = tree.edge()?;
            Ok((edge, tree.leaves(&indices.0)?, tree.paths(&indices.0)?))
        });
        handed_out(py, proved)
    }

    /// The same for groups of indices and their multiproofs.
    #[pyo3(signature = (indices, ends, /))]
    fn prove_groups<'py>(&self, py: Python<'py>, indices: Indices, ends: Indices) -> PyResult<Proved<'py>> {
        let groups = Groups::new(&indices.0, &ends.0).map_err(|fault| raise(py, &fault))?;
        let proved = py.detach(|| {
            let tree = locked(&self.0);
            let (edge, nodes) = (tree.edge()?, tree.multiproofs(groups)?);
            Ok((edge, tree.leaves(groups.indices())?, nodes))
        });
        handed_out(py, proved)
    }
}

/// A growing tree in a file.
#[pyclass(frozen, module = "wattest.crypto._native")]
struct StoredTree(Mutex<stored::Stored>);

#[pymethods]
impl StoredTree {
    #[staticmethod]
    #[pyo3(signature = (path, /))]
    fn create(py: Python<'_>, path: Place) -> PyResult<Self> {
        let made = py.detach(|| stored::Stored::create(&path.0)).map_err(|fault| raise(py, &fault))?;
        Ok(Self(Mutex::new(made)))
    }

    #[staticmethod]
    #[pyo3(signature = (path, writable, /))]
    fn open(py: Python<'_>, path: Place, writable: bool) -> PyResult<Self> {
        let found = py.detach(|| stored::Stored::open(&path.0, writable)).map_err(|fault| raise(py, &fault))?;
        Ok(Self(Mutex::new(found)))
    }

    #[pyo3(signature = (payloads, width, salts, threads=None, /))]
    fn append(
        &self,
        py: Python<'_>,
        payloads: Column,
        width: usize,
        salts: Column,
        threads: Option<settings::Threads>,
    ) -> PyResult<()> {
        let (simd, threads) = (settings::simd(py)?, settings::threads(py, threads)?);
        let (columns, count) = Columns::new(py, simd, payloads, width, salts)?;
        let appended = py.detach(|| locked(&self.0).append(simd, &columns, count, threads));
        appended.map_err(|fault| raise(py, &fault))
    }

    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| locked(&self.0).commit()).map_err(|fault| raise(py, &fault))
    }

    #[getter]
    fn size(&self, py: Python<'_>) -> u64 {
        py.detach(|| locked(&self.0).size())
    }

    #[getter]
    fn committed_size(&self, py: Python<'_>) -> u64 {
        py.detach(|| locked(&self.0).committed_size())
    }

    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let edge = py.detach(|| locked(&self.0).edge()).map_err(|fault| raise(py, &fault))?;
        Ok(PyBytes::new(py, &edge.root()))
    }

    /// Size and root of one moment, then the leaves and paths of indices at that moment, checked against the root.
    #[pyo3(signature = (indices, /))]
    fn prove<'py>(&self, py: Python<'py>, indices: Indices) -> PyResult<Proved<'py>> {
        let simd = settings::simd(py)?;
        let proved = py.detach(|| {
            let tree = locked(&self.0);
            let edge = tree.edge()?;
            let (leaves, nodes) = tree.prove(simd, &indices.0)?;
            Ok((edge, leaves, nodes))
        });
        handed_out(py, proved)
    }

    /// The same for groups of indices and their multiproofs.
    #[pyo3(signature = (indices, ends, /))]
    fn prove_groups<'py>(&self, py: Python<'py>, indices: Indices, ends: Indices) -> PyResult<Proved<'py>> {
        let simd = settings::simd(py)?;
        let groups = Groups::new(&indices.0, &ends.0).map_err(|fault| raise(py, &fault))?;
        let proved = py.detach(|| {
            let tree = locked(&self.0);
            let edge = tree.edge()?;
            let (leaves, nodes) = tree.prove_groups(simd, groups)?;
            Ok((edge, leaves, nodes))
        });
        handed_out(py, proved)
    }
}

type Proved<'py> = (u64, Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

/// The tree behind a lock; one whose writer panicked is still whole, since it changes last.
fn locked<T>(tree: &Mutex<T>) -> MutexGuard<'_, T> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

fn handed_out<'py>(py: Python<'py>, proved: Result<(Edge, Vec<Hash>, Vec<Hash>), Fault>) -> PyResult<Proved<'py>> {
    let (edge, leaves, nodes) = proved.map_err(|fault| raise(py, &fault))?;
    let bytes = |nodes: &[Hash]| PyBytes::new(py, nodes.as_flattened());
    Ok((edge.size(), PyBytes::new(py, &edge.root()), bytes(&leaves), bytes(&nodes)))
}

/// A new `bytes` of nodes, filled without the GIL; nobody else holds it yet.
fn flat<'py>(
    py: Python<'py>,
    count: u64,
    fill: impl FnOnce(&mut [Hash]) -> Result<(), Fault> + Send,
) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, usize::try_from(count)?.saturating_mul(32), |out| {
        let (nodes, _) = out.as_chunks_mut::<32>();
        py.detach(|| fill(nodes)).map_err(|fault| raise(py, &fault))
    })
}
