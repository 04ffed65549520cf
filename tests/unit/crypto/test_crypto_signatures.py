"""Signatures judged in bulk: the verdicts of the single rules, on any number of threads."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from wattest.crypto import p256, secp256k1
from wattest.crypto.errors import BufferRefused, PublicKeyInvalid, SignatureInvalid
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


def holds(algorithm: Algorithm, key: bytes, message: bytes, signature: bytes) -> bool:
    """The verdict of the rule for a single signature."""
    digest = hashlib.sha256(message).digest()
    try:
        if algorithm is Algorithm.P256:
            p256.verify_digest(key, digest, signature)
        elif algorithm is Algorithm.SECP256K1:
            secp256k1.verify_digest(key, digest, signature)
        else:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (SignatureInvalid, PublicKeyInvalid, InvalidSignature):
        return False
    return True


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


@pytest.mark.parametrize(("algorithm", "order"), [(Algorithm.P256, p256.ORDER), (Algorithm.SECP256K1, secp256k1.ORDER)])
def test_numbers_outside_their_range_are_judged_as_the_single_rule_does(algorithm: Algorithm, order: int) -> None:
    keys, signatures = (part[:1] for part in signed(algorithm))
    r, s = signatures[0][:32], signatures[0][32:]
    odd = [number.to_bytes(32, "big") for number in (0, order - 1, order, order + 1, 2**256 - 1)]
    odd += [(order // 2 + more).to_bytes(32, "big") for more in (0, 1)]
    pairs = [r + s, *(r + number for number in odd), *(number + s for number in odd), bytes(64)]
    points = [keys[0], bytes(64), b"\xff" * 64, keys[0][:63] + bytes([keys[0][63] ^ 1]), keys[0][32:] + keys[0][:32]]
    cases = [(key, pair) for key in points for pair in pairs]
    expected = [holds(algorithm, key, MESSAGES[0], pair) for key, pair in cases]
    assert sum(expected) == 1
    found = judge_signatures(
        algorithm, [key for key, _ in cases], MESSAGES[:1] * len(cases), [pair for _, pair in cases]
    )
    assert found == expected


SIGNED = {algorithm: signed(algorithm) for algorithm in Algorithm}


@given(
    st.sampled_from(Algorithm),
    st.lists(
        st.tuples(
            st.integers(0, COUNT - 1),
            st.integers(0, 6),
            st.sampled_from("nksm"),
            st.integers(0, 63),
            st.integers(1, 255),
        ),
        min_size=1,
        max_size=20,
    ),
    st.integers(1, 2),
)
def test_a_batch_says_what_single_verifications_say(
    algorithm: Algorithm, changes: list[tuple[int, int, str, int, int]], threads: int
) -> None:
    """Whole, under another key, or with one byte changed in the key, the signature or the message."""
    keys, messages, signatures = [], [], []
    for place, other, part, at, change in changes:
        key, message, signature = SIGNED[algorithm][0][place], MESSAGES[place], SIGNED[algorithm][1][place]
        if part == "k":
            inside = at % len(key)
            key = key[:inside] + bytes([key[inside] ^ change]) + key[inside + 1 :]
        elif part == "s":
            signature = signature[:at] + bytes([signature[at] ^ change]) + signature[at + 1 :]
        elif part == "m":
            message += bytes([change])
        else:
            key = SIGNED[algorithm][0][other] if at % 2 else key
        keys.append(key)
        messages.append(message)
        signatures.append(signature)
    expected = [holds(algorithm, *each) for each in zip(keys, messages, signatures, strict=True)]
    assert judge_signatures(algorithm, keys, messages, signatures, threads=threads) == expected
