"""What the measured program refuses, by name.

Decided here: the leaf errors of the enclave and how an error crosses the socket. Not decided here: errors of the rooms
below, which cross under their own names. Invariant: nothing secret is ever a field.
Source: docs/spec/enclave-socket.md, section "Errors".
"""

from __future__ import annotations

from typing import Any

from wattest.errors import (
    ConfigError,
    InputError,
    ProtocolError,
    TransportError,
    VerificationError,
    WattestError,
)

BRANCHES: dict[str, type[WattestError]] = {
    branch.__name__: branch for branch in (InputError, VerificationError, ProtocolError, TransportError, ConfigError)
}
MAX_MESSAGE = 2_000
MAX_FIELDS = 16


class FrameMalformed(InputError):
    """A frame that is not one deterministic CBOR map of the expected shape."""


class FrameTooLarge(InputError):
    """A frame above the limit, refused before it is read."""


class RequestInvalid(InputError):
    """A request with a missing, unknown, wrongly typed or oversized field."""


class MethodUnknown(InputError):
    """A method that this enclave does not have."""


class SealedStateInvalid(VerificationError):
    """Sealed state that does not open under this measurement, or is not what this program writes."""


class MemberListRefused(VerificationError):
    """A member list that the channel's manager did not sign, or that names another channel or period."""


class MeterKeyRefused(VerificationError):
    """A meter key that does not open its commitment in the member list."""


class ReaderKeyRefused(VerificationError):
    """A reader's public key that no series key can be wrapped for."""


class DeviceBlockRefused(VerificationError):
    """A device block with a wrong signature, meter or period; ``member`` is its index in the list."""


class SeriesRefused(VerificationError):
    """A series that the workload refused; ``member`` is its index in the list."""


class ImportRefused(VerificationError):
    """A file that cannot be read, whose checks fail, or whose readings lie elsewhere; ``item`` is its index."""


class SettlementRefused(VerificationError):
    """A settlement that the ``settle`` guest refused, or whose parameters do not fit."""


class TermsRefused(VerificationError):
    """Settlement terms that the statement channel's manager did not sign, or that are of other parameters or times."""


class PayoutsBroken(ProtocolError):
    """A payout list that does not continue the one this enclave sealed."""


class CitationRefused(VerificationError):
    """A cited batch that was not signed by this enclave, or whose bundle does not give its roots."""


class IdentityUnknown(ProtocolError):
    """No key in this enclave for that channel."""


class IdentityConflict(ProtocolError):
    """The channel's key in this enclave is bound to another operator, chain or referee."""


class PhaseRefused(ProtocolError):
    """Something that the identity's phase does not allow: only an active one signs the next batch or is attested."""


class HandOverRefused(ProtocolError):
    """A hand-over that does not fit the state at either end: another successor, kind, channel or head."""


class WitnessRefused(VerificationError):
    """Work for a witness that it cannot judge: not of its channel or guest, or not shown to be in the batch."""


class PeerSessionInvalid(ProtocolError):
    """A step of a conversation with another enclave outside its order, or of one that is not open."""


class PeerMisspoke(VerificationError):
    """A message of a peer, after its evidence was accepted, that is not one of the conversation."""


class TlsFailed(VerificationError):
    """The TLS handshake or a record did not hold: another version, no certificate, bytes changed on the way."""


class HeadMismatch(ProtocolError):
    """The chain's head is not where this enclave left off: sealed state rolled back, or the enclave was forked."""


class JobConflict(ProtocolError):
    """Another job for a sequence that was already sealed: only the first header is ever released."""


class SessionInvalid(ProtocolError):
    """A step of a job outside its order, or of a job that is not open."""


class DebugRefused(ConfigError):
    """A debug method on an enclave that was not launched, and measured, as debug."""


class EngineMismatch(ConfigError):
    """The engine configuration inside is not the one in the measured manifest."""


class StateInUse(ConfigError):
    """Another enclave holds the state folder."""


class PortUnavailable(TransportError):
    """The loopback port that the enclave was launched to listen on is taken or refused."""


class EnclaveBusy(TransportError):
    """Another host is connected."""


class EnclaveFault(TransportError):
    """A bug inside the enclave, told by type and place; the request was dropped, nothing was released."""


class PeriodOverlaps(ProtocolError):
    """A period that begins before the last sealed one of its channel ends."""


class DeviceFailed(TransportError):
    """The attestation device did not answer as it must."""


class StateWriteFailed(TransportError):
    """Sealed state could not be written; nothing was released."""


def error_to_wire(error: WattestError) -> dict[str, object]:
    """The map that crosses for ``error``: code, branch, message, hint, retryable and fields."""
    branch = next(name for name, kind in BRANCHES.items() if isinstance(error, kind))
    shown: dict[str, object] = {name: _plain(value) for name, value in list(error.fields.items())[:MAX_FIELDS]}
    return {
        "code": error.code,
        "branch": branch,
        "message": error.message[:MAX_MESSAGE],
        "hint": error.hint,
        "retryable": error.retryable if isinstance(error, TransportError) else False,
        "fields": shown,
    }


def _plain(value: object) -> object:
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)[:256]
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value[:64]]
    return str(value)[:MAX_MESSAGE]


def error_from_wire(
    code: str, branch: str, message: str, hint: str | None, retryable: bool, fields: dict[str, object]
) -> WattestError:
    """Rebuild an error on the host's side: the class of that name if this process knows it, else one of its branch."""
    base = BRANCHES[branch]
    known = _known(base, code)
    kind: Any = known or type(code, (base,), {"__doc__": "An error raised inside the enclave."})
    error: WattestError = kind.__new__(kind)
    WattestError.__init__(error, message, hint=hint, **fields)
    if isinstance(error, TransportError):
        error.retryable = retryable
    return error


def _known(base: type[WattestError], code: str) -> type[WattestError] | None:
    for kind in base.__subclasses__():
        if kind.__name__ == code and kind.__module__.startswith("wattest."):
            return kind
        deeper = _known(kind, code)
        if deeper is not None:
            return deeper
    return None
