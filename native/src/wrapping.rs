//! Wrapped series keys for Python: contexts stay in here, pages come out; set-up and sealing run without the GIL.

use crate::buffer::{Buffer, Secret};
use crate::fault::raise;
use crate::series::places;
use crate::settings;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use std::sync::{Mutex, MutexGuard, PoisonError};
use wattest_series::wrap;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<ReaderContexts>()?;
    module.add_class::<KeyWrapping>()
}

/// The contexts of one channel's readers.
#[pyclass(frozen, module = "wattest.crypto._native")]
struct ReaderContexts(Mutex<wrap::ReaderContexts>);

#[pymethods]
impl ReaderContexts {
    #[new]
    #[pyo3(signature = (channel, /))]
    fn new(py: Python<'_>, channel: Buffer) -> PyResult<Self> {
        Ok(Self(Mutex::new(wrap::ReaderContexts::new(channel.hash(py, "channel")?))))
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        py.detach(|| self.locked().len())
    }

    #[pyo3(signature = (sequence, names, series_keys, readers, ends, /))]
    fn check_out(
        &self,
        py: Python<'_>,
        sequence: u64,
        names: Buffer,
        series_keys: Secret,
        readers: Buffer,
        ends: Buffer,
    ) -> PyResult<KeyWrapping> {
        let (names, keys) = (names.hashes(py, "names")?, series_keys.hashes(py, "series_keys")?);
        let (readers, ends) = (readers.hashes(py, "readers")?, places(py, &ends)?);
        let wrapping = py.detach(|| self.locked().check_out(sequence, names, keys, readers, &ends));
        wrapping.map(KeyWrapping).map_err(|fault| raise(py, &fault))
    }
}

impl ReaderContexts {
    /// The contexts behind a lock; what a panic leaves of them has served no later batch than they say.
    fn locked(&self) -> MutexGuard<'_, wrap::ReaderContexts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One batch's keys under their readers' contexts.
#[pyclass(frozen, module = "wattest.crypto._native")]
struct KeyWrapping(wrap::Wrapping);

type Page<'py> = (Bound<'py, PyList>, Option<(usize, Bound<'py, PyBytes>)>);

#[pymethods]
impl KeyWrapping {
    /// The entries' wrapped keys; or how many came before a reader's key that takes no secret, and that key.
    #[pyo3(signature = (start, count, threads=None, /))]
    fn page<'py>(
        &self,
        py: Python<'py>,
        start: usize,
        count: usize,
        threads: Option<settings::Threads>,
    ) -> PyResult<Page<'py>> {
        let threads = settings::threads(py, threads)?;
        let page = py.detach(|| self.0.page(start..start.saturating_add(count), threads));
        let page = page.map_err(|fault| raise(py, &fault))?;
        let refused = page.iter().position(Result::is_err);
        let reader = page.iter().find_map(|entry| entry.as_ref().err());
        let refused = refused.zip(reader).map(|(place, reader)| (place, PyBytes::new(py, reader)));
        let wrapped = page.iter().flatten().map(|entry| PyBytes::new(py, entry)).collect::<Vec<_>>();
        Ok((PyList::new(py, wrapped)?, refused))
    }
}
