"""Where an enclave gets its quotes and its sealing key: one small interface, two back ends.

Decided here: the interface, how the simulator's platform is asked (frames over an inherited socket) and how Gramine is
(pseudo-files). Not decided here: what a quote looks like and who believes it (``attestation``). Invariant: a back end
hands out quotes and keys of the running measurement only; which one that is, the program cannot choose.
Source: docs/spec/enclave-socket.md, section "Attestation device"; Gramine documentation, "Attestation and secret
provisioning".
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Protocol

from wattest.crypto.hashing import hmac_sha256
from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured.errors import DeviceFailed
from wattest.enclave.measured.schema import read_map
from wattest.enclave.measured.wire import encode_request, parse_reply, receive_frame, send_frame

REPORT_DATA_BYTES = 64
KEY_BYTES = 32
MAX_QUOTE_BYTES = 64 * 1024
MAX_PURPOSE_BYTES = 64
SEALING_DOMAIN = b"wattest/sealing/1"


class AttestationDevice(Protocol):
    """What the platform gives to an enclave."""

    def quote(self, report_data: bytes) -> bytes:
        """A quote over this enclave's measurement and 64 bytes of report data.

        Raises: DeviceFailed.
        """

    def sealing_key(self, purpose: bytes) -> bytes:
        """32 bytes bound to platform, measurement and purpose; the same after every restart.

        Raises: DeviceFailed.
        """


class SimulatorDevice:
    """Asks the simulated platform over a socket that the launch handed down."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._id = 0

    def quote(self, report_data: bytes) -> bytes:
        """A DCAP quote under the simulator's root."""
        _require_report_data(report_data)
        fields = self._ask("quote", {"report_data": report_data})
        quote = fields["quote"].blob(MAX_QUOTE_BYTES)
        fields.close()
        return quote

    def sealing_key(self, purpose: bytes) -> bytes:
        """A key that the platform derives from its secret, the measurement and the purpose."""
        _require_purpose(purpose)
        fields = self._ask("sealing_key", {"purpose": purpose})
        key = fields["key"].octets(KEY_BYTES)
        fields.close()
        return key

    def _ask(self, method: str, params: dict[str, object]) -> Fields:
        self._id += 1
        try:
            send_frame(self._stream, encode_request(self._id, method, params))
            data = receive_frame(self._stream, 2 * MAX_QUOTE_BYTES)
        except OSError as error:
            raise DeviceFailed(f"the platform does not answer: {error.strerror}", retryable=True) from error
        if data is None:
            raise DeviceFailed("the platform closed the connection", retryable=False)
        reply = parse_reply(data)
        if reply.error is not None:
            raise reply.error
        if reply.id != self._id:
            raise DeviceFailed("the platform answered another question", retryable=False)
        return read_map(reply.result, "device reply")


class GramineDevice:
    """Reads Gramine's pseudo-files below ``root`` (``/dev/attestation`` in production)."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def quote(self, report_data: bytes) -> bytes:
        """A DCAP quote of the hardware."""
        _require_report_data(report_data)
        try:
            # Without O_CREAT: where Gramine is not, an ordinary file must not take its place.
            with os.fdopen(os.open(self._root / "user_report_data", os.O_WRONLY), "wb") as handle:
                handle.write(report_data)
        except OSError as error:
            raise self._failed("user_report_data", error) from error
        quote = self._read("quote", MAX_QUOTE_BYTES)
        if not quote:
            raise DeviceFailed("Gramine gave an empty quote", retryable=False, hint="set sgx.remote_attestation")
        return quote

    def sealing_key(self, purpose: bytes) -> bytes:
        """A key derived from the MRENCLAVE-bound key (16 bytes, EGETKEY) and the purpose."""
        _require_purpose(purpose)
        root_key = self._read("keys/_sgx_mrenclave", KEY_BYTES)
        if len(root_key) not in (16, KEY_BYTES) or not any(root_key):
            raise DeviceFailed("the sealing key has the wrong length or is zero", retryable=False)
        return hmac_sha256(root_key, SEALING_DOMAIN + purpose)

    def _read(self, name: str, limit: int) -> bytes:
        try:
            with (self._root / name).open("rb") as handle:
                data = handle.read(limit + 1)
        except OSError as error:
            raise self._failed(name, error) from error
        if len(data) > limit:
            raise DeviceFailed(f"{name} is too large", retryable=False, limit_bytes=limit)
        return data

    def _failed(self, name: str, error: OSError) -> DeviceFailed:
        return DeviceFailed(
            f"{name} of the attestation device failed: {error.strerror or error}",
            retryable=False,
            hint='run under gramine-sgx with sgx.remote_attestation = "dcap"',
            path=str(self._root / name),
        )


def _require_report_data(report_data: bytes) -> None:
    if len(report_data) != REPORT_DATA_BYTES:
        raise DeviceFailed(
            "report data has 64 bytes", retryable=False, expected=REPORT_DATA_BYTES, actual=len(report_data)
        )


def _require_purpose(purpose: bytes) -> None:
    if not 0 < len(purpose) <= MAX_PURPOSE_BYTES:
        raise DeviceFailed(
            "a purpose has 1 to 64 bytes", retryable=False, expected=MAX_PURPOSE_BYTES, actual=len(purpose)
        )
