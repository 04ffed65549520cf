"""JSON from strangers: nesting is bounded on the bytes, whatever the interpreter's recursion limit is."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.crypto.json_text import DEPTH_MAX, JsonTooDeep, is_nested_deeper, load_json


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def test_the_limit_is_exact() -> None:
    assert load_json(nested(DEPTH_MAX)) is not None
    with pytest.raises(JsonTooDeep):
        load_json(nested(DEPTH_MAX + 1))


def test_objects_count_and_strings_do_not() -> None:
    assert is_nested_deeper(b'{"a":' * 65 + b"1" + b"}" * 65)
    assert not is_nested_deeper(b'"' + b"[" * 1000 + b'\\"[[["')
    assert not is_nested_deeper(b"[]" * 1000)


def test_brackets_behind_an_open_quote_still_count() -> None:
    assert is_nested_deeper(b'"' + b"[" * 1000)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_what_json_writes_is_read_back(value: object) -> None:
    assert load_json(json.dumps(value, ensure_ascii=False).encode()) == value


def test_a_raised_recursion_limit_does_not_let_a_text_end_the_process() -> None:
    program = (
        "import sys; sys.setrecursionlimit(1_000_000)\n"
        "from wattest.crypto.json_text import load_json, JsonTooDeep\n"
        "try:\n    load_json(b'[' * 5_000_000)\nexcept JsonTooDeep:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr
