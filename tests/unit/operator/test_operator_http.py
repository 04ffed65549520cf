"""The operator's server and its client: routes, refusals, hostile paths, hostile answers."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import HANG_S, until

from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.errors import InputError, TransportError, VerificationError
from wattest.merkle import MerkleTree
from wattest.messages.header import BatchHeader
from wattest.operator import server as server_module
from wattest.operator.server import OperatorServer, ServerNotStarted, UnsafeBehaviour
from wattest.store.back_ends import DataPlace
from wattest.store.batch_state import StoredState
from wattest.store.bundle_group import FolderGroup
from wattest.store.bundle_store import BundleFolder
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore
from wattest.store.remote_operator import MalformedAnswer, OperatorRemote, OperatorUnreachable, RemoteSettings, Withheld
from wattest.twin.batch import verify_entry_inclusion

SIGNER = Secp256k1PrivateKey.from_seed(b"\x0a" * 32)
CHANNEL, OPERATOR, READER = b"\xc1" * 32, SIGNER.address, b"\x0e" * 32
PAYLOADS = [bytes([1, 1]) + bytes([at]) * 116 for at in range(3)]
SALTS = [bytes([at]) * 16 for at in range(3)]
BLOCKS = [b"ciphertext %d" % at for at in range(3)]
ONE_TRY = RemoteSettings(timeout_s=HANG_S, deadline_s=HANG_S, max_attempts=1)


@dataclass
class Served:
    server: OperatorServer
    header: BatchHeader
    content_id: bytes
    folder: Path

    @property
    def remote(self) -> OperatorRemote:
        return OperatorRemote(self.server.url, ONE_TRY)

    def raw(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=HANG_S)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            connection.putheader("Content-Length", str(len(body or b"")))
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def build(folder: Path, unsafe: UnsafeBehaviour | None = None) -> Served:
    bundles = BundleFolder(folder / "bundles")
    with FolderGroup(bundles) as group:
        content_id = group.add(b"{}", BLOCKS)
        group.store()
    tree = MerkleTree.from_payloads(PAYLOADS, SALTS)
    zero = bytes(32)
    header = BatchHeader(
        CHANNEL, OPERATOR, 1, zero, 0, 900, tree.root, 3, zero, zero, zero, zero, content_id, zero, zero
    )  # fmt: skip
    store = SqliteOperatorStore(folder / "operator.sqlite")
    for sequence in (1, 2):
        store.collect(CHANNEL, sequence, (900 * sequence - 900, 900 * sequence))
    store.mark(CHANNEL, 1, StoredState.SEALING)
    store.save_sealed(
        header, b"\x0d" * 32, b"\x05" * 65, entries=PAYLOADS, salts=SALTS,
        wrapped_keys=[{READER: bytes([at]) * 80} for at in range(3)], roster=b"\x07" * 96,
    )  # fmt: skip
    store.mark(CHANNEL, 1, StoredState.STORED)
    store.put_document(CHANNEL, "members", b"list")
    store.close()
    server = OperatorServer(
        DataPlace(folder), bundles, InboxFolder(folder / "inbox"), signer=SIGNER, chain_id=1,
        referee=b"\x0b" * 20, unsafe_behaviour=unsafe,
    ).start()  # fmt: skip
    return Served(server, header, content_id, folder)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    built = build(tmp_path_factory.mktemp("served"))
    yield built
    built.server.stop()


def test_everything_that_is_served(served: Served) -> None:
    remote = served.remote
    assert remote.fetch_status()["operator"] == OPERATOR.hex()
    assert remote.fetch_header(CHANNEL, 1) == (served.header, b"\x05" * 65)
    bundle = remote.fetch_bundle(CHANNEL, 1)
    assert (bundle.manifest, list(bundle.blocks), bundle.content_id) == (b"{}", BLOCKS, served.content_id)
    assert remote.fetch_manifest(CHANNEL, 1) == b"{}"
    assert remote.fetch_block(CHANNEL, 1, 2) == BLOCKS[2]
    assert remote.fetch_roster(CHANNEL, 1) == b"\x07" * 96
    assert remote.fetch_wrapped_keys(CHANNEL, 1, READER, 3) == {at: bytes([at]) * 80 for at in range(3)}
    assert remote.fetch_wrapped_keys(CHANNEL, 1, b"\x0f" * 32, 3) == {}
    assert remote.fetch_entries(CHANNEL, 1) == b"".join(PAYLOADS)
    for position in range(3):
        entry = remote.fetch_entry(CHANNEL, 1, position)
        verify_entry_inclusion(served.header.root, 3, entry)
    assert remote.fetch_document(CHANNEL, "members") == b"list"


def test_what_is_not_there_is_withheld(served: Served) -> None:
    remote = served.remote
    for fetch in (
        lambda: remote.fetch_header(CHANNEL, 2),  # not sealed yet
        lambda: remote.fetch_header(CHANNEL, 3),
        lambda: remote.fetch_header(b"\x00" * 32, 1),
        lambda: remote.fetch_block(CHANNEL, 1, 3),
        lambda: remote.fetch_entry(CHANNEL, 1, 3),
        lambda: remote.fetch_document(CHANNEL, "evidence"),
        lambda: remote.fetch_document(CHANNEL, "..%2f..%2foperator.sqlite"),
    ):
        with pytest.raises(Withheld) as caught:
            fetch()
        assert not isinstance(caught.value, OperatorUnreachable)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.text(alphabet="abc0123456789/.%-_~:?#[]@!$&'()*+,;=AF\\", max_size=60))
def test_no_path_reaches_a_file(served: Served, tail: str) -> None:
    for prefix in ("/", f"/v1/channels/{CHANNEL.hex()}/batches/1/", f"/v1/channels/{CHANNEL.hex()}/documents/"):
        status, body = served.raw("GET", prefix + tail)
        assert status in {200, 400, 404}
        assert b"SQLite" not in body


def test_posts_are_bounded_and_judged(served: Served) -> None:
    path = f"/v1/channels/{CHANNEL.hex()}/blocks"
    assert served.raw("POST", path, b"x")[0] == 404  # nobody's duty here
    assert served.raw("POST", "/v1/status", b"x")[0] == 405
    assert not (served.folder / "inbox").exists()


def test_cheats_show_and_need_development(tmp_path: Path) -> None:
    other = (b"\x01" * 480, b"\x02" * 65)
    unsafe = UnsafeBehaviour(frozenset({1}), {(CHANNEL, 1): other})
    built = build(tmp_path, unsafe)
    try:
        with pytest.raises(Withheld):
            built.remote.fetch_bundle(CHANNEL, 1)
        with pytest.raises(Withheld):
            built.remote.fetch_block(CHANNEL, 1, 1)
        assert built.remote.fetch_block(CHANNEL, 1, 0) == BLOCKS[0]
        assert set(built.remote.fetch_wrapped_keys(CHANNEL, 1, READER, 3)) == {0, 2}
        assert built.remote.fetch_entries(CHANNEL, 1)[118:236] == bytes(118)
        assert other[0].hex().encode() in built.raw("GET", f"/v1/channels/{CHANNEL.hex()}/batches/1/header")[1]
    finally:
        built.server.stop()


def test_taken_port_is_said(served: Served, tmp_path: Path) -> None:
    with pytest.raises(ServerNotStarted):
        OperatorServer(
            DataPlace(tmp_path), BundleFolder(tmp_path), InboxFolder(tmp_path), signer=SIGNER, chain_id=1,
            referee=OPERATOR, port=served.server.port,
        ).start()  # fmt: skip


class Liar:
    """A server that answers whatever it is told to."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with client:
                client.recv(4096)
                client.sendall(self.answer)


@pytest.fixture(scope="module")
def liar() -> Liar:
    return Liar()


@pytest.mark.parametrize("position", ["", "3", "01", "-1", "+1", " 1", "1_0", "٢", "1" * 9])
def test_a_wrapped_key_s_position_is_spelled_in_one_way(liar: Liar, position: str) -> None:
    remote = OperatorRemote(liar.url, ONE_TRY)

    def served(at: str) -> dict[int, bytes]:
        body = json.dumps({"keys": {at: "00" * 80}}).encode()
        liar.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        return remote.fetch_wrapped_keys(CHANNEL, 1, READER, 3)

    assert served("2") == {2: bytes(80)}
    with pytest.raises(MalformedAnswer):
        served(position)


@settings(max_examples=80, deadline=None)
@given(
    body=st.binary(max_size=300) | st.sampled_from([b"{}", b"[]", b'{"header":1}', b"[" * 200, b'{"keys":{"9":"00"}}'])
)
def test_hostile_answers_are_typed(liar: Liar, body: bytes) -> None:
    liar.answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    remote = OperatorRemote(liar.url, ONE_TRY)
    for fetch in (
        lambda: remote.fetch_header(CHANNEL, 1),
        lambda: remote.fetch_bundle(CHANNEL, 1),
        lambda: remote.fetch_wrapped_keys(CHANNEL, 1, READER, 3),
        lambda: remote.fetch_entry(CHANNEL, 1, 0),
    ):
        try:
            fetch()
        except (InputError, VerificationError, TransportError):
            continue


@pytest.mark.parametrize(
    "answer",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", b"HTTP/1.1 503 Busy\r\n\r\n"],
)
def test_broken_answers_are_unreachable(liar: Liar, answer: bytes) -> None:
    liar.answer = answer
    waits: list[float] = []
    remote = OperatorRemote(liar.url, RemoteSettings(timeout_s=1.0, max_attempts=3), sleep=waits.append)
    with pytest.raises(OperatorUnreachable):
        remote.fetch_manifest(CHANNEL, 1)
    assert waits == [0.1, 0.2]


def test_an_endless_answer_is_cut(liar: Liar) -> None:
    liar.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (5 * 1024 * 1024)
    with pytest.raises((MalformedAnswer, OperatorUnreachable)):
        OperatorRemote(liar.url, ONE_TRY).fetch_status()


def test_bundle_digest_is_the_header_s(served: Served) -> None:
    manifest = served.remote.fetch_manifest(CHANNEL, 1)
    assert hashlib.sha256(manifest).digest() == served.header.content_id


def test_a_dripping_answer_ends_at_the_deadline() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip(head: bytes) -> None:
        client, _ = listener.accept()
        with client:
            client.recv(4096)
            try:
                client.sendall(head)
                while not stop.wait(0.05):
                    client.sendall(b"x")
            except OSError:
                return

    remote = OperatorRemote(
        f"http://127.0.0.1:{listener.getsockname()[1]}",
        RemoteSettings(timeout_s=1.0, max_attempts=4, deadline_s=0.5),
    )
    try:
        for head in (b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n", b"HTTP/1.1 2"):
            threading.Thread(target=drip, args=(head,), daemon=True).start()
            with pytest.raises(OperatorUnreachable, match="does not answer"):  # else it would drip on for ever
                remote.fetch_manifest(CHANNEL, 1)
    finally:
        stop.set()
        listener.close()


def answers(built: Served) -> bool:
    try:
        return built.remote.fetch_status()["operator"] == OPERATOR.hex()
    except OperatorUnreachable:  # on a busy machine a request's head may come too late as well
        return False


def open_silently(built: Served) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", built.server.port), timeout=HANG_S)
    connection.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    return connection


def is_dropped(connection: socket.socket) -> bool:
    with contextlib.closing(connection), contextlib.suppress(ConnectionResetError):
        return connection.recv(1) == b""
    return True


def test_connections_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: Served) -> None:
    monkeypatch.setattr(server_module, "HEAD_TIMEOUT_S", HANG_S)
    monkeypatch.setattr(server_module, "MAX_CONNECTIONS", 8)
    built = build(tmp_path)
    try:
        silent = [open_silently(built) for _ in range(8)]
        with pytest.raises(OperatorUnreachable):  # full: the next one is turned away at once
            built.remote.fetch_status()
        for connection in silent:
            connection.close()
        until(lambda: answers(built), "room for another connection")
    finally:
        built.server.stop()


def test_silent_connections_are_dropped_and_live_ones_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, served: Served
) -> None:
    monkeypatch.setattr(server_module, "HEAD_TIMEOUT_S", 0.4)
    built = build(tmp_path)
    kept = http.client.HTTPConnection("127.0.0.1", built.server.port, timeout=HANG_S)

    def is_live() -> bool:
        try:
            kept.request("GET", "/v1/status")
            return bool(kept.getresponse().read())
        except (http.client.HTTPException, ConnectionError):  # its first head came too late
            kept.close()
            return False

    try:
        until(is_live, "an answer")
        for _ in range(2):
            later = [open_silently(built) for _ in range(8)]
            assert all(is_dropped(connection) for connection in later)
            assert is_live()  # it began before them and outlasts the time for its first request
        until(lambda: answers(built), "an answer")
    finally:
        kept.close()
        built.server.stop()
