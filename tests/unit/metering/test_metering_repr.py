"""What a log or a traceback shows of values: no reading, no register, no bill."""

from __future__ import annotations

import numpy as np

from wattest.crypto.p256 import P256PrivateKey
from wattest.metering.device_block import sign_device_block
from wattest.metering.entry import ZERO_DIGEST, EntryKind, SeriesEntry
from wattest.metering.meter import pseudonym
from wattest.metering.records import INTERVAL_RECORD, make_device_records
from wattest.metering.series_block import PreviousState, SeriesBlock

READING, REGISTER = 123_456_789, 987_654_321


def test_no_reading_is_shown() -> None:
    meter = P256PrivateKey.from_seed(b"\x07" * 32)
    records = make_device_records(
        pseudonym(meter.public_key),
        start=np.array([0]),
        duration_s=900,
        import_register=np.array([REGISTER]),
        export_register=np.array([REGISTER]),
        import_milliwatt_hours=np.array([READING]),
        export_milliwatt_hours=np.array([READING]),
    )
    entry = SeriesEntry(EntryKind.ABSENT, b"\x01" * 32, 0, 900, 0, ZERO_DIGEST, ZERO_DIGEST)
    secrets = b"a telegram that names what was used"
    values = (
        sign_device_block(meter, 0, 900, records),
        PreviousState(900, REGISTER, REGISTER),
        SeriesBlock(
            entry,
            np.zeros(3, dtype=INTERVAL_RECORD),
            PreviousState(900, REGISTER, REGISTER),
            telegrams=(secrets,),
            source=secrets,
            result=secrets,
        ),
    )
    for value in values:
        shown = repr(value)
        for hidden in (str(READING), str(REGISTER), "telegram that names", "array("):
            assert hidden not in shown
        assert type(value).__name__ in shown
