"""Faults in the quote's own structure: kinds, lengths, what follows it, and where it is cut off."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable, Iterator

from evidence_quotes import PLACES, kind_of
from evidence_world import (
    ACCEPTED,
    SGX,
    TDX,
    Fault,
    Parts,
    forged,
    integer,
    refused,
    unreadable,
    with_quote,
    with_quoting,
)


def faults() -> Iterator[Fault]:
    """All of them."""
    yield from _structure()
    yield from _truncated()


def _set(place: int, offset: int, form: str, value: int) -> Callable[[Parts], Parts]:
    return lambda parts: dataclasses.replace(
        parts, edit_quote=integer(PLACES[kind_of(parts)][place] + offset, form, value)
    )


def _structure() -> Iterator[Fault]:
    malformed = unreadable("QuoteMalformed")
    yield Fault("trailing bytes", "64 zero bytes follow the quote", with_quote(lambda data: data + bytes(64)), ACCEPTED)
    yield Fault(
        "slack bytes", "three bytes inside the declared length belong to no field", _slack, refused("slack_bytes")
    )
    for version in (0, 1, 2, 6, 0x0300, 0xFFFF):
        yield Fault(
            f"version {version}", f"the header says version {version}", with_quote(integer(0, "H", version)), malformed
        )
    yield Fault(
        "version 4 for SGX", "the header of an SGX quote says version 4", with_quote(integer(0, "H", 4)), malformed, SGX
    )
    yield Fault(
        "version 3 for TDX", "the header of a TDX quote says version 3", with_quote(integer(0, "H", 3)), malformed, TDX
    )
    for kind in (0, 1, 3, 5):
        yield Fault(
            f"attestation key type {kind}",
            f"the header says attestation key type {kind}",
            with_quote(integer(2, "H", kind)),
            malformed,
        )
    for tee in (1, 0x80, 0x82, 0x8100_0000):
        yield Fault(
            f"TEE type {tee:#x}", f"the header says TEE type {tee:#x}", with_quote(integer(4, "I", tee)), malformed
        )
    yield Fault(
        "TEE type swapped", "the header of an SGX quote says TDX", with_quote(integer(4, "I", 0x81)), malformed, SGX
    )
    yield Fault(
        "TEE type swapped", "the header of a TDX quote says SGX", with_quote(integer(4, "I", 0)), malformed, TDX
    )
    for kind, size in ((1, 384), (2, 584), (4, 885), (3, 647), (9, 648)):
        yield Fault(
            f"body {kind} of {size}",
            f"the body descriptor says type {kind} of {size} bytes, and 648 bytes of type 3 follow",
            with_quote(lambda data, kind=kind, size=size: data[:48] + struct.pack("<HI", kind, size) + data[54:]),  # type: ignore[misc]
            malformed,
            ("tdx-5",),
        )
    yield Fault(
        "length too large", "the signature data's length points past the end", _set(1, 0, "I", 60_000), malformed
    )
    yield Fault(
        "length over the limit", "the signature data's length is 2^32 - 1", _set(1, 0, "I", 2**32 - 1), malformed
    )
    yield Fault(
        "length too small",
        "the signature data's length ends inside the certification data",
        _set(1, 0, "I", 600),
        malformed,
    )
    yield Fault("length zero", "the signature data's length is zero", _set(1, 0, "I", 0), malformed)
    yield Fault(
        "authentication data too long",
        "the QE authentication data's length points past the end",
        _set(2, 448, "H", 0xFFFF),
        malformed,
    )
    yield Fault(
        "certification data too long",
        "the certification data's length points past the end",
        _set(2, 484, "I", 2**31),
        malformed,
    )
    for kind in (0, 1, 2, 3, 4, 6, 7):
        yield Fault(
            f"certification type {kind}",
            f"the certification data says type {kind} instead of 5",
            with_quoting(certification_type=kind),
            forged("no_pck_certificate"),
        )
    for kind in (0, 5, 7):
        yield Fault(
            f"outer certification type {kind}",
            f"the outer certification data says type {kind} instead of 6",
            with_quoting(wrapper_type=kind),
            refused("certification_type"),
            TDX,
        )
    yield Fault("empty", "the file is empty", with_quote(lambda _: b""), malformed)
    yield Fault("text", "the file holds the quote as hex text", with_quote(lambda data: data.hex().encode()), malformed)
    yield Fault(
        "too long",
        "more than a mebibyte follows the quote",
        with_quote(lambda data: data + bytes(1_048_576)),
        malformed,
    )


def _slack(parts: Parts) -> Parts:
    at = PLACES[kind_of(parts)][1]

    def edit(data: bytes) -> bytes:
        return data[:at] + struct.pack("<I", len(data) - at - 4 + 3) + data[at + 4 :] + b"abc"

    return dataclasses.replace(parts, edit_quote=edit)


def _truncated() -> Iterator[Fault]:
    """The quote cut in the middle of each of its fields."""
    places: list[tuple[str, int, int]] = [
        *(("version", 0, 2), ("attestation key type", 2, 2), ("TEE type", 4, 4), ("QE SVN", 8, 2), ("PCE SVN", 10, 2)),
        *(("vendor", 12, 16), ("user data", 28, 20)),
    ]
    for name, offset, size in places:
        yield Fault(
            f"cut in {name}",
            f"the quote ends inside its {name}",
            _cut(None, offset + size // 2),
            unreadable("QuoteMalformed"),
        )
    for kind, fields in _FIELDS.items():
        for name, place, offset, size in fields:
            yield Fault(
                f"cut in {name}",
                f"the quote ends inside its {name}",
                _cut(place, offset + size // 2),
                unreadable("QuoteMalformed"),
                (kind,),
            )


def _cut(place: int | None, offset: int) -> Callable[[Parts], Parts]:
    def change(parts: Parts) -> Parts:
        at = offset if place is None else PLACES[kind_of(parts)][place] + offset
        return dataclasses.replace(parts, edit_quote=lambda data: data[:at])

    return change


_TAIL = [
    *(("signature data length", 1, 0, 4), ("report signature", 1, 4, 64), ("attestation key", 1, 68, 64)),
    *(("QE report", 2, 0, 384), ("QE report signature", 2, 384, 64), ("authentication data length", 2, 448, 2)),
    *(("authentication data", 2, 450, 32), ("certification type", 2, 482, 2), ("certification length", 2, 484, 4)),
    ("certification data", 2, 488, 2_000),
]
_TD_FIELDS = [
    *(("TEE TCB SVN", 0, 0, 16), ("MRSEAM", 0, 16, 48), ("MRSIGNERSEAM", 0, 64, 48), ("SEAM attributes", 0, 112, 8)),
    *(("TD attributes", 0, 120, 8), ("XFAM", 0, 128, 8), ("MRTD", 0, 136, 48), ("MRCONFIGID", 0, 184, 48)),
    *(("MROWNER", 0, 232, 48), ("MROWNERCONFIG", 0, 280, 48), ("RTMR0", 0, 328, 48), ("RTMR1", 0, 376, 48)),
    *(("RTMR2", 0, 424, 48), ("RTMR3", 0, 472, 48), ("report data", 0, 520, 64)),
    *(("outer certification type", 2, -6, 2), ("outer certification length", 2, -4, 4), *_TAIL),
]
_FIELDS: dict[str, list[tuple[str, int, int, int]]] = {
    "sgx-3": [
        *(("CPU SVN", 0, 0, 16), ("MISCSELECT", 0, 16, 4), ("first reserve", 0, 20, 28), ("attributes", 0, 48, 16)),
        *(
            ("MRENCLAVE", 0, 64, 32),
            ("second reserve", 0, 96, 32),
            ("MRSIGNER", 0, 128, 32),
            ("third reserve", 0, 160, 96),
        ),
        *(
            ("product", 0, 256, 2),
            ("SVN", 0, 258, 2),
            ("fourth reserve", 0, 260, 60),
            ("report data", 0, 320, 64),
            *_TAIL,
        ),
    ],
    "tdx-4": _TD_FIELDS,
    "tdx-5": [
        *(("body type", 0, -6, 2), ("body size", 0, -4, 4), *_TD_FIELDS),
        *(("second TEE TCB SVN", 0, 584, 16), ("MRSERVICETD", 0, 600, 48)),
    ],
}
