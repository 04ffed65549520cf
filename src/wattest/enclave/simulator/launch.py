"""The simulated platform's side of one running enclave: quotes and sealing keys for what it measured at launch.

Decided here: the simulated signer, product and version, the debug bit, how a sealing key is derived, and the service
that answers an enclave. Not decided here: the platform's own keys (``platform``). Invariants: the measurement is fixed
at launch and is the only one that is quoted; a debug enclave has other sealing keys and says so in its quotes.
What a hostile host could do with the platform's secret is here too, named ``unsafe_``.
"""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from pathlib import Path

from wattest.crypto.hashing import hmac_sha256
from wattest.enclave.measured.device import KEY_BYTES, MAX_PURPOSE_BYTES, REPORT_DATA_BYTES, SEALING_DOMAIN
from wattest.enclave.measured.errors import MethodUnknown
from wattest.enclave.measured.schema import read_map
from wattest.enclave.measured.sealed_state import STATE_PURPOSE, SealedState, open_state
from wattest.enclave.measured.wire import (
    encode_error,
    encode_result,
    parse_request,
    receive_frame,
    send_frame,
)
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.enclave.simulator.quoting import DEFAULT_ATTRIBUTES
from wattest.errors import WattestError

SIGNER = hashlib.sha256(b"wattest simulator enclave signer").digest()
PRODUCT = 1
SECURITY_VERSION = 1
_DEBUG_FLAG = 0x02
_MAX_REQUEST_BYTES = 4_096


def launch_attributes(*, debug: bool) -> bytes:
    """The 16 attribute bytes in quotes: flags (little-endian, with DEBUG when asked) and XFRM."""
    flags, xfrm = struct.unpack("<QQ", DEFAULT_ATTRIBUTES)
    return struct.pack("<QQ", flags | (_DEBUG_FLAG if debug else 0), xfrm)


def sealing_key(platform: SimulatedPlatform, measurement: bytes, purpose: bytes, *, debug: bool) -> bytes:
    """The key the platform gives an enclave: bound to platform, measurement, debug bit and purpose; 32 bytes."""
    root = platform.derive_secret("sealing", KEY_BYTES)
    return hmac_sha256(root, SEALING_DOMAIN + measurement + bytes((debug,)) + purpose)


class DeviceService:
    """Answers one enclave's device requests over a socket, in a thread, until the enclave closes it."""

    def __init__(self, platform: SimulatedPlatform, measurement: bytes, *, debug: bool) -> None:
        self._platform = platform
        self._measurement = measurement
        self._debug = debug

    def start(self, stream: socket.socket) -> threading.Thread:
        """Serve ``stream`` in the background; the thread owns and closes it."""
        thread = threading.Thread(target=self._serve, args=(stream,), name="attestation-device", daemon=True)
        thread.start()
        return thread

    def quote(self, report_data: bytes) -> bytes:
        """A quote of the launched measurement."""
        return self._platform.quote(
            measurement=self._measurement,
            signer=SIGNER,
            product=PRODUCT,
            svn=SECURITY_VERSION,
            report_data=report_data,
            attributes=launch_attributes(debug=self._debug),
        )

    def sealing_key(self, purpose: bytes) -> bytes:
        """The launched measurement's sealing key for ``purpose``."""
        return sealing_key(self._platform, self._measurement, purpose, debug=self._debug)

    def _serve(self, stream: socket.socket) -> None:
        with stream:
            while True:
                try:
                    data = receive_frame(stream, _MAX_REQUEST_BYTES)
                    if data is None:
                        return
                    send_frame(stream, self._answer(data))
                except (OSError, WattestError):
                    return  # the enclave is gone, or speaks another protocol: it sees the end of the stream

    def _answer(self, data: bytes) -> bytes:
        request = parse_request(data)
        try:
            fields = read_map(request.params, request.method)
            result: dict[str, object]
            if request.method == "quote":
                result = {"quote": self.quote(fields["report_data"].octets(REPORT_DATA_BYTES))}
            elif request.method == "sealing_key":
                result = {"key": self.sealing_key(fields["purpose"].blob(MAX_PURPOSE_BYTES))}
            else:
                raise MethodUnknown("the device has no such method", method=request.method)
            fields.close()
            return encode_result(request.id, result)
        except WattestError as error:
            return encode_error(request.id, error)


def unsafe_open_sealed_state(
    platform: SimulatedPlatform, measurement: bytes, path: Path, *, debug: bool = False
) -> SealedState:
    """Open an enclave's sealed file outside the enclave, key included, as only the simulator's host can.

    For the demonstration of a host that forges; hardware has no such door short of a broken processor.
    """
    key = sealing_key(platform, measurement, STATE_PURPOSE, debug=debug)
    return open_state(path.read_bytes(), key)
