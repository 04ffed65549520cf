//! The Python face of `wattest-core` and `wattest-series`: buffers in, trees and bytes out, the GIL released while hashing.
//!
//! Decided here: which Python objects count as bytes, and how a `Fault` travels. Not decided here: any rule.

mod buffer;
mod fault;
mod hashing;
mod proofs;
mod series;
mod settings;
mod trees;
mod wrapping;

use pyo3::prelude::*;

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("Fault", module.py().get_type::<fault::Fault>())?;
    hashing::register(module)?;
    proofs::register(module)?;
    series::register(module)?;
    trees::register(module)?;
    wrapping::register(module)
}
