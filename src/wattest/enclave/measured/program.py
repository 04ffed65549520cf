"""The measured program's life: opens its device and state, listens, answers one host at a time, ends with its host.

Decided here: start-up order, readiness, the accept loop, signals and the lifeline. Not decided here: what is answered
(``service``) and what may be imported (``boot``). Invariants: no key leaves; a bug in one request is logged by type and
place, without values, and answered; the process ends when the host's end of the lifeline closes.
Source: docs/spec/enclave-socket.md.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import socket
import struct
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

from wattest.enclave.measured.device import AttestationDevice, GramineDevice, SimulatorDevice
from wattest.enclave.measured.errors import (
    EnclaveBusy,
    EnclaveFault,
    EngineMismatch,
    FrameTooLarge,
    PortUnavailable,
    StateInUse,
    StateWriteFailed,
)
from wattest.enclave.measured.launch import manifest_digest
from wattest.enclave.measured.service import Service
from wattest.enclave.measured.stop_points import StopPoints
from wattest.enclave.measured.wire import (
    encode_error,
    encode_result,
    parse_request,
    receive_frame,
    send_frame,
)
from wattest.errors import WattestError
from wattest.workload.engine import EngineConfiguration

_PEER_CREDENTIALS = struct.Struct("3i")


def run_program(manifest: dict[str, Any], run: dict[str, Any]) -> int:
    """Serve until told to stop; 0 for an orderly end, 1 when the start was refused (the host is told why)."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no key on disk, whatever crashes
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    place = Path(run["socket"])
    threading.Thread(target=_watch_lifeline, args=(run["lifeline_fd"], place), name="lifeline", daemon=True).start()
    try:
        service = _open(manifest, run)
        listener = _listen(place, run["port"])
    except WattestError as error:
        _say(run["ready_fd"], encode_error(0, error))
        return 1
    try:
        _say(run["ready_fd"], encode_result(0, {"ready": True}))
        with listener:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if _is_own_user(connection):
                        _serve(connection, listener, service)
                service.drop_session()
    finally:
        with contextlib.suppress(OSError):
            place.unlink()


def _open(manifest: dict[str, Any], run: dict[str, Any]) -> Service:
    engine = EngineConfiguration.for_enclave().digest.hex()
    if manifest["engine"] != engine:
        raise EngineMismatch("the engine is not configured as measured", expected=manifest["engine"], actual=engine)
    folder = Path(run["state_dir"])
    _lock(folder)
    device: AttestationDevice
    if manifest["device"] == "gramine":
        device = GramineDevice(Path(run["device_root"]))
    else:
        device = SimulatorDevice(socket.socket(fileno=run["device_fd"]))
    return Service(
        device=device,
        backend=manifest["device"],
        measurement=manifest_digest(manifest),
        state_dir=folder,
        faults=StopPoints(debug=manifest["debug"] is True),
        debug=manifest["debug"] is True,
    )


def _lock(folder: Path) -> None:
    """Hold the state folder for as long as the process lives; two enclaves over one state would fork it."""
    try:
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StateInUse(
            "another enclave uses this state folder", path=str(folder), hint="stop it, or choose another folder"
        ) from error
    except OSError as error:
        raise StateWriteFailed(
            f"the state folder cannot be used: {error.strerror}", retryable=False, path=str(folder)
        ) from error


def _listen(place: Path, port: int) -> socket.socket:
    """The enclave's socket: a Unix one, or where a library OS keeps those inside, a loopback port (0 for none)."""
    os.umask(0o177)  # the socket comes into being with mode 0600
    if port:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            raise PortUnavailable(
                f"the enclave's port cannot be listened on: {error.strerror}", retryable=True, port=port
            ) from error
    else:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(place))
    listener.listen(4)
    return listener


def _serve(connection: socket.socket, listener: socket.socket, service: Service) -> None:
    """Answer one host until it closes; others are told that the enclave is busy."""
    while True:
        readable, _, _ = select.select([connection, listener], [], [])
        if connection not in readable:  # its own frames come first: a host that closed makes room for the next
            _refuse(listener)
            continue
        try:
            data = receive_frame(connection)
            if data is None:
                return
            reply, stays = _answer(data, service)
            send_frame(connection, reply)
        except FrameTooLarge as error:
            with contextlib.suppress(OSError):
                send_frame(connection, encode_error(0, error))
            return
        except OSError:
            return
        if not stays:
            return
        service.after_reply()


def _answer(data: bytes, service: Service) -> tuple[bytes, bool]:
    """The reply to one frame, and whether the connection goes on: after a malformed frame it does not."""
    try:
        request = parse_request(data)
    except WattestError as error:
        return encode_error(0, error), False
    try:
        return encode_result(request.id, service.call(request.method, request.params)), True
    except WattestError as error:
        return encode_error(request.id, error), True
    except Exception as error:  # noqa: BLE001 - a bug is told by type and place, and ends the session, not the enclave
        service.drop_session()
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "unknown" if place is None else f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
        print(f"bug in {request.method}: {type(error).__name__} at {where}", file=sys.stderr, flush=True)  # noqa: T201
        fault = EnclaveFault(
            f"a bug in the enclave: {type(error).__name__} at {where}", retryable=False, hint="report it, with the log"
        )
        return encode_error(request.id, fault), True


def _refuse(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        other, _ = listener.accept()
        with other:
            busy = EnclaveBusy("the enclave serves another host", retryable=True, hint="close the other connection")
            send_frame(other, encode_error(0, busy))


def _is_own_user(connection: socket.socket) -> bool:
    if not hasattr(socket, "SO_PEERCRED") or connection.family != socket.AF_UNIX:
        return True  # the socket's mode and folder keep others out; of a port, the network namespace
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER_CREDENTIALS.size)
    _, user, _ = _PEER_CREDENTIALS.unpack(raw)
    return bool(user in (os.getuid(), 0))


def _say(descriptor: int, word: bytes) -> None:
    with contextlib.suppress(OSError), os.fdopen(descriptor, "wb") as stream:
        stream.write(word)


def _watch_lifeline(descriptor: int, place: Path) -> None:
    with contextlib.suppress(OSError):
        while os.read(descriptor, 1):
            pass
    with contextlib.suppress(OSError):
        place.unlink()
        place.parent.rmdir()
    os._exit(0)  # the host is gone: what is sealed is sealed, nothing else is to be kept


def _leave(_signal: int, _frame: object) -> NoReturn:
    raise SystemExit(0)
