"""The client side of an operator's HTTP: bounded, with back-off, believing nothing.

Decided here: how much is read, how often it is tried, and what counts as "not served". Not decided here: how one
request is bounded (``http_exchange``), whether what came is right (``check``). Invariants: no answer is larger than its
format's limit; only a definite refusal, or silence after the last try, becomes ``Withheld``. docs/spec/operator-http.md
"""

from __future__ import annotations

import http.client
import io
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from wattest.crypto.hashing import sha256
from wattest.crypto.strict_fields import Fields, Reader, Refusal
from wattest.errors import ConfigError, InputError, TransportError, VerificationError
from wattest.io.http_exchange import AnswerTooLarge, DeadlinePassed, HttpPeer
from wattest.messages.acceptance import (
    SIGNATURE_BYTES,
    AcceptanceUnsigned,
    BlockAcceptance,
    SignedAcceptance,
    verify_acceptance,
)
from wattest.messages.eip712 import Domain
from wattest.messages.header import HEADER_BYTES, MAX_ENTRIES, BatchHeader, parse_header
from wattest.sealing.bundle import MAX_MANIFEST_BYTES
from wattest.sealing.wrapped_keys import WRAPPED_BYTES
from wattest.store.bundle_store import Bundle
from wattest.store.car import CarLimits, CarReader
from wattest.twin.batch import EntryInclusion
from wattest.url_text import show_url

MAX_JSON_BYTES = 4 * 1024 * 1024
MAX_DOCUMENT_BYTES = 256 * 1024 * 1024
MAX_BUNDLE_BYTES = 2 * 1024**3
MAX_BLOCK_BYTES = 64 * 1024 * 1024 + 16
FIRST_BACKOFF_S = 0.1
_KEYS_PER_PAGE = 10_000
_MAX_ANSWER_SHOWN = 1_000
_POSITION = re.compile(r"0|[1-9][0-9]{0,7}")
_RETRIED = frozenset({408, 429, 500, 502, 503, 504})


class Withheld(TransportError):
    """The operator does not serve something that it must."""


class OperatorUnreachable(Withheld):
    """The operator's server did not answer any try."""


class BlockRefused(VerificationError):
    """The operator does not take a device block; ``refusal`` is its word for why, ``answer`` its sentence."""


class MalformedAnswer(InputError):
    """An answer that is not of its format, or over its limit."""


def _refuse(refusal: Refusal) -> MalformedAnswer:
    where = refusal.where or "the operator's answer"
    return MalformedAnswer(f"{where}: {refusal.message}", field=where, **refusal.details)


_ANSWER = Reader(_refuse, shows_text=True)


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """Seconds for connecting and for each read, seconds for a whole request, and tries for each request.

    ``deadline_s`` is what a server that sends a byte now and then cannot stretch; it is not tried again after that.
    """

    timeout_s: float = 10.0
    max_attempts: int = 4
    deadline_s: float = 120.0


@dataclass(frozen=True, slots=True)
class BlockTaken:
    """An operator's answer to a block that it has on disk.

    ``digest`` is the block's SHA-256. Where the operator signs for it: the meter's blinded name, the period's start and
    the 65-byte signature; else ``unsigned`` says why not, "" from an operator of an older version.
    """

    digest: bytes
    blinded_meter: bytes = b""
    period_start: int = 0
    signature: bytes = b""
    unsigned: str = ""

    def verified(
        self, channel: bytes, operator: bytes, domain: Domain, is_name_of: Callable[[int, bytes], bool]
    ) -> SignedAcceptance | None:
        """The acceptance, checked to be the operator's own and of this meter; None where it did not sign.

        ``is_name_of`` tells whether a blinded name is the meter's in the period that starts then. Raises:
        AcceptanceUnsigned; the crypto room's errors for a malformed signature.
        """
        if not self.signature:
            return None
        acceptance = BlockAcceptance(channel, operator, self.blinded_meter, self.period_start, self.digest)
        signed = SignedAcceptance(acceptance, domain, self.signature)
        verify_acceptance(signed)
        if not is_name_of(self.period_start, self.blinded_meter):
            raise AcceptanceUnsigned(
                "the acceptance is of another meter or period than the block's",
                hint="nobody can hold the operator to it: keep the block, and ask the operator",
                period_start=self.period_start,
                actual=self.blinded_meter,
            )
        return signed


class OperatorRemote:
    """One operator's server as a client sees it."""

    def __init__(
        self, url: str, settings: RemoteSettings | None = None, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.url = url
        self._settings = settings or RemoteSettings()
        try:
            self._peer = HttpPeer(url, timeout_s=self._settings.timeout_s, deadline_s=self._settings.deadline_s)
        except ConfigError as error:
            raise ConfigError(
                "not an operator's address", actual=show_url(url), hint="give one such as http://127.0.0.1:8547"
            ) from error
        self._prefix = self._peer.path.rstrip("/")
        self._sleep = sleep

    def fetch_status(self) -> dict[str, object]:
        """Who the operator says it is."""
        return self._get_fields("/v1/status").values

    def fetch_operator(self) -> bytes:
        """The account, 20 bytes, that the operator says is its own."""
        return self._get_fields("/v1/status")["operator"].hex(20)

    def fetch_header(self, channel: bytes, sequence: int) -> tuple[BatchHeader, bytes]:
        """A header and its 65-byte signature, as the operator shows them."""
        value = self._get_fields(f"{_batch(channel, sequence)}/header")
        return parse_header(value["header"].hex(HEADER_BYTES)), value["signature"].hex(65)

    def fetch_manifest(self, channel: bytes, sequence: int) -> bytes:
        """The manifest's bytes."""
        return self._get(f"{_batch(channel, sequence)}/manifest", MAX_MANIFEST_BYTES)

    def fetch_bundle(self, channel: bytes, sequence: int) -> Bundle:
        """The whole bundle, each block checked against its CID."""
        raw = self._get(f"{_batch(channel, sequence)}/bundle", MAX_BUNDLE_BYTES)
        reader = CarReader(io.BytesIO(raw), CarLimits(total_bytes=MAX_BUNDLE_BYTES))
        (_, manifest), *rest = reader.blocks()
        return Bundle(manifest, tuple(data for _, data in rest), reader.root_digest)

    def fetch_block(self, channel: bytes, sequence: int, position: int) -> bytes:
        """One ciphertext."""
        return self._get(f"{_batch(channel, sequence)}/blocks/{position}", MAX_BLOCK_BYTES)

    def fetch_roster(self, channel: bytes, sequence: int) -> bytes:
        """SHA-256 of each entry's meter key, back to back."""
        return self._get(f"{_batch(channel, sequence)}/roster", 32 * MAX_ENTRIES)

    def fetch_wrapped_keys(self, channel: bytes, sequence: int, reader: bytes, entry_count: int) -> dict[int, bytes]:
        """A reader's wrapped series keys by position; those that are not served are missing."""
        found: dict[int, bytes] = {}
        for first in range(0, entry_count, _KEYS_PER_PAGE):
            value = self._get_fields(f"{_batch(channel, sequence)}/keys/{reader.hex()}?from={first}")
            keys = value["keys"].fields()
            for position in keys.names(_KEYS_PER_PAGE):
                if _POSITION.fullmatch(position) is None or int(position) >= entry_count:
                    raise MalformedAnswer("a wrapped key has the position of an entry", actual=position[:16])
                wrapped = keys[position]
                found[int(position)] = wrapped.hex(WRAPPED_BYTES) if isinstance(wrapped.value, str) else b""
        return found

    def fetch_entries(self, channel: bytes, sequence: int) -> bytes:
        """Every entry's 118-byte payload, back to back."""
        return self._get(f"{_batch(channel, sequence)}/entries", 118 * MAX_ENTRIES)

    def fetch_entry(self, channel: bytes, sequence: int, position: int) -> EntryInclusion:
        """An entry with its salt and path."""
        value = self._get_fields(f"{_batch(channel, sequence)}/entries/{position}")
        siblings = value["path"].each(lambda sibling: sibling.hex(32), 32)
        return EntryInclusion(position, value["salt"].hex(16), value["payload"].hex(118), siblings)

    def fetch_document(self, channel: bytes, name: str) -> bytes:
        """A document of a channel: ``members``, ``evidence`` or ``endorsements``."""
        return self._get(f"/v1/channels/{channel.hex()}/documents/{name}", MAX_DOCUMENT_BYTES)

    def send_block(self, channel: bytes, body: bytes) -> BlockTaken:
        """Hand a device block in, and what the operator says of it; sending the same one again is harmless.

        Raises: BlockRefused; OperatorUnreachable; MalformedAnswer, also for the word of another block.
        """
        try:
            answer = self._request("POST", f"/v1/channels/{channel.hex()}/blocks", MAX_JSON_BYTES, body)
        except OperatorUnreachable:
            raise
        except Withheld as error:
            refusal, words = _refusal_of(str(error.fields.get("answer", "")))
            raise BlockRefused(
                "the operator does not take this block",
                url=self.url,
                status=error.fields.get("status"),
                refusal=refusal,
                answer=words,
            ) from error
        taken = _taken(_ANSWER.json(answer, MAX_JSON_BYTES).fields())
        if taken.digest != sha256(body):
            raise MalformedAnswer("the answer is to another block", expected=sha256(body), actual=taken.digest)
        return taken

    def _get_fields(self, path: str) -> Fields:
        return _ANSWER.json(self._get(path, MAX_JSON_BYTES), MAX_JSON_BYTES).fields()

    def _get(self, path: str, limit: int) -> bytes:
        return self._request("GET", path, limit, None)

    def _request(self, method: str, path: str, limit: int, body: bytes | None) -> bytes:
        wait_s = FIRST_BACKOFF_S
        cause = ""
        for attempt in range(1, self._settings.max_attempts + 1):
            try:
                found = self._peer.exchange(method, self._prefix + path, limit, body)
            except DeadlinePassed as error:
                cause = error.message
                break
            except AnswerTooLarge as error:
                raise MalformedAnswer("the operator's answer is too large", path=path, expected=limit) from error
            except (OSError, http.client.HTTPException) as error:
                cause = f"{type(error).__name__}: {error}"
            else:
                if found.status in {200, 202}:
                    return found.body
                if found.status not in _RETRIED:
                    raise Withheld(
                        "the operator does not serve this",
                        retryable=False,
                        url=self.url,
                        path=path,
                        status=found.status,
                        answer=found.body[:_MAX_ANSWER_SHOWN].decode(errors="replace"),
                    )
                cause = f"status {found.status}"
            if attempt < self._settings.max_attempts:
                self._sleep(wait_s)
                wait_s *= 2
        raise OperatorUnreachable(
            "the operator does not answer",
            retryable=True,
            url=self.url,
            path=path,
            attempts=self._settings.max_attempts,
            cause=cause,
        )


def _batch(channel: bytes, sequence: int) -> str:
    return f"/v1/channels/{channel.hex()}/batches/{sequence}"


def _taken(told: Fields) -> BlockTaken:
    digest = told["accepted"].hex(32)
    if "signature" not in told:
        reason = told.optional("unsigned")
        return BlockTaken(digest, unsigned="" if reason is None else reason.text(64))
    return BlockTaken(
        digest, told["blinded_meter"].hex(32), told["period_start"].decimal(64), told["signature"].hex(SIGNATURE_BYTES)
    )


def _refusal_of(answer: str) -> tuple[str, str]:
    """The error's name and message of an operator's answer; what is no such answer is shown as it is."""
    try:
        told = _ANSWER.json(answer.encode(), MAX_JSON_BYTES).fields()
        return told["error"].text(64), told["message"].text(_MAX_ANSWER_SHOWN)
    except MalformedAnswer:
        return "", answer
