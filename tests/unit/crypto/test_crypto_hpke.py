"""HPKE contexts: the RFC's own vectors, the library's single shots, limits, and numbers that never come twice."""

from __future__ import annotations

import copy
import pickle

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke as library
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from wattest.crypto import hpke
from wattest.crypto.errors import AuthenticationFailed, BufferRefused, PublicKeyInvalid
from wattest.crypto.hpke import ReaderPrivateKey, set_up_receiver, set_up_sender

SEED = bytes(range(32))
READER = ReaderPrivateKey.from_seed(SEED)
SUITE = library.Suite(library.KEM.X25519, library.KDF.HKDF_SHA256, library.AEAD.AES_256_GCM)

# RFC 9180, appendix A.1.1: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-128-GCM, base mode. There is none for AES-256.
RFC_READER = ReaderPrivateKey.from_seed(
    bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
)
RFC_ENC = bytes.fromhex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431")
RFC_SECRET_KEY = X25519PrivateKey.from_private_bytes(
    bytes.fromhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736")
)
RFC_INFO = b"Ode on a Grecian Urn"
RFC_PLAINTEXT = b"Beauty is truth, truth beauty"
RFC_MESSAGES = {
    0: "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
    1: "af2d7e9ac9ae7e270f46ba1f975be53c09f8d875bdc8535458c2494e8a6eab251c03d0c22a56b8ca42c2063b84",
    2: "498dfcabd92e8acedc281e85af1cb4e3e31c7dc394a1ca20e173cb72516491588d96a19ad4a683518973dcc180",
    4: "583bd32bc67a5994bb8ceaca813d369bca7b2a42408cddef5e22f880b631215a09fc0012bc69fccaa251c0246d",
    255: "7175db9717964058640a3a11fb9007941a5d1757fda1a6935c805c21af32505bf106deefec4a49ac38d71c9e0a",
    256: "957f9800542b0b8891badb026d79cc54597cb2d225b54c00c5238c25d05c30e3fbeda97d2e0e1aba483a2df9f2",
}


@pytest.mark.parametrize("number", RFC_MESSAGES)
def test_the_messages_of_the_rfc_open_by_their_numbers(number: int) -> None:
    context = hpke._set_up_receiver(RFC_READER, RFC_ENC, RFC_INFO, hpke._AES_128_GCM)
    sealed, associated = bytes.fromhex(RFC_MESSAGES[number]), b"Count-%d" % number
    assert context.open_sealed(number, sealed, associated) == RFC_PLAINTEXT
    for other, bound in ((number + 1, associated), (number, b"Count-x")):
        with pytest.raises(AuthenticationFailed):
            context.open_sealed(other, sealed, bound)


def test_the_sender_of_the_rfc_seals_its_messages() -> None:
    secret = RFC_SECRET_KEY.exchange(X25519PublicKey.from_public_bytes(RFC_READER.public_key))
    scheduled = hpke._schedule(secret, RFC_ENC, RFC_READER.public_key, RFC_INFO, hpke._AES_128_GCM)
    assert [part.hex() for part in scheduled] == ["4531685d41d65f03dc48f6b8302c05b0", "56d890e5accaaf011cff4b7d"]
    context = hpke.SenderContext(*scheduled, RFC_ENC)
    sealed = {number: context.seal(number, RFC_PLAINTEXT, b"Count-%d" % number).hex() for number in RFC_MESSAGES}
    assert sealed == RFC_MESSAGES


def test_message_0_without_associated_data_is_the_library_s_single_shot() -> None:
    shot = SUITE.encrypt(bytes(32), X25519PublicKey.from_public_bytes(READER.public_key), b"info")
    assert set_up_receiver(READER, shot[:32], b"info").open_sealed(0, shot[32:], b"") == bytes(32)
    sender, private = set_up_sender(READER.public_key, b"info"), X25519PrivateKey.from_private_bytes(SEED)
    assert SUITE.decrypt(sender.enc + sender.seal(0, bytes(32), b""), private, b"info") == bytes(32)
    with pytest.raises(InvalidTag):
        SUITE.decrypt(sender.enc + sender.seal(1, bytes(32), b""), private, b"info")


def test_a_set_up_is_fresh_each_time() -> None:
    first, second = (set_up_sender(READER.public_key, b"info") for _ in range(2))
    assert len(first.enc) == 32
    assert first.enc != second.enc
    sealed = first.seal(5, b"message", b"bound")
    assert set_up_receiver(READER, first.enc, b"info").open_sealed(5, sealed, b"bound") == b"message"
    with pytest.raises(AuthenticationFailed):
        set_up_receiver(READER, second.enc, b"info").open_sealed(5, sealed, b"bound")


def test_no_number_comes_twice_under_a_sender_s_context() -> None:
    context = set_up_sender(READER.public_key, b"")
    context.seal(7, b"", b"")
    for number in (7, 6, 0, -1, hpke.NUMBERS):
        with pytest.raises(BufferRefused):
            context.seal(number, b"", b"")
    context.seal(8, b"", b"")
    context.seal(hpke.NUMBERS - 1, b"", b"")
    for double in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            double(context)


def test_a_message_refused_for_its_length_uses_no_number() -> None:
    context = set_up_sender(READER.public_key, b"")
    with pytest.raises(BufferRefused):
        context.seal(0, bytes(hpke.MESSAGE_MAX_BYTES + 1), b"")
    assert len(context.seal(0, bytes(hpke.MESSAGE_MAX_BYTES), b"")) == hpke.MESSAGE_MAX_BYTES + 16


def test_limits() -> None:
    for length in (0, 16, 31, 33):
        with pytest.raises(PublicKeyInvalid):
            set_up_sender(b"\x09" * length, b"")
        with pytest.raises(BufferRefused):
            set_up_receiver(READER, b"\x09" * length, b"")
    sender = set_up_sender(READER.public_key, b"i" * 1024)
    sealed = sender.seal(0, bytes(32), b"")
    receiver = set_up_receiver(READER, sender.enc, b"i" * 1024)
    assert receiver.open_sealed(0, sealed, b"") == bytes(32)
    for number in (-1, hpke.NUMBERS):
        with pytest.raises(BufferRefused):
            receiver.open_sealed(number, sealed, b"")
    for wrong in (b"", sealed[:15], bytes(hpke.MESSAGE_MAX_BYTES + 17)):
        with pytest.raises(BufferRefused):
            receiver.open_sealed(0, wrong, b"")
    with pytest.raises(BufferRefused):
        set_up_sender(READER.public_key, b"i" * 1025)
    with pytest.raises(BufferRefused):
        set_up_receiver(READER, sender.enc, b"i" * 1025)


@pytest.mark.parametrize("small_order", [bytes(32), (1).to_bytes(32, "little")])
def test_points_of_small_order_are_refused_on_both_sides(small_order: bytes) -> None:
    with pytest.raises(PublicKeyInvalid):
        set_up_sender(small_order, b"")
    with pytest.raises(AuthenticationFailed):
        set_up_receiver(READER, small_order, b"")


def test_contexts_show_nothing() -> None:
    sender = set_up_sender(READER.public_key, b"")
    receiver = set_up_receiver(READER, sender.enc, b"")
    for context in (sender, receiver):
        assert repr(context).startswith("<wattest.crypto.hpke.")
        with pytest.raises(TypeError):
            pickle.dumps(context)
