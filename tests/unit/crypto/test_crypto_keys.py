"""Private keys: what they take, what they never show, and that signing is deterministic and low."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from wattest.crypto import p256, secp256k1
from wattest.crypto.errors import BufferRefused, KeyMaterialInvalid, PublicKeyInvalid, SignatureInvalid
from wattest.crypto.hpke import ReaderPrivateKey, verify_reader_key
from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey

SEED = bytes.fromhex("11" * 31 + "77")
DIGEST = bytes(range(32))
KEYS = [P256PrivateKey, Secp256k1PrivateKey, ReaderPrivateKey]
CURVES = [(p256, P256PrivateKey), (secp256k1, Secp256k1PrivateKey)]


@pytest.mark.parametrize("kind", KEYS)
def test_no_secret_is_shown_or_given_away(kind: Any) -> None:
    key = kind.from_seed(SEED)
    for text in (repr(key), str(key), f"{key}"):
        assert SEED.hex() not in text
        assert str(int.from_bytes(SEED, "big")) not in text
    for give in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            give(key)
    assert not hasattr(key, "__dict__")


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_seed_length(kind: Any, length: int) -> None:
    with pytest.raises(KeyMaterialInvalid) as refused:
        kind.from_seed(b"\x01" * length)
    assert refused.value.fields == {"expected": 32, "actual": length}


@pytest.mark.parametrize(("room", "kind"), CURVES)
def test_seed_range(room: Any, kind: Any) -> None:
    for outside in (0, room.ORDER, room.ORDER + 1, 2**256 - 1):
        with pytest.raises(KeyMaterialInvalid) as refused:
            kind.from_seed(outside.to_bytes(32, "big"))
        assert "actual" not in refused.value.fields
    for inside in (1, room.ORDER - 1):
        kind.from_seed(inside.to_bytes(32, "big"))


@pytest.mark.parametrize(("room", "kind"), CURVES)
def test_signing_is_deterministic_and_low(room: Any, kind: Any) -> None:
    key = kind.from_seed(SEED)
    for number in range(20):
        digest = number.to_bytes(32, "big")
        signature = key.sign_digest(digest)
        assert signature == kind.from_seed(SEED).sign_digest(digest)
        assert 1 <= int.from_bytes(signature[32:64], "big") <= room.ORDER // 2
        room.verify_digest(key.public_key, digest, signature[:64])


@pytest.mark.parametrize(("room", "kind"), CURVES)
@pytest.mark.parametrize("length", [0, 20, 31, 33, 64])
def test_only_digests_are_signed_and_verified(room: Any, kind: Any, length: int) -> None:
    key = kind.from_seed(SEED)
    signature = key.sign_digest(DIGEST)
    with pytest.raises(BufferRefused):
        key.sign_digest(bytes(length))
    with pytest.raises(BufferRefused):
        room.verify_digest(key.public_key, bytes(length), signature[:64])


@pytest.mark.parametrize(("room", "kind"), CURVES)
def test_normalising_gives_the_one_accepted_form(room: Any, kind: Any) -> None:
    key = kind.from_seed(SEED)
    low = key.sign_digest(DIGEST)[:64]
    high = low[:32] + (room.ORDER - int.from_bytes(low[32:], "big")).to_bytes(32, "big")
    with pytest.raises(SignatureInvalid):
        room.verify_digest(key.public_key, DIGEST, high)
    assert room.normalise_signature(high) == low
    assert room.normalise_signature(low) == low
    half = room.ORDER // 2
    edge = low[:32] + half.to_bytes(32, "big")
    assert room.normalise_signature(edge) == edge
    assert room.normalise_signature(low[:32] + (half + 1).to_bytes(32, "big")) == edge
    zero, order = bytes(32), room.ORDER.to_bytes(32, "big")
    for wrong in (b"", low[:-1], low + b"\x00", zero + low[32:], low[:32] + zero, order + low[32:], low[:32] + order):
        with pytest.raises(BufferRefused):
            room.normalise_signature(wrong)


@pytest.mark.parametrize(("room", "kind"), CURVES)
def test_public_keys_are_checked(room: Any, kind: Any) -> None:
    key = kind.from_seed(SEED).public_key
    room.verify_public_key(key)
    for wrong in (b"", key[:-1], key + b"\x00", bytes(64), key[32:] + key[:32], key[:63] + bytes((key[63] ^ 1,))):
        with pytest.raises(PublicKeyInvalid):
            room.verify_public_key(wrong)


def test_addresses() -> None:
    """The address of scalar 1 is widely known."""
    key = Secp256k1PrivateKey.from_seed((1).to_bytes(32, "big"))
    assert key.address.hex() == "7e5f4552091a69125d5dfcb7b8c2659029395bdf"
    assert secp256k1.address_of(key.public_key) == key.address
    with pytest.raises(PublicKeyInvalid):
        secp256k1.address_of(key.public_key[1:])


@pytest.mark.parametrize("v", [0, 1, 2, 26, 29, 30, 255])
def test_only_ethereum_recovery_ids(v: int) -> None:
    key = Secp256k1PrivateKey.from_seed(SEED)
    signature = key.sign_digest(DIGEST)
    assert secp256k1.recover_address(DIGEST, signature) == key.address
    with pytest.raises(SignatureInvalid):
        secp256k1.recover_address(DIGEST, signature[:64] + bytes((v,)))


def test_recovery_where_there_is_no_point() -> None:
    """r = 5 is no x coordinate of secp256k1 (5**3 + 7 is no square)."""
    with pytest.raises(SignatureInvalid):
        secp256k1.recover_address(DIGEST, (5).to_bytes(32, "big") + (1).to_bytes(32, "big") + b"\x1b")
    for length in (0, 64, 66):
        with pytest.raises(SignatureInvalid):
            secp256k1.recover_public_key(DIGEST, b"\x01" * length)


def test_reader_keys_of_small_order_are_those_that_the_library_refuses() -> None:
    prime = 2**255 - 19
    order_8 = (
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    )
    points = [bytes.fromhex(text) for text in order_8] + [
        u.to_bytes(32, "little") for u in (0, 1, 2, 9, prime - 2, prime - 1, prime, prime + 1, prime + 2, 2**255 - 1)
    ]
    private, refused = X25519PrivateKey.from_private_bytes(bytes(range(32))), 0
    for point in points:
        for public in (point, point[:31] + bytes([point[31] | 0x80])):
            try:
                private.exchange(X25519PublicKey.from_public_bytes(public))
            except ValueError:
                refused += 1
                with pytest.raises(PublicKeyInvalid):
                    verify_reader_key(public)
            else:
                verify_reader_key(public)
    assert refused == 14
    with pytest.raises(PublicKeyInvalid):
        verify_reader_key(bytes(31))
