"""Every kind of job that an enclave takes: one line each.

Decided here: which kinds there are; the list is measured with the program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wattest.enclave.measured import seal_import, seal_series, seal_statement
from wattest.enclave.measured.job_kind import JobKind

JOB_KINDS: Sequence[JobKind[Any]] = (
    seal_series.KIND,
    seal_import.KIND,
    seal_statement.KIND,
)
