//! Series in bulk for Python: rows are flat buffers of fixed width, and every call runs without the GIL.

use crate::buffer::{Buffer, Secret};
use crate::fault::raise;
use crate::settings;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use wattest_core::{Fault, Hash};
use wattest_series::rows::HOLDS;
use wattest_series::seal::{Batch, Series};
use wattest_series::signatures::Algorithm;
use wattest_series::vee::Rules;
use wattest_series::{check, crc, device_block, seal, signatures, vee, Checked, Opened, Previous};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(default_threads, module)?)?;
    module.add_function(wrap_pyfunction!(crc16, module)?)?;
    module.add_function(wrap_pyfunction!(verify_signatures, module)?)?;
    module.add_function(wrap_pyfunction!(open_device_blocks, module)?)?;
    module.add_function(wrap_pyfunction!(vee_input, module)?)?;
    module.add_function(wrap_pyfunction!(seal_series, module)?)?;
    module.add_function(wrap_pyfunction!(open_series, module)?)?;
    module.add_function(wrap_pyfunction!(check_series, module)?)?;
    module.add_function(wrap_pyfunction!(checked_vee_input, module)?)?;
    module.add_function(wrap_pyfunction!(compare_edited, module)?)
}

#[pyfunction]
fn default_threads(py: Python<'_>) -> PyResult<usize> {
    settings::threads(py, None)
}

#[pyfunction]
#[pyo3(signature = (data, /))]
fn crc16(data: Buffer) -> u16 {
    crc::crc16(&data)
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
        "secp256k1" => Algorithm::Secp256k1,
        "ed25519" => Algorithm::Ed25519,
        _ => return Err(PyValueError::new_err("an algorithm is p256, secp256k1 or ed25519")),
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
#[pyo3(signature = (channel, sequence, names, series_keys, blocks, ends, threads=None, /))]
#[allow(clippy::too_many_arguments)] // one row of each for every series
fn open_series<'py>(
    py: Python<'py>,
    channel: Buffer,
    sequence: u64,
    names: Buffer,
    series_keys: Secret,
    blocks: Buffer,
    ends: Buffer,
    threads: Option<settings::Threads>,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
    let (threads, channel) = (settings::threads(py, threads)?, channel.hash(py, "channel")?);
    let ends = places(py, &ends)?;
    let names = rows::<32>(py, &names, "names", ends.len())?;
    let keys = rows::<32>(py, &series_keys, "series_keys", ends.len())?;
    let batch = Batch { simd: settings::simd(py)?, channel: &channel, sequence };
    let (plaintexts, ends) = py.detach(|| {
        let opened = check::open(batch, names, keys, &blocks, &ends, threads);
        let ends = opened.iter().scan(0_u64, |end, plaintext| {
            *end += plaintext.len() as u64;
            Some(end.to_be_bytes())
        });
        let ends = ends.flatten().collect::<Vec<u8>>();
        (opened.concat(), ends)
    });
    Ok((PyBytes::new(py, &plaintexts), PyBytes::new(py, &ends)))
}

#[pyfunction]
#[pyo3(signature = (entries, series_keys, plaintexts, ends, threads=None, /))]
fn check_series<'py>(
    py: Python<'py>,
    entries: Buffer,
    series_keys: Secret,
    plaintexts: Buffer,
    ends: Buffer,
    threads: Option<settings::Threads>,
) -> PyResult<Bound<'py, PyBytes>> {
    let (threads, simd, ends) = (settings::threads(py, threads)?, settings::simd(py)?, places(py, &ends)?);
    let entries = rows::<118>(py, &entries, "entries", ends.len())?;
    let keys = rows::<32>(py, &series_keys, "series_keys", ends.len())?;
    let rows = py.detach(|| {
        let checked = check::check(simd, entries, keys, &plaintexts, &ends, threads);
        checked.iter().flat_map(|row| row.0).collect::<Vec<u8>>()
    });
    Ok(PyBytes::new(py, &rows))
}

#[pyfunction]
#[pyo3(signature = (plaintexts, ends, checked, interval_s, most_per_interval, /))]
fn checked_vee_input<'py>(
    py: Python<'py>,
    plaintexts: Buffer,
    ends: Buffer,
    checked: Buffer,
    interval_s: u32,
    most_per_interval: u64,
) -> PyResult<Bound<'py, PyBytes>> {
    let ends = places(py, &ends)?;
    let checked = checked_rows(py, &checked, ends.len())?;
    let rules = Rules { interval_s, most_per_interval };
    let input = py
        .detach(|| check::vee_input(&plaintexts, &ends, &checked, rules))
        .ok_or_else(|| raise(py, &length_wrong("plaintexts", ends.last().copied().unwrap_or(0), plaintexts.len())))?;
    Ok(PyBytes::new(py, &input))
}

#[pyfunction]
#[pyo3(signature = (plaintexts, ends, checked, edited, /))]
fn compare_edited<'py>(
    py: Python<'py>,
    plaintexts: Buffer,
    ends: Buffer,
    checked: Buffer,
    edited: Buffer,
) -> PyResult<Bound<'py, PyBytes>> {
    let ends = places(py, &ends)?;
    let checked = checked_rows(py, &checked, ends.len())?;
    let jobs = checked.iter().filter(|row| row.verdict()[0] == HOLDS).count();
    let verdicts = py
        .detach(|| check::compare(&plaintexts, &ends, &checked, &vee::output(&edited, jobs)?))
        .ok_or_else(|| raise(py, &length_wrong("edited", jobs as u64, edited.len())))?;
    Ok(PyBytes::new(py, &verdicts))
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
pub fn places(py: Python<'_>, ends: &Buffer) -> PyResult<Vec<u64>> {
    let ends = rows::<8>(py, ends, "ends", ends.len() / 8)?;
    Ok(ends.iter().map(|end| u64::from_be_bytes(*end)).collect())
}

fn opened_rows(py: Python<'_>, buffer: &Buffer, count: usize) -> PyResult<Vec<Opened>> {
    Ok(rows::<{ Opened::BYTES }>(py, buffer, "opened", count)?.iter().map(|row| Opened(*row)).collect())
}

fn previous_rows(py: Python<'_>, buffer: &Buffer, count: usize) -> PyResult<Vec<Previous>> {
    Ok(rows::<{ Previous::BYTES }>(py, buffer, "previous", count)?.iter().map(|row| Previous(*row)).collect())
}

fn checked_rows(py: Python<'_>, buffer: &Buffer, count: usize) -> PyResult<Vec<Checked>> {
    Ok(rows::<{ Checked::BYTES }>(py, buffer, "checked", count)?.iter().map(|row| Checked(*row)).collect())
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
