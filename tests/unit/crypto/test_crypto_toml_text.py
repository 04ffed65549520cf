"""TOML from strangers: a long dotted key is refused before it costs memory."""

from __future__ import annotations

import pytest

from wattest.attestation.policy import parse_policy
from wattest.attestation.policy_table import PolicyMalformed
from wattest.crypto.toml_text import MAX_DOTS_IN_A_LINE, load_toml


def dotted(parts: int) -> bytes:
    return b".".join([b"a"] * parts) + b" = 1\n"


def test_the_limit_is_exact() -> None:
    assert load_toml(dotted(MAX_DOTS_IN_A_LINE + 1))
    with pytest.raises(ValueError, match="dots"):
        load_toml(dotted(MAX_DOTS_IN_A_LINE + 2))


def test_dots_count_by_line() -> None:
    assert load_toml(b'a = "1.2.3"\n' * 1 + b"".join(b"b%d = 1.5\n" % number for number in range(100)))


@pytest.mark.parametrize("text", [b"a = [" + b"[" * 200_000, b"\xff", b"= ="])
def test_what_is_no_toml_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        load_toml(text)


def test_a_policy_s_long_key_is_refused_at_once() -> None:
    with pytest.raises(PolicyMalformed):
        parse_policy(dotted(120_000))
