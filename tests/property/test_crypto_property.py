"""Parsers and verifiers of crypto on arbitrary and mutated bytes: a value or a typed error, never anything else."""

from __future__ import annotations

import json
from typing import Any

import crypto_reference as reference
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.crypto import aead, canonical, hpke, p256, secp256k1
from wattest.crypto.errors import CanonicalJsonInvalid
from wattest.errors import InputError, VerificationError

INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
SEEDS = st.integers(1, 2**250).map(lambda number: number.to_bytes(32, "big"))
DIGESTS = st.binary(min_size=32, max_size=32)
KEY = p256.P256PrivateKey.from_seed(b"\x07" * 32)
READER = hpke.ReaderPrivateKey.from_seed(b"\x07" * 32)


@given(VALUES)
def test_canonical_round_trip(value: Any) -> None:
    text = canonical.encode(value)
    assert canonical.parse(text) == value
    assert json.loads(text) == value


@given(VALUES, st.data())
def test_a_changed_text_is_refused_or_another_values_own(value: Any, data: st.DataObject) -> None:
    text = canonical.encode(value)
    at = data.draw(st.integers(0, len(text)))
    byte = data.draw(st.integers(0, 255))
    changed = data.draw(
        st.sampled_from(
            [text[:at] + bytes((byte,)) + text[at:], text[:at] + bytes((byte,)) + text[at + 1 :], text[:at]]
        )
    )
    try:
        parsed = canonical.parse(changed)
    except CanonicalJsonInvalid:
        return
    assert canonical.encode(parsed) == changed


@given(st.binary(max_size=300) | st.text('{}[]",:\\u019ae.-+truefalsnl ', max_size=80).map(str.encode))
def test_any_bytes_are_canonical_or_refused(text: bytes) -> None:
    try:
        value = canonical.parse(text)
    except CanonicalJsonInvalid:
        return
    assert canonical.encode(value) == text


@given(SEEDS, DIGESTS)
def test_signatures_are_the_reference(seed: bytes, digest: bytes) -> None:
    for curve, key in (
        (reference.P256, p256.P256PrivateKey.from_seed(seed)),
        (reference.SECP256K1, secp256k1.Secp256k1PrivateKey.from_seed(seed)),
    ):
        r, s, parity = curve.sign(seed, digest)
        assert key.public_key == curve.public_key(seed)
        expected = r.to_bytes(32, "big") + s.to_bytes(32, "big")
        assert key.sign_digest(digest) in (expected, expected + bytes((27 + parity,)))


@given(st.binary(max_size=70), st.binary(max_size=70))
def test_arbitrary_keys_and_signatures_are_refused(key: bytes, signature: bytes) -> None:
    digest = bytes(32)
    for verify in (p256.verify_digest, secp256k1.verify_digest):
        with pytest.raises(VerificationError):
            verify(key, digest, signature)
        with pytest.raises(VerificationError):
            verify(key, digest, signature.ljust(64, b"\x01")[:64])
    with pytest.raises(VerificationError):
        p256.verify_digest(KEY.public_key, digest, signature)


@given(st.binary(max_size=66))
def test_recovery_gives_an_address_or_a_refusal(signature: bytes) -> None:
    for candidate in (signature, signature.ljust(64, b"\x01")[:64] + b"\x1b"):
        try:
            address = secp256k1.recover_address(bytes(32), candidate)
        except VerificationError:
            continue
        assert len(address) == 20
        public_key = secp256k1.recover_public_key(bytes(32), candidate)
        secp256k1.verify_digest(public_key, bytes(32), candidate[:64])


@given(st.binary(max_size=100), st.binary(max_size=12), st.binary(max_size=20))
def test_opening_arbitrary_bytes(sealed: bytes, nonce: bytes, info: bytes) -> None:
    with pytest.raises((InputError, VerificationError)):
        aead.open_sealed(bytes(32), nonce, sealed, info)
    with pytest.raises((InputError, VerificationError)):
        hpke.set_up_receiver(READER, sealed, info).open_sealed(0, sealed, nonce)
    context = hpke.set_up_receiver(READER, sealed.ljust(32, b"\x01")[:32], info)
    with pytest.raises((InputError, VerificationError)):
        context.open_sealed(int.from_bytes(nonce, "big"), sealed, info)


numbers = st.integers(0, hpke.NUMBERS - 1)


@given(st.binary(min_size=32, max_size=32), numbers, st.binary(max_size=40), st.binary(max_size=40), st.binary())
def test_the_reference_seals_what_the_reader_opens(
    ephemeral: bytes, number: int, plaintext: bytes, info: bytes, associated: bytes
) -> None:
    context = reference.hpke_set_up(READER.public_key, ephemeral, info)
    sealed = reference.hpke_seal(context, number, plaintext, associated)
    assert hpke.set_up_receiver(READER, context.enc, info).open_sealed(number, sealed, associated) == plaintext


@given(st.lists(numbers, min_size=1, max_size=8, unique=True), st.data())
def test_a_context_opens_each_message_by_its_number_alone(chosen: list[int], data: st.DataObject) -> None:
    sender = hpke.set_up_sender(READER.public_key, b"info")
    receiver = hpke.set_up_receiver(READER, sender.enc, b"info")
    sealed = {number: sender.seal(number, number.to_bytes(12, "big"), b"bound") for number in sorted(chosen)}
    for number in data.draw(st.permutations(chosen)):
        assert receiver.open_sealed(number, sealed[number], b"bound") == number.to_bytes(12, "big")
        other = data.draw(numbers)
        if other != number:
            with pytest.raises(VerificationError):
                receiver.open_sealed(other, sealed[number], b"bound")
        with pytest.raises(InputError):
            sender.seal(number, bytes(12), b"bound")
