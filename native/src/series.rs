//! Series in bulk for Python: rows are flat buffers of fixed width, and every call runs without the GIL.

use crate::buffer::{Buffer, Secret};
use crate::fault::raise;
use crate::settings;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use wattest_core::{Fault, Hash};
use wattest_series::seal::{Batch, Series};
use wattest_series::signatures::Algorithm;
use wattest_series::vee::Rules;
use wattest_series::wrap::Wrap;
use wattest_series::{device_block, seal, signatures, vee, wrap, Opened, Previous};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(verify_signatures, module)?)?;
    module.add_function(wrap_pyfunction!(open_device_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(vee_input, module)?)?;
    module.add_function(wrap_pyfunction!(seal_series, module)?)?;
    module.add_function(wrap_pyfunction!(wrap_series_keys, module)?)
}

#[pyfunction]
#[pyo3(signature = (algorithm, public_keys, messages, ends, signatures, threads=None, /))]
fn verify_signatures<'py>(
    py: Python<'py>,
    algorithm: &str,
    public_keys: Buffer,
    messages: Buffer,
    ends: Buffer,
    signatures: Buffer,
    threads: Option<settings::Threads>,
) -> PyResult<Bound<'py, PyBytes>> {
    let threads = settings::threads(py, threads)?;
    let algorithm = match algorithm {
        "p256" => Algorithm::P256,
        "ed25519" => Algorithm::Ed25519,
        _ => return Err(PyValueError::new_err("an algorithm is p256 or ed25519")),
    };
    let ends = places(py, &ends)?;
    let signatures = rows::<64>(py, &signatures, "signatures", ends.len())?;
    same_length(py, "public_keys", ends.len() * algorithm.key_bytes(), public_keys.len())?;
    let verdicts = py.detach(|| signatures::verify(algorithm, &public_keys, &messages, &ends, signatures, threads));
    Ok(PyBytes::new(py, &verdicts))
}

#[pyfunction]
#[pyo3(signature = (blocks, ends, threads=None, /))]
fn open_device_blocks<'py>(
    py: Python<'py>,
    blocks: Buffer,
    ends: Buffer,
    threads: Option<settings::Threads>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (threads, ends) = (settings::threads(py, threads)?, places(py, &ends)?);
    let rows =
        py.detach(|| device_block::open(&blocks, &ends, threads).iter().flat_map(|row| row.0).collect::<Vec<u8>>());
    Ok(PyBytes::new(py, &rows))
}

#[pyfunction]
#[pyo3(signature = (blocks, ends, opened, previous, interval_s, most_per_interval, /))]
fn vee_input<'py>(
    py: Python<'py>,
    blocks: Buffer,
    ends: Buffer,
    opened: Buffer,
    previous: Buffer,
    interval_s: u32,
    most_per_interval: u64,
) -> PyResult<Bound<'py, PyBytes>> {
    let ends = places(py, &ends)?;
    let opened = opened_rows(py, &opened, ends.len())?;
    let previous = previous_rows(py, &previous, ends.len())?;
    let rules = Rules { interval_s, most_per_interval };
    let input = py
        .detach(|| vee::input(&blocks, &ends, &opened, &previous, rules))
        .ok_or_else(|| raise(py, &length_wrong("blocks", ends.last().copied().unwrap_or(0), blocks.len())))?;
    Ok(PyBytes::new(py, &input))
}

#[pyfunction]
#[pyo3(signature = (channel, sequence, opened, edited, previous, names, series_keys, expected, threads=None, /))]
#[allow(clippy::too_many_arguments)] // one row of each for every series
fn seal_series<'py>(
    py: Python<'py>,
    channel: Buffer,
    sequence: u64,
    opened: Buffer,
    edited: Buffer,
    previous: Buffer,
    names: Buffer,
    series_keys: Secret,
    expected: Buffer,
    threads: Option<settings::Threads>,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let (threads, channel) = (settings::threads(py, threads)?, channel.hash(py, "channel")?);
    let count = names.len() / 32;
    let names = rows::<32>(py, &names, "names", count)?;
    let keys = rows::<32>(py, &series_keys, "series_keys", count)?;
    let opened = opened_rows(py, &opened, count)?;
    let previous = previous_rows(py, &previous, count)?;
    let expected: &[Hash] = if expected.is_empty() { &[] } else { rows(py, &expected, "expected", count)? };
    let Some(edited) = vee::output(&edited, count) else {
        return Err(raise(py, &length_wrong("edited", count as u64, edited.len())));
    };
    let batch = Batch { simd: settings::simd(py)?, channel: &channel, sequence };
    let (rows, blocks) = py.detach(|| {
        let series = (0..count).map(|at| Series {
            opened: &opened[at],
            edited: edited[at],
            previous: &previous[at],
            name: &names[at],
            key: &keys[at],
            expected: expected.get(at),
        });
        let sealed = seal::seal(batch, &series.collect::<Vec<_>>(), threads);
        let rows = sealed.iter().flat_map(|(row, _)| row.0).collect::<Vec<u8>>();
        (rows, sealed.into_iter().map(|(_, block)| block).collect::<Vec<_>>().concat())
    });
    Ok((PyBytes::new(py, &rows), PyBytes::new(py, &blocks)))
}

#[pyfunction]
#[pyo3(signature = (channel, sequence, readers, names, series_keys, threads=None, /))]
fn wrap_series_keys<'py>(
    py: Python<'py>,
    channel: Buffer,
    sequence: u64,
    readers: Buffer,
    names: Buffer,
    series_keys: Secret,
    threads: Option<settings::Threads>,
) -> PyResult<(Bound<'py, PyBytes>, Option<usize>)> {
    let (threads, channel) = (settings::threads(py, threads)?, channel.hash(py, "channel")?);
    let count = readers.len() / 32;
    let readers = rows::<32>(py, &readers, "readers", count)?;
    let names = rows::<32>(py, &names, "names", count)?;
    let keys = rows::<32>(py, &series_keys, "series_keys", count)?;
    let wrapped = py.detach(|| {
        let wraps = readers.iter().zip(names).zip(keys);
        let wraps = wraps.map(|((reader, name), key)| Wrap { reader, name, key }).collect::<Vec<_>>();
        wrap::wrap(&channel, sequence, &wraps, threads)
    });
    let refused = wrapped.iter().position(Option::is_none);
    let flat = wrapped.into_iter().flat_map(|key| key.unwrap_or([0; wrap::WRAPPED])).collect::<Vec<u8>>();
    Ok((PyBytes::new(py, &flat), refused))
}

/// A buffer as rows, one for each of `count` series.
fn rows<'a, const N: usize>(
    py: Python<'_>,
    buffer: &'a Buffer,
    what: &'static str,
    count: usize,
) -> PyResult<&'a [[u8; N]]> {
    same_length(py, what, count.saturating_mul(N), buffer.len())?;
    Ok(buffer.as_chunks::<N>().0)
}

/// Ends of parts, big-endian u64.
fn places(py: Python<'_>, ends: &Buffer) -> PyResult<Vec<u64>> {
    let ends = rows::<8>(py, ends, "ends", ends.len() / 8)?;
    Ok(ends.iter().map(|end| u64::from_be_bytes(*end)).collect())
}

fn opened_rows(py: Python<'_>, buffer: &Buffer, count: usize) -> PyResult<Vec<Opened>> {
    Ok(rows::<{ Opened::BYTES }>(py, buffer, "opened", count)?.iter().map(|row| Opened(*row)).collect())
}

fn previous_rows(py: Python<'_>, buffer: &Buffer, count: usize) -> PyResult<Vec<Previous>> {
    Ok(rows::<{ Previous::BYTES }>(py, buffer, "previous", count)?.iter().map(|row| Previous(*row)).collect())
}

fn same_length(py: Python<'_>, what: &'static str, expected: usize, actual: usize) -> PyResult<()> {
    if expected == actual {
        return Ok(());
    }
    Err(raise(py, &length_wrong(what, expected as u64, actual)))
}

fn length_wrong(what: &'static str, expected: u64, actual: usize) -> Fault {
    Fault::LengthWrong { what, expected, actual: actual as u64 }
}
