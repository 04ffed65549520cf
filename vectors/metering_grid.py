"""Cases of device blocks of version 2, and of series blocks over them (docs/spec/records.md, "registers on a grid")."""

from __future__ import annotations

import struct
from collections.abc import Callable

import crypto_reference as reference
from metering_reference import (
    KEY,
    START,
    Case,
    content,
    device_record,
    entry,
    grid_digest,
    series_root,
    sha256,
    sign,
    signed_digest,
)


def grid_columns(imports: list[int], exports: list[int], qualities: bytes, **changes: int) -> bytes:
    """Columns of version 2: the registers before the first record come first in each list."""
    fields = {"start": START, "duration": 900, "count": len(qualities)} | changes
    head = struct.pack(">QIIQQ", fields["start"], fields["duration"], fields["count"], imports[0], exports[0])
    return head + b"".join(struct.pack(">Q", number) for number in imports[1:] + exports[1:]) + qualities


def grid_block(columns: bytes, key: bytes = KEY) -> bytes:
    """A device block of version 2, signed."""
    return b"\x02" + key + columns + sign(grid_digest(key, columns))


def grid_blocks() -> list[Case]:
    """Blocks of version 2; each refusal beside what is accepted."""
    imports, exports = [5_000_000, 5_001_000, 5_002_000, 5_002_000, 5_004_000], [0, 70, 140, 210, 280]
    good = grid_columns(imports, exports, bytes((0, 1, 0, 2)))
    right = grid_block(good)
    digest, signature = grid_digest(KEY, good), right[-64:]
    high = int.from_bytes(signature[32:], "big")
    most = 2**64 - 1

    def version_1(data: bytes) -> bytes:
        return sign(sha256(b"wattest/device-block/1" + sha256(KEY) + data))

    refused = {
        "another signer": right[:-64] + sign(digest, content("other")),
        "one register bit changed after signing": right[:104] + bytes((right[104] ^ 1,)) + right[105:],
        "one quality bit changed after signing": right[:-65] + bytes((right[-65] ^ 1,)) + right[-64:],
        "high s": right[:-32] + (reference.P256.n - high).to_bytes(32, "big"),
        "signed in the domain of version 1": right[:-64] + version_1(good),
        "start moved after signing": right[:65] + struct.pack(">Q", START + 900) + right[73:],
        "another key": right[:1] + reference.P256.public_key(content("other")) + right[65:],
    }
    malformed = {
        "an import register falls": grid_block(grid_columns([*imports[:4], 5_001_999], exports, bytes(4))),
        "an export register falls": grid_block(grid_columns(imports, [0, 70, 69, 210, 280], bytes(4))),
        "the first register falls": grid_block(grid_columns([5_001_001, *imports[1:]], exports, bytes(4))),
        "no duration": grid_block(grid_columns(imports, exports, bytes(4), duration=0)),
        "ends at 2**48": grid_block(grid_columns(imports, exports, bytes(4), start=2**48 - 3_600)),
        "starts at 2**64 - 1": grid_block(grid_columns(imports, exports, bytes(4), start=most)),
        "no records": grid_block(grid_columns(imports[:1], exports[:1], b"")),
        "count one too large": grid_block(grid_columns(imports, exports, bytes(4), count=5)),
        "count too large": grid_block(grid_columns(imports, exports, bytes(4), count=2**32 - 1)),
        "truncated": right[:-1],
        "a byte follows": right + b"\x00",
        "version 2's bytes as version 1": b"\x01" + right[1:],
        "only its version": b"\x02",
        "no rows at all": right[:97],
    }
    return [
        {"name": "grid, accepted", "bytes": right, "digest": digest, "outcome": "accepted"},
        {"name": "grid, one record", "outcome": "accepted",
         "bytes": grid_block(grid_columns([0, 0], [7, 7], bytes((31,))))},
        {"name": "grid, the widest registers", "outcome": "accepted",
         "bytes": grid_block(grid_columns([0, most, most], [most, most, most], b"\xff\xff"))},
        {"name": "grid, ends just before 2**48", "outcome": "accepted",
         "bytes": grid_block(grid_columns(imports, exports, bytes(4), start=2**48 - 3_601))},
        *({"name": f"grid, {name}", "bytes": data, "outcome": "DeviceSignatureInvalid"}
          for name, data in refused.items()),
        *({"name": f"grid, {name}", "bytes": data, "outcome": "MalformedDeviceBlock"}
          for name, data in malformed.items()),
    ]  # fmt: skip


def grid_series(block: Callable[..., bytes]) -> list[Case]:
    """Series blocks over a device block of version 2; ``block`` lays one out."""
    name, end = sha256(KEY)[:16], START + 3_600
    signed = [device_record(name, index, quality=index % 2) for index in range(4)]
    imports, exports = [5_000_000 + 1_000 * at for at in range(5)], [70 * at for at in range(5)]
    columns = grid_columns(imports, exports, bytes((0, 1, 0, 1)))
    digest = grid_digest(KEY, columns)
    signature = sign(digest)
    tail, evidence = KEY + signature, sha256(digest + signature + KEY)

    def series(
        records: list[bytes], evidence_: bytes = evidence, flags: int = 3, tail_: bytes = tail, **span: int
    ) -> bytes:
        rows = [record + digest if len(record) == 63 else record for record in records]
        return block(rows, entry(1, len(rows), series_root(rows), evidence_, **({"end": end} | span)), tail_, flags)

    def changed(index: int, **changes: int) -> list[bytes]:
        return [*signed[:index], device_record(name, index, **({"quality": index % 2} | changes)), *signed[index + 1 :]]

    flagged = [signed[0][:61] + b"\x04\x00", *signed[1:]]
    old = signed_digest(KEY, START, end, signed)
    of_old = sign(old)
    old_rows = [record + old for record in signed]
    invalid = {
        "a gap": [*signed[:2], signed[3]],
        "an energy that is no difference": changed(2, imported=999),
        "a register that is no sum": changed(1, export_register=141),
        "another duration": changed(3, duration=899),
        "an energy above its register": [device_record(name, 0, exported=71), *signed[1:]],
    }
    return [
        {"name": "grid", "bytes": series(signed), "outcome": "accepted"},
        {"name": "grid, no previous state", "bytes": series(signed, flags=2), "outcome": "accepted"},
        {"name": "grid, flagged by vee", "bytes": series(flagged), "outcome": "accepted"},
        {"name": "grid, said to be of version 1", "bytes": series(signed, flags=1), "outcome": "SeriesMismatch"},
        {"name": "version 1, said to be a grid", "outcome": "SeriesMismatch",
         "bytes": series(old_rows, sha256(old + of_old + KEY), 3, KEY + of_old)},
        {"name": "grid, the period is longer", "bytes": series(signed, end=end + 900), "outcome": "GridInvalid"},
        {"name": "grid, the period begins before", "outcome": "GridInvalid",
         "bytes": series(signed, start=START - 900)},
        *({"name": f"grid, {why}", "bytes": series(rows), "outcome": "GridInvalid"} for why, rows in invalid.items()),
        {"name": "grid, one flag of the meter changed", "outcome": "SeriesMismatch",
         "bytes": series(changed(3, quality=0))},
        {"name": "grid, signature that fails, evidence made again", "outcome": "DeviceSignatureInvalid",
         "bytes": series(signed, sha256(digest + signature[::-1] + KEY), 3, KEY + signature[::-1])},
        {"name": "kind 4 with the grid's flag", "outcome": "MalformedSeriesBlock",
         "bytes": block([], entry(4, 0, bytes(32), bytes(32)), b"", flags=2)},
    ]  # fmt: skip
