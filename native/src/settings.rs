//! What the process is told from outside: `WATTEST_SIMD` and `WATTEST_THREADS`, read once, when first needed.

use crate::fault::raise;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use std::sync::OnceLock;
use wattest_core::{shares::THREADS_MAX, Fault, Simd};

/// The kernel of this process: the one forced by `WATTEST_SIMD`, else the widest there is.
pub fn simd(py: Python<'_>) -> PyResult<Simd> {
    static CHOSEN: OnceLock<Result<Simd, Fault>> = OnceLock::new();
    let chosen = CHOSEN.get_or_init(|| match std::env::var_os("WATTEST_SIMD") {
        None => Ok(Simd::best()),
        Some(asked) if asked.is_empty() => Ok(Simd::best()),
        Some(asked) => {
            let available = || Simd::available().into_iter().map(Simd::name).collect::<Vec<_>>().join(", ");
            let asked = asked.to_string_lossy();
            Simd::named(&asked).map_err(|error| Fault::SimdUnavailable { asked: error.asked, available: available() })
        }
    });
    chosen.clone().map_err(|fault| raise(py, &fault))
}

/// A number of threads that somebody asks for, of any size.
pub struct Threads {
    number: Option<usize>,
    asked: String,
}

impl<'a, 'py> FromPyObject<'a, 'py> for Threads {
    type Error = PyErr;

    fn extract(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        let number = match object.extract::<i64>() {
            Ok(number) => usize::try_from(number).ok(),
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => None,
            Err(error) => return Err(error),
        };
        let asked = object.to_string().chars().take(SHOWN).collect();
        Ok(Self { number, asked })
    }
}

/// Characters of a number that are shown.
const SHOWN: usize = 40;

/// The threads to use: as many as asked for, else as `WATTEST_THREADS` says, else one for each core of this process.
pub fn threads(py: Python<'_>, asked: Option<Threads>) -> PyResult<usize> {
    static DEFAULT: OnceLock<Result<usize, Fault>> = OnceLock::new();
    let chosen = match asked {
        Some(Threads { number, asked }) => checked(number, || asked),
        None => DEFAULT
            .get_or_init(|| match std::env::var_os("WATTEST_THREADS") {
                Some(told) if !told.is_empty() => {
                    let told = told.to_string_lossy();
                    checked(told.parse().ok(), || format!("WATTEST_THREADS={told}"))
                }
                _ => Ok(std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)),
            })
            .clone(),
    };
    chosen.map_err(|fault| raise(py, &fault))
}

fn checked(threads: Option<usize>, asked: impl FnOnce() -> String) -> Result<usize, Fault> {
    let invalid = |asked| Fault::ThreadsInvalid { asked, maximum: THREADS_MAX as u64 };
    threads.filter(|threads| (1..=THREADS_MAX).contains(threads)).ok_or_else(|| invalid(asked()))
}
