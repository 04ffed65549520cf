"""What an enclave must not forget, and nobody else may read: one sealed file per channel.

Decided here: the fields, their one encoding, the encryption, and how a file is replaced so that a crash leaves the old
or the new one whole. Not decided here: when state is written (``release``) and what a rollback looks like (the chain's
head decides, ``release.require_head``). Invariants: the file opens only on the same platform under the same
measurement; a key's ``repr`` shows its address alone.
Source: docs/spec/sealed-state.md.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wattest.crypto import aead
from wattest.crypto.errors import AuthenticationFailed, BufferRefused
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.crypto.strict_fields import Fields
from wattest.enclave.measured import cbor
from wattest.enclave.measured.errors import PhaseRefused, SealedStateInvalid, StateWriteFailed
from wattest.enclave.measured.schema import read_map
from wattest.enclave.measured.stop_points import StopPoints
from wattest.errors import InputError
from wattest.messages.channel import ChannelIdentity, parse_channel_kind
from wattest.messages.eip712 import Domain
from wattest.messages.header import HEADER_BYTES, MAX_ENTRIES, BatchHeader, parse_header

STATE_VERSION = 3
STATE_PURPOSE = b"state"
STORAGE_PURPOSE = b"storage"
MAGIC = b"wattest-sealed-1"
MAX_PREDECESSORS = 64
MAX_STATE_BYTES = 512 * 1024 * 1024
METER_STATE = np.dtype([("meter", "V32"), ("end", ">u8"), ("import_register", ">u8"), ("export_register", ">u8")])
"""One row per meter: key id 32, last interval end, import register, export register; 56 bytes, ascending by key id."""

MeterStates = NDArray[np.void]
NO_METERS: MeterStates = np.zeros(0, dtype=METER_STATE)


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """The last sealed batch: what was released, and what it takes to make its blocks again.

    ``job`` is the digest of the whole job; ``inputs`` one SHA-256 per entry over the input bytes (zero where absent);
    ``series_keys`` one per entry, empty once erased.
    """

    header: BatchHeader
    signature: bytes
    job: bytes
    inputs: tuple[bytes, ...] = field(repr=False)
    series_keys: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Standing:
    """What one job of a channel leaves to the next, besides the head.

    ``meters`` in a metering channel; in a statement channel ``payouts``, the SHA-256 of the payout list (zero before
    the first statement), and ``settled_until``, the end of the last settled period (unix seconds).
    """

    meters: MeterStates = field(default_factory=lambda: NO_METERS, repr=False)
    payouts: bytes = bytes(32)
    settled_until: int = 0


class Phase(IntEnum):
    """Whether an identity may sign the next batch: only an active one may."""

    ACTIVE = 0
    AWAITING = 1
    STANDBY = 2
    HANDED_OVER = 3


@dataclass(frozen=True, slots=True)
class Heritage:
    """What an identity took over: storage seed (32 bytes, empty when its own), keys before it, end of their last batch.

    ``predecessors`` are 20-byte addresses, oldest first, at most ``MAX_PREDECESSORS``.
    """

    storage_seed: bytes = field(default=b"", repr=False)
    predecessors: tuple[bytes, ...] = ()
    covered_until: int = 0


@dataclass(frozen=True, slots=True)
class SealedState:
    """One identity and where it stands: ``after`` the last batch, and ``before`` it, to make that batch again.

    ``start`` is the chain's head (sequence, 32-byte header digest) that the key was made at; a new channel's is zeros.
    ``successor`` is the 20-byte address that the state was handed over to, empty before.
    """

    private_key: Secp256k1PrivateKey
    secret: bytes = field(repr=False)
    domain: Domain
    channel: ChannelIdentity
    operator: bytes
    start: tuple[int, bytes] = (0, bytes(32))
    last: PendingBatch | None = None
    before: Standing = field(default_factory=Standing)
    after: Standing = field(default_factory=Standing)
    phase: Phase = Phase.ACTIVE
    successor: bytes = b""
    heritage: Heritage = field(default_factory=Heritage)

    @property
    def sequence(self) -> int:
        """Sequence of the last released header, that of ``start`` before the first."""
        return self.start[0] if self.last is None else self.last.header.sequence

    @property
    def digest(self) -> bytes:
        """Digest of the last released header, that of ``start`` before the first."""
        return self.start[1] if self.last is None else self.last.header.digest(self.domain)

    @property
    def covered_until(self) -> int:
        """End of the last sealed period (unix seconds), also when another key sealed it; 0 before the first."""
        return self.heritage.covered_until if self.last is None else self.last.header.period_end

    @property
    def signers(self) -> tuple[bytes, ...]:
        """The addresses whose batches are this identity's own: its predecessors' and its own."""
        return (*self.heritage.predecessors, self.private_key.address)

    def with_erased_keys(self) -> SealedState:
        """The same without the series keys of the last batch."""
        return self if self.last is None else replace(self, last=replace(self.last, series_keys=()))


def require_active(state: SealedState) -> None:
    """Refuse to sign for an identity that waits for its state, stands by, or has handed its state over.

    Raises: PhaseRefused.
    """
    if state.phase is not Phase.ACTIVE:
        raise PhaseRefused(
            f"this key signs no next batch: its phase is {state.phase.name.lower()}",
            hint="use the enclave that took the state over"
            if state.phase is Phase.HANDED_OVER
            else "finish the hand-over, or activate the standby",
            phase=state.phase.name.lower(),
            successor=state.successor,
        )


def seal_state(state: SealedState, key: bytes) -> bytes:
    """magic 16 || nonce 12 || AES-256-GCM of the CBOR map, with magic as associated data."""
    nonce = secrets.token_bytes(aead.NONCE_BYTES)
    return MAGIC + nonce + aead.seal(key, nonce, _encode(state), MAGIC)


def open_state(data: bytes, key: bytes) -> SealedState:
    """Read a sealed file.

    Raises: SealedStateInvalid for another platform, measurement or version, or changed bytes.
    """
    head = len(MAGIC) + aead.NONCE_BYTES
    if len(data) > MAX_STATE_BYTES or data[: len(MAGIC)] != MAGIC:
        raise SealedStateInvalid(
            "not a sealed state of this version",
            expected=MAGIC,
            actual=bytes(data[: len(MAGIC)]),
            hint="restore the operator's state folder, or run the wattest that sealed it",
        )
    try:
        return _parse(aead.open_sealed(key, data[len(MAGIC) : head], data[head:], MAGIC))
    except (AuthenticationFailed, BufferRefused) as error:
        raise SealedStateInvalid(
            "sealed state does not open here: it was changed, or sealed by another platform or another measurement",
            hint="run the version of wattest that sealed it, on the same platform, or create a new identity",
        ) from error
    except InputError as error:
        raise SealedStateInvalid(f"sealed state is not what this program writes: {error.message}") from error


class StateStore:
    """The folder of sealed files: ``<channel id in hex>.sealed``."""

    def __init__(self, folder: Path, key: bytes, faults: StopPoints) -> None:
        self._folder = folder
        self._key = key
        self._faults = faults

    def load(self) -> dict[bytes, SealedState]:
        """Every identity by channel id.

        Raises: SealedStateInvalid, naming the file; StateWriteFailed when the folder cannot be read.
        """
        found: dict[bytes, SealedState] = {}
        try:
            for path in sorted(self._folder.glob("*.sealed")):
                if path.stat().st_size > MAX_STATE_BYTES:
                    raise SealedStateInvalid("a sealed file is too large", path=str(path))
                try:
                    state = open_state(path.read_bytes(), self._key)
                except SealedStateInvalid as error:
                    error.fields["path"] = str(path)
                    raise
                if self._path(state.channel.id) != path:
                    raise SealedStateInvalid("a sealed file carries another channel's name", path=str(path))
                found[state.channel.id] = state
        except OSError as error:
            raise self._failed(error) from error
        return found

    def save(self, state: SealedState) -> None:
        """Replace the channel's file: written, synced, renamed, folder synced.

        Raises: StateWriteFailed; the old file is then still whole.
        """
        path = self._path(state.channel.id)
        temporary = path.with_suffix(".new")
        data = seal_state(state, self._key)
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as handle:
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
            self._faults.reach("after_temporary_write")
            temporary.replace(path)
            self._faults.reach("after_rename")
            folder = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise self._failed(error) from error

    def _path(self, channel: bytes) -> Path:
        return self._folder / f"{channel.hex()}.sealed"

    def _failed(self, error: OSError) -> StateWriteFailed:
        return StateWriteFailed(
            f"sealed state cannot be kept: {error.strerror or error}",
            retryable=True,
            hint="check space and permissions of the state folder",
            path=str(self._folder),
        )


def _encode(state: SealedState) -> bytes:
    last = state.last
    return cbor.encode(
        {
            "version": STATE_VERSION,
            "key": state.secret,
            "chain_id": state.domain.chain_id.to_bytes(32, "big"),
            "referee": state.domain.verifying_contract,
            "manager": state.channel.manager,
            "kind": int(state.channel.kind),
            "salt": state.channel.salt,
            "operator": state.operator,
            "start_sequence": state.start[0],
            "start_digest": state.start[1],
            "last": None
            if last is None
            else {
                "header": last.header.to_bytes(),
                "signature": last.signature,
                "job": last.job,
                "inputs": b"".join(last.inputs),
                "series_keys": b"".join(last.series_keys),
            },
            "before": standing_map(state.before),
            "after": standing_map(state.after),
            "phase": int(state.phase),
            "successor": state.successor,
            "storage_seed": state.heritage.storage_seed,
            "predecessors": b"".join(state.heritage.predecessors),
            "covered_until": state.heritage.covered_until,
        }
    )


def _parse(data: bytes) -> SealedState:
    fields = read_map(cbor.parse(data), "sealed state")
    version = fields["version"].uint(16)
    if version != STATE_VERSION:
        raise SealedStateInvalid(
            "unknown version of sealed state",
            expected=STATE_VERSION,
            actual=version,
            hint="run the wattest that sealed it, and let it hand the state over: docs/spec/ra-tls.md",
        )
    secret = fields["key"].octets(32)
    state = SealedState(
        private_key=Secp256k1PrivateKey.from_seed(secret),
        secret=secret,
        domain=Domain(int.from_bytes(fields["chain_id"].octets(32), "big"), fields["referee"].octets(20)),
        channel=ChannelIdentity(
            fields["manager"].octets(20), parse_channel_kind(fields["kind"].uint(8)), fields["salt"].octets(32)
        ),
        operator=fields["operator"].octets(20),
        start=(fields["start_sequence"].uint(), fields["start_digest"].octets(32)),
        last=fields["last"].or_none(lambda inner: _parse_last(inner.fields())),
        before=parse_standing(fields["before"].fields()),
        after=parse_standing(fields["after"].fields()),
        phase=_parse_phase(fields["phase"].uint(8)),
        successor=fields["successor"].blob(20),
        heritage=Heritage(
            fields["storage_seed"].blob(32),
            tuple(fields["predecessors"].rows(20, MAX_PREDECESSORS)),
            fields["covered_until"].uint(),
        ),
    )
    fields.close()
    return state


def _parse_phase(number: int) -> Phase:
    try:
        return Phase(number)
    except ValueError as error:
        raise SealedStateInvalid("unknown phase in sealed state", actual=number) from error


def _parse_last(fields: Fields) -> PendingBatch:
    last = PendingBatch(
        header=parse_header(fields["header"].octets(HEADER_BYTES)),
        signature=fields["signature"].octets(65),
        job=fields["job"].octets(32),
        inputs=tuple(fields["inputs"].rows(32, MAX_ENTRIES)),
        series_keys=tuple(fields["series_keys"].rows(32, MAX_ENTRIES)),
    )
    fields.close()
    return last


def standing_map(standing: Standing) -> dict[str, object]:
    """A standing as the map that is sealed, and that crosses to a successor."""
    return {
        "meters": standing.meters.tobytes(),
        "payouts": standing.payouts,
        "settled_until": standing.settled_until,
    }


def parse_standing(fields: Fields) -> Standing:
    """Read a standing. Raises: RequestInvalid, SealedStateInvalid."""
    standing = Standing(
        meters=_meters(fields["meters"].blob(METER_STATE.itemsize * 4 * MAX_ENTRIES)),
        payouts=fields["payouts"].octets(32),
        settled_until=fields["settled_until"].uint(),
    )
    fields.close()
    return standing


def _meters(data: bytes) -> MeterStates:
    if len(data) % METER_STATE.itemsize:
        raise SealedStateInvalid("meter states are rows of 56 bytes", actual=len(data))
    return np.frombuffer(data, dtype=METER_STATE)
