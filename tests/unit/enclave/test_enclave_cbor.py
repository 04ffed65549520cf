"""The socket's CBOR: agrees with an independent library on what it writes, and refuses every other spelling."""

from __future__ import annotations

import cbor2
import pytest

from wattest.enclave.measured import cbor
from wattest.enclave.measured.errors import FrameMalformed

VALUES: list[object] = [
    None,
    True,
    False,
    0,
    23,
    24,
    255,
    256,
    65_535,
    65_536,
    2**32 - 1,
    2**32,
    2**64 - 1,
    -1,
    -24,
    -25,
    -(2**64),
    b"",
    b"x" * 300,
    "",
    "straße",
    [],
    [1, [2, [3]]],
    {},
    {"b": 1, "a": 2, "aa": 3, "": None},
    {"v": 1, "id": 7, "method": "describe", "params": {}},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_values_round_trip_and_an_independent_library_agrees(value: object) -> None:
    data = cbor.encode(value)
    assert cbor.parse(data) == value
    assert cbor2.loads(data) == value
    assert cbor2.dumps(value, canonical=True) == data


REFUSED = {
    "nothing": "",
    "two values": "0000",
    "one byte spelled in two": "1817",
    "two bytes spelled in three": "1900ff",
    "four bytes spelled in five": "1a0000ffff",
    "eight bytes spelled in nine": "1b00000000ffffffff",
    "long length for short bytes": "580161",
    "indefinite bytes": "5f4161ff",
    "indefinite array": "9fff",
    "indefinite map": "bfff",
    "reserved length": "1c",
    "half float": "f90000",
    "double": "fb0000000000000000",
    "undefined": "f7",
    "simple in two bytes": "f820",
    "tag": "c000",
    "bignum": "c2410100",
    "text not UTF-8": "61ff",
    "bytes past the end": "42ff",
    "text past the end": "7bffffffffffffffff",
    "bytes of 2**64 - 1": "5bffffffffffffffff",
    "array of 2**64 - 1": "9bffffffffffffffff",
    "map of 2**64 - 1": "bbffffffffffffffff",
    "keys out of order": "a2616201616100",
    "key twice": "a2616101616102",
    "key longer before shorter": "a262616101616200",
    "key no text": "a10000",
    "nested too deep": "81" * 10 + "00",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_every_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(FrameMalformed):
        cbor.parse(bytes.fromhex(text))


def test_nesting_up_to_the_limit_passes() -> None:
    data = b"\x81" * cbor.MAX_DEPTH + b"\x00"
    assert cbor.encode(cbor.parse(data)) == data


def test_too_many_items_are_refused() -> None:
    count = cbor.MAX_ITEMS
    with pytest.raises(FrameMalformed) as caught:
        cbor.parse(b"\x9a" + count.to_bytes(4, "big") + b"\x00" * count)
    assert caught.value.fields["limit"] == cbor.MAX_ITEMS


@pytest.mark.parametrize("value", [1.5, object(), {1, 2}])
def test_other_types_are_a_bug_of_the_caller(value: object) -> None:
    with pytest.raises(TypeError):
        cbor.encode(value)


def test_integers_beyond_64_bits_are_a_bug_of_the_caller() -> None:
    with pytest.raises(OverflowError):
        cbor.encode(2**64)
