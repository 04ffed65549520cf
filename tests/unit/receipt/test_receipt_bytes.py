"""Any byte of a receipt changed is refused; parsers are total; the address book has one encoding."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from receipt_world import World

from wattest.crypto.canonical import encode
from wattest.errors import InputError
from wattest.receipt.deployment import Deployment, parse_deployment
from wattest.receipt.json_fields import JsonFieldInvalid
from wattest.receipt.receipt import Receipt, parse_receipt
from wattest.receipt.verify import exit_code, verify_receipt

HEX = b"0123456789abcdef"


def is_refused(data: bytes, deployment: Deployment) -> bool:
    """Also without a chain: what a byte changes must fail by what the receipt itself binds."""
    try:
        receipt = parse_receipt(data)
    except InputError:
        return True
    return exit_code(verify_receipt(receipt, deployment, None)) == 4


def changed(data: bytes, at: int) -> Iterator[bytes]:
    """The byte at ``at`` changed so that as much as possible still parses, and so that it does not."""
    byte = data[at]
    if byte in HEX:
        other = HEX[(HEX.index(byte) + 1) % 10] if chr(byte).isdigit() else HEX[10 + (HEX.index(byte) - 9) % 6]
        yield data[:at] + bytes([other]) + data[at + 1 :]
    yield data[:at] + bytes([byte ^ 0x01]) + data[at + 1 :]


def positions(data: bytes, per_value: int) -> list[int]:
    """Some positions of every value and key, the first and last character of each among them."""
    found: set[int] = set()
    for match in re.finditer(rb'"(?:[^"\\]|\\.)*"|[^"]', data):
        start, end = match.span()
        step = max(1, (end - start) // per_value)
        found |= {start, end - 1, *range(start, end, step)}
    return sorted(found)


def test_any_byte_changed_is_refused(paid: Receipt, deployment: Deployment) -> None:
    data = paid.to_bytes()
    sampled = positions(data, 4)
    assert len(sampled) > 2_000
    for at in sampled[:: max(1, len(sampled) // 700)]:
        for mutated in changed(data, at):
            assert is_refused(mutated, deployment), f"byte {at} can be changed: {mutated[at - 40 : at + 40]!r}"


@pytest.fixture(scope="module")
def shortest(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Deployment]:
    """The receipt of one day, so that every byte of every field can be tried."""
    world = World(tmp_path_factory.mktemp("shortest"), days=1)
    world.seal()
    deployment = world.deployment()
    return world.receipt(1, world.registrations(deployment.registry_domain)).to_bytes(), deployment


@pytest.mark.deep
@pytest.mark.parametrize("part", range(20))
def test_every_byte_changed_is_refused(part: int, shortest: tuple[bytes, Deployment]) -> None:
    data, deployment = shortest
    for at in range(part, len(data), 20):
        for mutated in changed(data, at):
            assert is_refused(mutated, deployment), f"byte {at} can be changed: {mutated[at - 40 : at + 40]!r}"


@given(st.binary(max_size=300))
def test_parsers_are_total(data: bytes) -> None:
    for parse in (parse_receipt, parse_deployment):
        with pytest.raises(InputError):
            parse(data)


@settings(max_examples=100)
@given(data=st.data())
def test_mutated_receipts_parse_or_are_refused(paid: Receipt, data: st.DataObject) -> None:
    text = bytearray(paid.to_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        piece = data.draw(st.binary(max_size=3))
        text[at : at + data.draw(st.integers(0, 3))] = piece
    with contextlib.suppress(InputError):
        assert parse_receipt(bytes(text)).to_bytes() == bytes(text)


def paths(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*at, name)
            yield from paths(inner, (*at, name))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from paths(inner, (*at, position))


def test_missing_unknown_and_wrong_fields_are_refused(paid: Receipt) -> None:
    data = paid.to_bytes()
    where = [path for path in paths(json.loads(data)) if not any(part in ("path", 1, 2) for part in path[:-1])]
    assert len(where) > 80
    for path in where:
        for kind in ("missing", "renamed", "number", "null", "list"):
            value = json.loads(data)
            holder = value
            for part in path[:-1]:
                holder = holder[part]
            name = path[-1]
            old = holder[name]
            if kind == "missing":
                del holder[name]
            elif kind == "renamed":
                holder[f"{name}_"] = holder.pop(name)
            elif kind == "number":
                holder[name] = 7
            elif kind == "null":
                holder[name] = None
            elif isinstance(old, str):
                holder[name] = [old]
            else:
                holder[name] = "00"
            if kind == "null" and path == ("payout",):
                continue
            with pytest.raises(InputError):
                parse_receipt(encode(value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chain_id", "031337"), ("chain_id", "-1"), ("chain_id", "+1"), ("chain_id", ""), ("chain_id", "1" * 79),
        ("chain_id", "٣"), ("referee", "0x" + "03" * 20), ("referee", "AB" * 20), ("referee", "03" * 21),
        ("referee", "03" * 19), ("referee", "3" * 39), ("version", "2"), ("version", "01"), ("days", []),
    ],
)  # fmt: skip
def test_other_spellings_are_refused(name: str, value: object, paid: Receipt) -> None:
    changed_value = json.loads(paid.to_bytes())
    changed_value[name] = value
    with pytest.raises(InputError):
        parse_receipt(encode(changed_value))


def test_an_error_does_not_repeat_a_key(paid: Receipt) -> None:
    value = json.loads(paid.to_bytes())
    for holder, name in ((value, "meter_key"), (value["days"][0], "series_key")):
        kept = holder[name]
        for spoiled in (kept[:-1] + "z", kept.upper(), kept + "00", kept[:-2]):
            holder[name] = spoiled
            with pytest.raises(JsonFieldInvalid) as refused:
                parse_receipt(encode(value))
            assert kept[:16] not in json.dumps(refused.value.as_dict()).lower()
        holder[name] = kept


def test_respelt_json_is_refused(paid: Receipt) -> None:
    data = paid.to_bytes()
    for respelt in (
        data + b"\n",
        b" " + data,
        json.dumps(json.loads(data)).encode(),
        data.replace(b'"days"', b'"d\\u0061ys"'),
    ):
        with pytest.raises(InputError):
            parse_receipt(respelt)


def test_deployment_has_one_encoding(deployment: Deployment) -> None:
    data = deployment.to_bytes()
    assert parse_deployment(data) == deployment
    assert parse_deployment(data + b"\n") == deployment
    for respelt in (data + b"\n\n", data + b" ", b"\n" + data):
        with pytest.raises(InputError):
            parse_deployment(respelt)


def test_deployment_fields_are_checked(deployment: Deployment) -> None:
    data = deployment.to_bytes()
    for path in paths(json.loads(data)):
        value = json.loads(data)
        holder = value
        for part in path[:-1]:
            holder = holder[part]
        holder[path[-1]] = 7
        with pytest.raises(JsonFieldInvalid):
            parse_deployment(encode(value))
        del holder[path[-1]]
        with pytest.raises(JsonFieldInvalid):
            parse_deployment(encode(value))


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": "0"},
        {"threshold": "4"},
        {"appraisers": []},
        {"trust_roots": []},
        {"version": "2"},
    ],
)
def test_deployments_that_do_not_fit_together(change: dict[str, object], deployment: Deployment) -> None:
    value = {**json.loads(deployment.to_bytes()), **change}
    with pytest.raises(InputError):
        parse_deployment(encode(value))


def test_deployment_lists_nothing_twice(deployment: Deployment) -> None:
    value = json.loads(deployment.to_bytes())
    for name in ("appraisers", "channels", "distributions"):
        with pytest.raises(InputError):
            parse_deployment(encode({**value, name: [*value[name], value[name][0]]}))
