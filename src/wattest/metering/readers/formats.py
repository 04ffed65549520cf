"""The meter formats that are known, one line each.

A format joins by its file and its line here: docs/howto/add-a-meter-format.md. The order of the lines decides nothing:
which claim on a file counts is decided in ``recognise``.
"""

from __future__ import annotations

from wattest.metering.readers.dsmr import DSMR
from wattest.metering.readers.interval_csv import INTERVAL_CSV
from wattest.metering.readers.meter_format import MeterFormat
from wattest.metering.readers.ocmf_format import OCMF
from wattest.metering.readers.signed_values import ALFEN, EDL40, PCDF

FORMATS: tuple[MeterFormat, ...] = (
    OCMF,
    EDL40,
    ALFEN,
    PCDF,
    DSMR,
    INTERVAL_CSV,
)
