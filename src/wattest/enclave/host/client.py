"""The host's one way to ask an enclave for something.

Decided here: the methods and how a job becomes frames. Not decided here: the process behind the socket (``process``),
the frame format (``measured.wire``, docs/spec/enclave-socket.md) and what is checked inside. Invariant: every failure
is a ``WattestError``; one that the enclave raised keeps its code, branch, message and fields.
"""

from __future__ import annotations

from pathlib import Path

from wattest.enclave.host.jobs import (
    ChainHead,
    CitedBatch,
    Description,
    FirstLight,
    Identity,
    ImportItem,
    ImportJob,
    ReaderId,
    Release,
    SealedBatch,
    SealJob,
    StatementJob,
)
from wattest.protocol.channel import ChannelIdentity
from wattest.protocol.report_data import KeyBinding

__all__ = [
    "ChainHead",
    "CitedBatch",
    "Description",
    "EnclaveClient",
    "FirstLight",
    "Identity",
    "ImportItem",
    "ImportJob",
    "ReaderId",
    "Release",
    "SealJob",
    "SealedBatch",
    "StatementJob",
]


class EnclaveClient:
    """One connection to one enclave; methods are synchronous and must not be called from two threads at once."""

    def __init__(self, socket_path: Path, *, request_timeout_s: float = 120.0) -> None:
        self._socket_path = socket_path
        self._request_timeout_s = request_timeout_s

    def describe(self) -> Description:
        """Back end, measurement and identities."""
        raise NotImplementedError

    def create_identity(self, binding: KeyBinding, channel: ChannelIdentity) -> Identity:
        """Make, or attest again, the key of (channel, operator); the evidence binds it with the nonce.

        An enclave holds one operator per channel. Raises: IdentityConflict for another operator, chain or referee.
        """
        raise NotImplementedError

    def first_light(self, text: str, channel: bytes | None = None) -> FirstLight:
        """Hash and sign ``text`` inside; ``channel`` names the identity, the first one when None."""
        raise NotImplementedError

    def seal_batch(self, job: SealJob) -> SealedBatch:
        """Seal one period; the identical job again gives the identical header and signature."""
        raise NotImplementedError

    def seal_import(self, job: ImportJob) -> SealedBatch:
        """Seal imported series (kinds 2 and 3) into an open channel."""
        raise NotImplementedError

    def seal_statement(self, job: StatementJob) -> SealedBatch:
        """Run the settlement over cited batches and seal one entry per bill and one for the payouts."""
        raise NotImplementedError

    def last_release(self, channel: bytes) -> Release | None:
        """The last header released in ``channel``, None before the first."""
        raise NotImplementedError

    def erase(self, channel: bytes, sequence: int) -> None:
        """Drop the sealed series keys of a final batch; a batch that is no longer the last has none."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connection; the enclave keeps running."""
        raise NotImplementedError
