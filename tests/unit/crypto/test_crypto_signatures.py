"""Signatures judged in bulk: the verdicts of the single rules, on any number of threads."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wattest.crypto import p256, secp256k1
from wattest.crypto.errors import BufferRefused
from wattest.crypto.p256 import P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.crypto.signatures import Algorithm, judge_signatures

COUNT = 600
MESSAGES = [b"message %d" % n * (n % 5) for n in range(COUNT)]


def seed(n: int) -> bytes:
    return hashlib.sha256(b"seed %d" % (n % 7)).digest()


def signed(algorithm: Algorithm) -> tuple[list[bytes], list[bytes]]:
    """Keys and signatures over ``MESSAGES``, seven keys in turn."""
    keys, signatures = [], []
    for n, message in enumerate(MESSAGES):
        digest = hashlib.sha256(message).digest()
        if algorithm is Algorithm.P256:
            meter = P256PrivateKey.from_seed(seed(n))
            keys.append(meter.public_key)
            signatures.append(meter.sign_digest(digest))
        elif algorithm is Algorithm.SECP256K1:
            account = Secp256k1PrivateKey.from_seed(seed(n))
            keys.append(account.public_key)
            signatures.append(account.sign_digest(digest)[:64])
        else:
            key = Ed25519PrivateKey.from_private_bytes(seed(n))
            keys.append(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
            signatures.append(key.sign(message))
    return keys, signatures


@pytest.mark.parametrize("threads", [None, 1, 3])
@pytest.mark.parametrize("algorithm", Algorithm)
def test_each_signature_gets_its_own_verdict(algorithm: Algorithm, threads: int | None) -> None:
    keys, signatures = signed(algorithm)
    assert judge_signatures(algorithm, keys, MESSAGES, signatures, threads=threads) == [True] * COUNT
    broken = list(signatures)
    for place in (0, 255, 256, 599):
        broken[place] = bytes([broken[place][0] ^ 1]) + broken[place][1:]
    expected = [place not in {0, 255, 256, 599} for place in range(COUNT)]
    assert judge_signatures(algorithm, keys, MESSAGES, broken, threads=threads) == expected


@pytest.mark.parametrize(("algorithm", "order"), [(Algorithm.P256, p256.ORDER), (Algorithm.SECP256K1, secp256k1.ORDER)])
def test_a_high_s_and_a_key_off_the_curve_do_not_hold(algorithm: Algorithm, order: int) -> None:
    keys, signatures = (part[:1] for part in signed(algorithm))
    high = signatures[0][:32] + (order - int.from_bytes(signatures[0][32:], "big")).to_bytes(32, "big")
    assert judge_signatures(algorithm, keys, MESSAGES[:1], [high]) == [False]
    assert judge_signatures(algorithm, [bytes(64)], MESSAGES[:1], signatures) == [False]


@pytest.mark.parametrize("algorithm", Algorithm)
def test_other_lengths_are_refused(algorithm: Algorithm) -> None:
    keys, signatures = (part[:2] for part in signed(algorithm))
    for args in (
        (keys, MESSAGES[:1], signatures),
        (keys, MESSAGES[:2], signatures[:1]),
        ([keys[0], keys[1][:-1]], MESSAGES[:2], signatures),
        (keys, MESSAGES[:2], [signatures[0] + b"\0", signatures[1]]),
    ):
        with pytest.raises(BufferRefused):
            judge_signatures(algorithm, *args)
    assert judge_signatures(algorithm, [], [], []) == []
