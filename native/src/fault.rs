//! Faults as one Python exception, `Fault(name, message, fields)`; the rooms above turn it into their own classes.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use wattest_core::Fault as Core;

pyo3::create_exception!(wattest.crypto._native, Fault, pyo3::exceptions::PyValueError);

/// The exception for a refusal of the core.
pub fn raise(py: Python<'_>, fault: &Core) -> PyErr {
    match fields(py, fault) {
        Ok(fields) => Fault::new_err((fault.name(), fault.to_string(), fields.unbind())),
        Err(error) => error,
    }
}

/// The exception for an object that is not a plain run of bytes.
pub fn refuse_buffer(py: Python<'_>, reason: &str) -> PyErr {
    Fault::new_err(("BufferRefused", format!("not a plain run of bytes: {reason}"), PyDict::new(py).unbind()))
}

fn fields<'py>(py: Python<'py>, fault: &Core) -> PyResult<Bound<'py, PyDict>> {
    let named = PyDict::new(py);
    let pair = |first: (&str, u64), second: (&str, u64)| -> PyResult<()> {
        named.set_item(first.0, first.1)?;
        named.set_item(second.0, second.1)
    };
    match *fault {
        Core::EmptyTree | Core::NoIndices => {}
        Core::IndexOutOfRange { index, size } => pair(("index", index), ("size", size))?,
        Core::TreeTooLarge { maximum, actual } | Core::PayloadTooLong { maximum, actual } => {
            pair(("maximum", maximum), ("actual", actual))?;
        }
        Core::PathLengthWrong { expected, actual }
        | Core::LeavesMismatch { expected, actual }
        | Core::NodeCountWrong { expected, actual }
        | Core::LengthWrong { expected, actual, .. } => pair(("expected", expected), ("actual", actual))?,
        Core::IndicesNotAscending { position } => named.set_item("position", position)?,
        Core::RootMismatch { expected, actual } => {
            named.set_item("expected", PyBytes::new(py, &expected))?;
            named.set_item("actual", PyBytes::new(py, &actual))?;
        }
    }
    if let Core::LengthWrong { what, .. } = *fault {
        named.set_item("what", what)?;
    }
    Ok(named)
}
