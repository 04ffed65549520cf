//! Faults as one Python exception, `Fault(name, message, fields)`; the rooms above turn it into their own classes.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use wattest_core::{Fault as Core, Value};

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
    for (name, value) in fault.fields() {
        match value {
            Value::Number(number) => named.set_item(name, number)?,
            Value::Hash(hash) => named.set_item(name, PyBytes::new(py, &hash))?,
            Value::Text(text) => named.set_item(name, text)?,
        }
    }
    Ok(named)
}
