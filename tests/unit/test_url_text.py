"""Addresses are shown without what may be secret, by every transport, in text and as JSON, nested causes included."""

from __future__ import annotations

import json
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.appraiser.appraiser_service import RemoteAppraiser
from wattest.apps.cli import run
from wattest.attestation.platform_model import PckAuthority, PlatformModel, Tee
from wattest.attestation.roots import development_root
from wattest.chain.client import ChainClient
from wattest.chain.rpc import JsonRpc
from wattest.collateral.pccs import CollateralService, ServiceSettings
from wattest.config import ChainConfig
from wattest.errors import ConfigError, InputError, TransportError, WattestError
from wattest.store.remote_operator import OperatorRemote, RemoteSettings
from wattest.url_text import HIDDEN, hide_url_secrets, hider, show_target, show_url

SECRETS = ("alice-user", "pa55word", "pathkey123", "querykey456", "PLAINKEY")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://127.0.0.1:8545/", "http://127.0.0.1:8545/"),
        ("https://host/v3/abc123", "https://host/v3/…"),
        ("https://host/PLAINKEY/", "https://host/…/"),
        ("https://user:pw@host:1/v2", "https://…@host:1/v2"),
        ("https://user@host", "https://…@host"),
        ("https://a@b:c@host/x", "https://…@host/…"),
        ("https://host/?apikey=abc&debug", "https://host/?apikey=…&…"),
        ("https://host#token", "https://host#…"),
        ("wss://u:p@[::1]:8546/k", "wss://…@[::1]:8546/…"),
        ("user:pw@host/key", "…@host/…"),
        ("https://user:pw@host:99999/key", "https://…@host:99999/…"),
        (
            "https://api/sgx/certification/v4/tcb?fmspc=00906ED50000&update=early&key=k",
            "https://api/sgx/certification/v4/tcb?fmspc=00906ED50000&update=early&key=…",
        ),
        ("", ""),
    ],
)
def test_what_is_shown_of_an_address(url: str, shown: str) -> None:
    assert show_url(url) == shown
    assert hide_url_secrets(f"asked {url}: no") == (f"asked {shown}: no" if "://" in url else f"asked {url}: no")


_WORD = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789-_", min_size=7, max_size=40).map(lambda key: "q" + key)


@given(_WORD, _WORD, _WORD, _WORD)
def test_no_part_that_may_be_secret_is_shown(user: str, password: str, key: str, value: str) -> None:
    url = f"https://{user}:{password}@host.example:8545/v3/{key}?apikey={value}"
    hide = hider(url)
    for text in (show_url(url), hide_url_secrets(f"x {url} y"), hide(f"no such key {key}, {value}; {user}/{password}")):
        assert not [secret for secret in (user, password, key, value) if secret in text]
    assert "host.example:8545" in show_url(url)


def test_words_of_a_request_line_stay() -> None:
    assert show_target("/v1/status") == "/v1/status"
    assert show_target("/pathkey123/v1/status?x=y") == "/…/v1/status?x=…"


@pytest.mark.parametrize("kind", [InputError, ConfigError])
def test_an_error_shows_no_secret_wherever_it_is_put(kind: type[WattestError]) -> None:
    url = "https://alice-user:pa55word@host/pathkey123?k=querykey456"
    error = kind(f"cannot reach {url}", hint=f"try {url}", url=url, urls=[url, (url,)], size=3, data=b"x")
    for text in (
        str(error),
        repr(error),
        error.message,
        str(error.hint),
        str(error.fields),
        json.dumps(error.as_dict()),
    ):
        assert not [secret for secret in SECRETS if secret in text]
    assert error.fields["size"] == 3
    assert HIDDEN in error.message


class _Echo(BaseHTTPRequestHandler):
    """Answers with the words of what was asked: an unkind node."""

    answer: Callable[[str], tuple[int, str]]
    seen: list[str | None]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.do_GET()

    def do_GET(self) -> None:
        type(self).seen.append(self.headers["Authorization"])
        status, text = type(self).answer(self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def node() -> Iterator[tuple[type[_Echo], int]]:
    handler = type("Handler", (_Echo,), {"answer": staticmethod(lambda path: (200, path)), "seen": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield handler, server.server_address[1]
    server.shutdown()
    server.server_close()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def told(error: WattestError) -> str:
    shown = "".join(traceback.format_exception_only(error)) + json.dumps(error.as_dict()) + repr(error)
    assert not [secret for secret in SECRETS if secret in shown], shown
    return shown


def keyed(port: int, *, user: str = "alice-user:pa55word@") -> str:
    return f"http://{user}127.0.0.1:{port}/v3/pathkey123/PLAINKEY?apikey=querykey456"


def test_a_node_that_is_not_there() -> None:
    with pytest.raises(TransportError) as caught:
        JsonRpc(keyed(closed_port()), max_attempts=1).request("eth_chainId")
    assert "/v3/" in told(caught.value)


def test_a_node_that_repeats_what_it_was_asked(node: tuple[type[_Echo], int]) -> None:
    handler, port = node
    with pytest.raises(TransportError) as caught:  # no JSON
        JsonRpc(keyed(port)).request("eth_chainId")
    told(caught.value)
    handler.answer = staticmethod(  # type: ignore[assignment]
        lambda path: (200, json.dumps({"id": 1, "error": {"code": 1, "message": f"bad key in {path}", "data": path}}))
    )
    with pytest.raises(TransportError, match="bad key") as refused:
        JsonRpc(keyed(port)).request("eth_chainId")
    told(refused.value)
    assert handler.seen == ["Basic YWxpY2UtdXNlcjpwYTU1d29yZA=="] * 2  # sent to whom they are for
    JsonRpc(keyed(port, user=""))
    handler.answer = staticmethod(lambda path: (200, json.dumps({"id": 1, "result": "0x1"})))  # type: ignore[assignment]
    with pytest.raises(WattestError) as other:
        ChainClient.connect(keyed(port), chain_id=2)
    told(other.value)


@pytest.mark.parametrize(
    "url", ["ftp://alice-user:pa55word@h/pathkey123", "http://alice-user:pa55word@h:99999/PLAINKEY"]
)
def test_an_address_that_is_none(url: str) -> None:
    for reach in (JsonRpc, OperatorRemote, RemoteAppraiser, lambda given: CollateralService(ServiceSettings(given))):
        with pytest.raises(ConfigError) as caught:
            reach(url)
        told(caught.value)


def test_other_peers_are_sent_no_credentials_and_say_so() -> None:
    for reach in (OperatorRemote, RemoteAppraiser, lambda given: CollateralService(ServiceSettings(given))):
        with pytest.raises(ConfigError) as caught:
            reach(keyed(1))
        told(caught.value)


def test_an_operator_and_an_appraiser_that_do_not_answer(node: tuple[type[_Echo], int]) -> None:
    handler, port = node
    quick = RemoteSettings(max_attempts=1)
    for at in (closed_port(), port):
        with pytest.raises(WattestError) as caught:
            OperatorRemote(keyed(at, user=""), quick).fetch_status()
        told(caught.value)
    handler.answer = staticmethod(lambda path: (404, "no"))  # type: ignore[assignment]
    with pytest.raises(TransportError) as withheld:
        OperatorRemote(keyed(port, user=""), quick).fetch_status()
    told(withheld.value)


def test_a_collateral_service_and_what_it_reports(node: tuple[type[_Echo], int]) -> None:
    said: list[str] = []
    model = PlatformModel(Tee.SGX, bytes(6), PckAuthority.PROCESSOR)
    for at in (closed_port(), node[1]):
        service = CollateralService(
            ServiceSettings(keyed(at, user=""), max_attempts=1, unsafe_http=True), report=said.append
        )
        with pytest.raises(WattestError) as caught:
            service.fetch_collateral(model, development_root(), 1_700_000_000)
        told(caught.value)
    assert said
    assert not [secret for secret in SECRETS if any(secret in line for line in said)]


def test_settings_show_no_address() -> None:
    for settings in (ChainConfig(rpc_url=keyed(1)), ServiceSettings(keyed(1), root_list_url=keyed(2))):
        assert not [secret for secret in SECRETS if secret in repr(settings)]


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_on_the_command_line(more: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fetch = ["attest", "collateral", "fetch", "--tee", "sgx", "--fmspc", "00" * 6, "--ca", "platform", "--out"]
    url = keyed(closed_port(), user="")
    assert run([*fetch, str(tmp_path / "c.json"), "--url", url, "--attempts", "1", *more]) == 6
    assert run([*fetch, str(tmp_path / "c.json"), "--url", keyed(1), *more]) == 7
    assert run([*fetch, str(tmp_path / "c.json"), keyed(1), *more]) == 2  # an argument too many, which is repeated
    shown = capfd.readouterr()
    assert "127.0.0.1" in shown.err
    assert not [secret for secret in SECRETS if secret in shown.out + shown.err]
    assert list(tmp_path.iterdir()) == []
