"""How an address is shown: without user, password, key in its path or in its query.

Decided here: which parts of an address may be read by whoever reads an error, a log or an event: scheme, host, port,
and the words of the protocols that this project speaks. Everything else may be a secret: services put keys into paths
and queries. ``wattest.errors`` passes every message and field through ``hide_url_secrets``, so that no caller can
forget it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

HIDDEN = "…"
LEAST_SECRET = 6
"""Characters of a part that is looked for in what a peer says; shorter ones would hide words."""

_PLAIN_SEGMENTS = frozenset(
    (
        *("v1", "v2", "v3", "v4", "v5", "status", "channels", "batches", "verdict"),
        *("sgx", "tdx", "certification", "tcb", "qe", "tdqe", "identity", "pckcrl", "rootcacrl", "crl"),
        *("IntelSGXRootCA.der", "IntelSGXRootCA.crl"),
    )
)
_PLAIN_NAMES = frozenset({"fmspc", "ca", "encoding", "update", "pceid", "tcbEvaluationDataNumber"})
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]*[^\s\"'<>:,.;)!]")
_PARTS = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)?(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<rest>#.*)?\Z",
    re.DOTALL,
)


def show_url(url: str) -> str:
    """One address, also a malformed one, with everything that may be secret replaced by an ellipsis."""
    found = _PARTS.match(url)
    assert found is not None  # every part may be empty
    _, at, host = found["authority"].rpartition("@")
    shown = (found["scheme"] or "") + (f"{HIDDEN}@" if at else "") + host
    return shown + show_target(found["path"] + (found["query"] or "")) + (f"#{HIDDEN}" if found["rest"] else "")


def show_target(target: str) -> str:
    """A path and query, as on a request line, without what may be a key."""
    path, mark, query = target.partition("?")
    segments = [one if not one or one in _PLAIN_SEGMENTS else HIDDEN for one in path.split("/")]
    return "/".join(segments) + mark + "&".join(_show_pair(pair) for pair in query.split("&") if mark)


def hide_url_secrets(text: str) -> str:
    """A text in which each address is shown as ``show_url`` does."""
    return _URL.sub(lambda found: show_url(found.group()), text) if "://" in text else text


def hider(url: str) -> Callable[[str], str]:
    """What takes the secrets of ``url`` out of any text, such as the words of the node that was asked with them."""
    found = _PARTS.match(url)
    assert found is not None
    parts = re.split(r"[:/?#&=@]", found["authority"].rpartition("@")[0])
    for segment in found["path"].split("/"):
        if segment not in _PLAIN_SEGMENTS:
            parts.append(segment)
    for pair in (found["query"] or "?")[1:].split("&"):
        name, mark, value = pair.partition("=")
        if name not in _PLAIN_NAMES:
            parts.append(value if mark else name)
    secrets = sorted({one for one in parts if len(one) >= LEAST_SECRET}, key=len, reverse=True)

    def hide(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        return hide_url_secrets(text)

    return hide


def _show_pair(pair: str) -> str:
    name, mark, _ = pair.partition("=")
    if name in _PLAIN_NAMES:
        return pair
    return f"{name}={HIDDEN}" if mark else HIDDEN
