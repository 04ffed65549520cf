"""The strict reader of maps and lists: what each asks for, and how everything else is refused, with its place."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from enum import StrEnum

import pytest

from wattest.crypto.strict_fields import Field, Fields, Reader, Refusal, nearest
from wattest.errors import ConfigError, InputError, WattestError


class Refused(InputError):
    """The error of this file's formats."""


def refuse(refusal: Refusal) -> WattestError:
    return Refused(refusal.message, where=refusal.where, **refusal.details)


READER = Reader(refuse, "a table")
OPEN = Reader(refuse, shows_text=True)


class Colour(StrEnum):
    """An enumeration."""

    GREEN = "green"
    YELLOW = "yellow"


def caught(read: Callable[[], object]) -> Refused:
    with pytest.raises(Refused) as found:
        read()
    return found.value


def test_each_kind_is_read() -> None:
    fields = READER.fields(
        {
            "text": "abc", "n": 7, "x": 1.5, "whole": 2, "yes": True, "wide": "18446744073709551615", "hex": "00ff",
            "any": "0x00FF", "blob": b"ab", "rows": b"abcd", "kind": "green", "list": [1, 2], "inner": {"a": 1},
            "null": None,
        }
    )  # fmt: skip
    assert fields["text"].text(3) == "abc"
    assert fields["text"].matching(re.compile("[a-c]+"), "letters") == "abc"
    assert (fields["n"].integer(7, 7), fields["x"].number(1, 2), fields["whole"].number(1, 2)) == (7, 1.5, 2.0)
    assert type(fields["whole"].number(1, 2)) is float
    assert fields["yes"].boolean()
    assert fields["wide"].decimal(64) == 2**64 - 1
    assert (fields["hex"].hex(2), fields["hex"].hex_up_to(9)) == (b"\x00\xff", b"\x00\xff")
    assert fields["any"].hex(2, any_case=True, prefixed=True) == b"\x00\xff"
    assert (fields["blob"].octets(2), fields["blob"].blob(9), fields["rows"].rows(2, 2)) == (
        b"ab",
        b"ab",
        [b"ab", b"cd"],
    )
    assert fields["kind"].member_of(Colour) is Colour.GREEN
    assert fields["list"].each(lambda entry: entry.integer(0, 9), 2) == (1, 2)
    assert fields["inner"].fields("a")["a"].integer(0, 9) == 1
    assert fields["null"].is_null
    fields.close()


def test_what_is_optional() -> None:
    fields = READER.fields({"a": 1, "null": None})
    assert fields.get("b", 5).integer(0, 9) == 5
    assert fields.optional("b") is None
    given = fields.optional("a")
    assert given is not None
    assert given.integer(0, 9) == 1
    assert "b" not in fields
    assert fields["b"].is_absent
    null = fields.optional("null")  # null is there: of a wrong kind, not absent
    assert null is not None
    assert caught(lambda: null.integer(0, 9)).fields["where"] == "null"
    assert caught(lambda: fields.get("null", 5).integer(0, 9)).fields["actual"] == "null"
    assert not READER.fields({})
    fields.close()


WRONG: list[tuple[object, Callable[[Field], object], str, str | None]] = [
    (True, lambda field: field.integer(0, 9), "an integer from 0 to 9", "true"),
    (1.0, lambda field: field.integer(0, 9), "an integer from 0 to 9", "1.0"),
    (10, lambda field: field.integer(0, 9), "an integer from 0 to 9", "10"),
    (-1, lambda field: field.integer(0, 9), "an integer from 0 to 9", "-1"),
    ("1", lambda field: field.integer(3, 3), "3", "text of 1 characters"),
    (1 << 20_000, lambda field: field.integer(0, 9), "an integer from 0 to 9", "an integer of 20001 bits"),
    (float("nan"), lambda field: field.number(0, 9), "a number from 0 to 9", "nan"),
    (True, lambda field: field.number(0, 9), "a number from 0 to 9", "true"),
    (1, lambda field: field.boolean(), "true or false", "1"),
    (b"a", lambda field: field.text(9), "text", "1 bytes"),
    ("abcd", lambda field: field.text(3), "text of at most 3 characters", "4 of them"),
    ("", lambda field: field.text(3, at_least=1, what="a name"), "a name of 1 to 3 characters", "0 of them"),
    ("ab\n", lambda field: field.matching(re.compile("[a-c]+"), "letters"), "letters", "text of 3 characters"),
    ("01", lambda field: field.decimal(8), "a decimal number below 2**8 as text", None),
    ("-1", lambda field: field.decimal(8), "a decimal number below 2**8 as text", None),
    ("٣", lambda field: field.decimal(8), "a decimal number below 2**8 as text", None),
    ("256", lambda field: field.decimal(8), "a decimal number below 2**8 as text", "a larger one"),
    ("9" * 9_999, lambda field: field.decimal(64), "a decimal number below 2**64 as text", None),
    (5, lambda field: field.decimal(8), "a decimal number below 2**8 as text", "5"),
    ("AB", lambda field: field.hex(1), "1 bytes as 2 hex digits", "2 digits, some in upper case"),
    ("abc", lambda field: field.hex(1), "1 bytes as 2 hex digits", "3 digits"),
    ("0xab", lambda field: field.hex(1), "1 bytes as 2 hex digits", "text of 4 characters"),
    ("0x0xab", lambda field: field.hex(1, prefixed=True), "1 bytes as 2 hex digits", "text of 6 characters"),
    ("a\n", lambda field: field.hex(1, any_case=True), "1 bytes as 2 hex digits", "text of 2 characters"),
    ("abcdef", lambda field: field.hex_up_to(2), "at most 2 bytes as hex", "6 digits"),
    ("abc", lambda field: field.hex_up_to(2), "hex of two digits a byte", "3 of them"),
    (b"abc", lambda field: field.octets(2), "2 bytes", "3 bytes"),
    ("ab", lambda field: field.octets(2), "2 bytes", "text of 2 characters"),
    (b"abc", lambda field: field.blob(2), "at most 2 bytes", "3 bytes"),
    (b"abc", lambda field: field.rows(2, 9), "rows of 2 bytes, at most 9", "3 bytes"),
    (b"abcd", lambda field: field.rows(2, 1), "rows of 2 bytes, at most 1", "4 bytes"),
    ("gren", lambda field: field.member_of(Colour), "one of green, yellow",
     "text of 4 characters (did you mean 'green'?)"),
    ("blue", lambda field: field.member_of(Colour), "one of green, yellow", "text of 4 characters"),
    ([], lambda field: field.one_of(("a",)), "one of a", "a list of 0"),
    ({}, lambda field: field.items(2), "a list of at most 2", "a table"),
    ([1, 2, 3], lambda field: field.items(2), "a list of at most 2", "a list of 3"),
    ([], lambda field: field.items(2, 1), "a list of 1 to 2", "a list of 0"),
    ([1], lambda field: field.items(2, 2), "a list of 2", "a list of 1"),
    ([], lambda field: field.fields(), "a table", "a list of 0"),
    ({1: 2}, lambda field: field.fields(), "a table", "a table"),
    (None, lambda field: field.boolean(), "true or false", "null"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "read", "expected", "actual"), WRONG, ids=range(len(WRONG)))
def test_anything_else_is_refused(
    value: object, read: Callable[[Field], object], expected: str, actual: str | None
) -> None:
    error = caught(lambda: read(READER.fields({"a": value})["a"]))
    assert (error.fields["where"], error.fields["expected"]) == ("a", expected)
    assert actual is None or error.fields["actual"] == actual
    missing = caught(lambda: read(READER.fields({})["a"]))
    assert missing.message.startswith("missing: ")
    assert (missing.fields["where"], missing.fields["actual"]) == ("a", "nothing: it is missing")


def test_the_place_is_the_path() -> None:
    document = tomllib.loads(
        '[[channel]]\n[[channel]]\nname = "n"\n[channel.terms]\nperiods = [1, "2"]\n"a\\u001b" = 1\n'
    )
    channel = READER.fields(document)["channel"].items(9)[1].fields()
    assert caught(lambda: channel["epoch_s"].integer(0, 9)).fields["where"] == "channel[1].epoch_s"
    terms = channel["terms"].fields()
    periods = caught(lambda: terms["periods"].each(lambda field: field.integer(0, 9), 9))
    assert periods.fields["where"] == "channel[1].terms.periods[1]"
    odd = caught(terms.close)
    assert (odd.fields["where"], terms.where) == ("channel[1].terms.'a\\x1b'", "channel[1].terms")
    assert odd.message == "unknown key"
    long = READER.fields({"k" * 1_000: 1})
    assert caught(long.close).fields["where"] == "k" * 64
    assert READER.fields({"a": 1}, where="request")["a"].where == "request.a"
    assert caught(lambda: READER.fields([])).fields["where"] == ""


def test_keys_that_nobody_asked_for() -> None:
    fields = READER.fields({"epoch_s": 1, "intervall_s": 2, "other": 3})
    assert fields["epoch_s"].integer(0, 9) == 1
    assert fields.get("interval_s", 5).integer(0, 9) == 5
    error = caught(fields.close)
    assert error.message == "unknown key: did you mean 'interval_s'?"
    assert (error.fields["where"], error.fields["unknown"]) == ("intervall_s", ["intervall_s", "other"])
    free = READER.fields({"a": 1, "b": 2})
    assert caught(lambda: free.names(1)).fields["actual"] == "one of 2"
    assert list(free.names(2)) == ["a", "b"]
    assert free.values == {"a": 1, "b": 2}
    free.close()


def test_a_missing_key_that_is_there_misspelt() -> None:
    fields = READER.fields({"epochs": 1})
    error = caught(lambda: fields["epoch_s"].integer(0, 9))
    assert error.message == "missing: an integer from 0 to 9 belongs here (is 'epochs' meant?)"


def test_exactly_these_keys() -> None:
    assert READER.fields({"a": 1, "b": 2}, "a", "b")["b"].integer(0, 9) == 2
    lacking = caught(lambda: READER.fields({"a": 1}, "a", "b", "c"))
    assert (lacking.fields["where"], lacking.message, lacking.fields["missing"]) == ("b", "missing", ["b", "c"])
    renamed = caught(lambda: READER.fields({"a": 1, "meterkey": 2}, "a", "meter_key"))
    assert renamed.message == "unknown key: did you mean 'meter_key'?"
    assert (renamed.fields["unknown"], renamed.fields["missing"]) == (["meterkey"], ["meter_key"])


def test_no_text_is_repeated_unless_it_is_public() -> None:
    secret = "5ecret" + "0" * 58
    for read in (lambda f: f.hex(32), lambda f: f.integer(0, 9), lambda f: f.decimal(8), lambda f: f.one_of(("b",))):
        assert "5ecret" not in json.dumps(caught(lambda read=read: read(READER.fields({"a": secret})["a"])).as_dict())
    shown = caught(lambda: OPEN.fields({"a": "x\x1b" + "y" * 99})["a"].integer(0, 9))
    assert shown.fields["actual"] == '"x\\u001b' + "y" * 32 + "..."


def test_json_is_read_once_and_strictly() -> None:
    assert READER.json(b'{"a": 1}', 8).fields("a")["a"].integer(0, 9) == 1
    for text, word in (
        (b'{"a": 1 }', "9 bytes"),
        (b'{"a":1', "not JSON"),
        (b"\xff", "not JSON"),
        (b"NaN", "NaN"),
    ):
        assert word in caught(lambda text=text: READER.json(text, 8)).message
    assert 'the key "a" appears twice' in caught(lambda: READER.json(b'[{"a":1,"a":2}]', 99)).message
    assert "nested deeper" in caught(lambda: READER.json(b"[" * 99, 99)).message


def test_the_error_is_the_room_s() -> None:
    class Elsewhere(ConfigError):
        """Another room's error."""

    reader = Reader(lambda refusal: Elsewhere(refusal.message, place=refusal.where))
    with pytest.raises(Elsewhere):
        reader.fields({"a": 1})["a"].text(5)
    error = reader.fields({"a": 1})["a"].faulted("the sum is wrong")
    assert (error.message, error.fields["place"]) == ("the sum is wrong", "a")


def test_the_nearest_name() -> None:
    assert nearest("epoch", ["channel", "epoch_s"]) == "epoch_s"
    assert nearest("zzz", ["channel", "epoch_s"]) is None
    assert nearest("k" * 10_000, ["k" * 64]) == "k" * 64
    assert nearest("a", []) is None


def test_a_map_says_whether_it_has_any() -> None:
    assert isinstance(READER.fields({"a": 1}), Fields)
    assert READER.fields({"a": 1})
