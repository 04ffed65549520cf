"""Series keys wrapped for readers: 80 bytes each, under HPKE contexts that serve many entries and batches.

Decided here: a context's ``info``, a message's number and associated data; how a reader opens many keys; the enclave's
face of the core, which wraps a page at once. Not decided here: which readers an entry has (the enclave), where wrapped
keys lie (``store.operator_store``). Invariant: one (context, number) never encrypts two keys. The core sees to it for
the enclave (``native/series/src/wrap.rs`` has the argument), ascending numbers for the plain rule, ``wrap_series_key``.
Source: docs/spec/sealed-blocks.md, section "Wrapped keys"; ADR 19.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wattest.crypto import hpke, native
from wattest.crypto.errors import BufferRefused, PublicKeyInvalid
from wattest.messages.fields import WORD, require_bytes, require_uint

WRAPPED_BYTES = hpke.ENC_BYTES + WORD + hpke.TAG_BYTES
"""``enc`` 32, ciphertext 32, tag 16."""

MAX_CONTEXTS = 16
"""Contexts that a reader's opener keeps: a batch has one, and one more for each time its pages were made again."""

_DOMAIN = b"wattest/series-key/2"
_INDEX_BITS = 20


def wrapping_context(reader_key: bytes, channel: bytes) -> hpke.SenderContext:
    """A new sender's context of a channel for a reader's X25519 public key (32 bytes).

    Raises: PublicKeyInvalid.
    """
    return hpke.set_up_sender(reader_key, _info(channel))


def wrap_series_key(context: hpke.SenderContext, series_key: bytes, sequence: int, index: int, name: bytes) -> bytes:
    """Wrap the key of one entry; 80 bytes. Entries ascend within a batch, and batches by their sequence.

    Raises: BufferRefused for an entry that is not after all those before.
    """
    require_bytes("series key", series_key, WORD)
    return context.enc + context.seal(_number(sequence, index), series_key, _associated(sequence, name))


def unwrap_series_key(
    reader: hpke.ReaderPrivateKey, wrapped: bytes, channel: bytes, sequence: int, index: int, name: bytes
) -> bytes:
    """The 32-byte key of one entry; ``SeriesKeyOpener`` is for many.

    Raises: AuthenticationFailed when it was wrapped for another reader, channel, batch or entry; BufferRefused for
    another length.
    """
    return SeriesKeyOpener(reader, channel).unwrap(wrapped, sequence, index, name)


class SeriesKeyOpener:
    """One reader's keys of one channel; keys with the same ``enc`` share one set-up."""

    __slots__ = ("_contexts", "_info", "_reader")

    def __init__(self, reader: hpke.ReaderPrivateKey, channel: bytes) -> None:
        self._reader = reader
        self._info = _info(channel)
        self._contexts: dict[bytes, hpke.ReceiverContext] = {}

    def unwrap(self, wrapped: bytes, sequence: int, index: int, name: bytes) -> bytes:
        """The 32-byte key of the entry at ``index`` of batch ``sequence``, by its name.

        Raises: AuthenticationFailed when it was wrapped for another reader, channel, batch or entry; BufferRefused for
        another length.
        """
        if len(wrapped) != WRAPPED_BYTES:
            raise BufferRefused("a wrapped key has 80 bytes", expected=WRAPPED_BYTES, actual=len(wrapped))
        number, associated = _number(sequence, index), _associated(sequence, name)
        enc = wrapped[: hpke.ENC_BYTES]
        context = self._contexts.get(enc)
        if context is None:
            context = hpke.set_up_receiver(self._reader, enc, self._info)
            if len(self._contexts) == MAX_CONTEXTS:
                self._contexts.clear()
            self._contexts[enc] = context
        return context.open_sealed(number, wrapped[hpke.ENC_BYTES :], associated)


class KeyWrapping:
    """One batch's keys, names and contexts as they were checked out."""

    __slots__ = ("_wrapping",)

    def __init__(self, wrapping: native.KeyWrapping) -> None:
        self._wrapping = wrapping

    def page(self, start: int, count: int, *, threads: int | None = None) -> list[bytes]:
        """For each of the entries [start, start + count) its key for each of its readers in order, 80 bytes each.

        Raises: PublicKeyInvalid, with the entry as ``index``, for a reader's key of small order; BufferRefused for a
        page that reaches outside the batch.
        """
        try:
            wrapped, refused = self._wrapping.page(start, count, threads)
        except native.Fault as fault:
            _, message, fields = fault.args
            raise BufferRefused(message, expected=fields.get("size"), actual=fields.get("index")) from None
        if refused is not None:
            place, reader = refused
            raise PublicKeyInvalid("an X25519 public key of small order", public_key=reader, index=start + place)
        return wrapped


class ReaderContexts:
    """The sender's contexts of one channel's readers; they stay in the core's memory. ``len`` is how many are kept."""

    __slots__ = ("_contexts",)

    def __init__(self, channel: bytes) -> None:
        require_bytes("channel", channel, WORD)
        self._contexts = native.ReaderContexts(channel)

    def __len__(self) -> int:
        return len(self._contexts)

    def check_out(
        self, sequence: int, names: Sequence[bytes], series_keys: Sequence[bytes], readers: Sequence[Sequence[bytes]]
    ) -> KeyWrapping:
        """The contexts of a batch's readers (X25519 keys of each entry), bound to its names and keys (32 bytes each).

        A reader's context is used again if it served batches of lower sequences only, else a new one takes its place.
        Nothing is set up before a page needs it. Raises: BufferRefused for rows that do not belong together.
        """
        require_uint("sequence", sequence, 64)
        ends = np.cumsum([len(group) for group in readers], dtype=np.uint64).astype(">u8").tobytes()
        flat = b"".join(reader for group in readers for reader in group)
        try:
            wrapping = self._contexts.check_out(sequence, b"".join(names), b"".join(series_keys), flat, ends)
        except native.Fault as fault:
            _, message, fields = fault.args
            raise BufferRefused(message, expected=fields.get("expected"), actual=fields.get("actual")) from None
        return KeyWrapping(wrapping)


def _info(channel: bytes) -> bytes:
    require_bytes("channel", channel, WORD)
    return _DOMAIN + channel


def _number(sequence: int, index: int) -> int:
    require_uint("sequence", sequence, 64)
    require_uint("entry index", index, _INDEX_BITS)
    return sequence << _INDEX_BITS | index


def _associated(sequence: int, name: bytes) -> bytes:
    require_bytes("entry name", name, WORD)
    return sequence.to_bytes(8, "big") + name
