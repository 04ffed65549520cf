"""A node's numbers and bytes are ``0x`` and hex digits: nothing that Python's own readers take besides."""

from __future__ import annotations

import pytest

from wattest.chain.rpc import MalformedRpcResponse
from wattest.chain.wire import parse_data, parse_quantity


@pytest.mark.parametrize(
    ("text", "number"), [("0x0", 0), ("0x1f", 31), ("0xFf", 255), ("0x0010", 16), ("0x" + "f" * 64, 2**256 - 1)]
)
def test_a_quantity(text: str, number: int) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize(
    "text",
    ["", "0x", "1f", " 0x1", "0x1 ", "0x1\n", "0x_1", "0x1_0", "+0x1", "-0x1", "0X1", "0x٣", "0x\uff11",
     "0x" + "f" * 65, 10, 1.0, None, True, ["0x1"]],
)  # fmt: skip
def test_what_is_no_quantity(text: object) -> None:
    with pytest.raises(MalformedRpcResponse):
        parse_quantity(text)


@pytest.mark.parametrize(("text", "data"), [("0x", b""), ("0x00fF", b"\x00\xff")])
def test_data(text: str, data: bytes) -> None:
    assert parse_data(text) == data


@pytest.mark.parametrize("text", ["", "00", "0x0", "0x00 ff", " 0x00", "0x00\n", "0x0_0", "0x٣٣", "0xzz", 0, None])
def test_what_is_no_data(text: object) -> None:
    with pytest.raises(MalformedRpcResponse):
        parse_data(text)
