"""Blocks of a batch that was given up: each waits for its own period, or stays with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wattest.crypto.p256 import P256PrivateKey
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.metering.device_block import sign_device_block
from wattest.metering.meter import pseudonym
from wattest.metering.records import make_device_records
from wattest.store.block_filing import LATE, NO_PERIOD, OTHER_BLOCK, UNREADABLE, file_anew
from wattest.store.duty import Duty
from wattest.store.operator_store import SqliteOperatorStore

HOUR = 3_600
CHANNEL = ChannelIdentity(b"\x01" * 20, ChannelKind.SCHEDULED, bytes(32))
DUTY = Duty(CHANNEL, HOUR, 0, ())
WRONG = (0, 10 * HOUR)


def block(start: int, hours: int = 1) -> bytes:
    meter = P256PrivateKey.from_seed(b"\x02" * 32)
    records = make_device_records(
        pseudonym(meter.public_key), start=start + HOUR * np.arange(hours, dtype=np.uint64), duration_s=HOUR,
        import_register=1 + np.arange(hours, dtype=np.uint64), export_register=0, import_milliwatt_hours=1,
        export_milliwatt_hours=0,
    )  # fmt: skip
    return sign_device_block(meter, start, start + hours * HOUR, records).to_bytes()


def test_every_block_has_one_end(tmp_path: Path) -> None:
    store = SqliteOperatorStore(tmp_path / "operator.sqlite")
    bodies = {b"a": block(2 * HOUR), b"b": block(3 * HOUR), b"c": block(HOUR, hours=2), b"d": block(0), b"e": b""}
    for name, body in bodies.items():
        store.add_block(CHANNEL.id, name * 32, WRONG, name * 32, body)
    store.add_block(CHANNEL.id, b"b" * 32, (3 * HOUR, 4 * HOUR), b"x" * 32, block(3 * HOUR))
    store.collect(CHANNEL.id, 1, WRONG)
    store.add_block(CHANNEL.id, b"f" * 32, WRONG, b"f" * 32, block(4 * HOUR))  # too late for the batch
    store.add_block(CHANNEL.id, b"g" * 32, (5 * HOUR, 6 * HOUR), b"g" * 32, block(5 * HOUR))  # of no batch, and right
    for _ in range(2):  # again after a crash: nothing more is to be done
        filed = file_anew(store.database, DUTY, 1, due_from=HOUR)
        if filed.waiting:
            assert filed.waiting == {2 * HOUR: 1, 4 * HOUR: 1}
            assert filed.kept_back == {OTHER_BLOCK: 1, NO_PERIOD: 1, LATE: 1, UNREADABLE: 1}
    rows = store.database.rows(
        "SELECT meter, period_start, period_end, sequence, refused IS NULL FROM device_block ORDER BY 1, 2"
    )
    waiting = {(row[0][:1], *row[1:4]) for row in rows if row[4]}  # type: ignore[index]
    assert waiting == {
        (name, hour * HOUR, (hour + 1) * HOUR, None) for name, hour in ((b"a", 2), (b"b", 3), (b"f", 4), (b"g", 5))
    }
    assert len(rows) == 8
    store.close()
