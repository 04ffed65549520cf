"""``vectors/crypto`` against the package."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wattest.crypto import aead, canonical, hashing, hpke, p256, secp256k1
from wattest.crypto.errors import SignatureInvalid
from wattest.errors import WattestError

FOLDER = Path(__file__).resolve().parents[2] / "vectors" / "crypto"


def cases(family: str) -> list[Any]:
    listed = json.loads((FOLDER / f"{family}.json").read_text())["cases"]
    return [pytest.param(case, id=case.get("name", str(at))) for at, case in enumerate(listed)]


def read(case: dict[str, Any], *names: str) -> list[bytes]:
    return [bytes.fromhex(case[name]) for name in names]


def check(case: dict[str, Any], attempt: Callable[[], object]) -> object:
    if case["outcome"] == "accepted":
        return attempt()
    with pytest.raises(WattestError) as refused:
        attempt()
    assert refused.value.code == case["outcome"]
    return None


@pytest.mark.parametrize("case", cases("keccak"))
def test_keccak(case: dict[str, Any]) -> None:
    assert hashing.keccak256(bytes.fromhex(case["data"])).hex() == case["digest"]


@pytest.mark.parametrize("case", cases("salts"))
def test_salts(case: dict[str, Any]) -> None:
    derived = hashing.derive_salts(bytes.fromhex(case["series_key"]), case["tag"], len(case["salts"]))
    assert derived.hex() == "".join(case["salts"])


@pytest.mark.parametrize("case", cases("p256"))
def test_p256(case: dict[str, Any]) -> None:
    public_key, digest, signature = read(case, "public_key", "digest", "signature")
    check(case, lambda: p256.verify_digest(public_key, digest, signature))
    if "seed" in case:
        key = p256.P256PrivateKey.from_seed(bytes.fromhex(case["seed"]))
        assert key.public_key == public_key
        assert key.sign_digest(digest) == signature


@pytest.mark.parametrize("case", cases("secp256k1"))
def test_secp256k1(case: dict[str, Any]) -> None:
    public_key, digest, signature, address = read(case, "public_key", "digest", "signature", "address")
    check(case, lambda: secp256k1.verify_digest(public_key, digest, signature))
    recoverable = signature + bytes([case["v"]])
    if "seed" in case:
        key = secp256k1.Secp256k1PrivateKey.from_seed(bytes.fromhex(case["seed"]))
        assert (key.public_key, key.address) == (public_key, address)
        assert key.sign_digest(digest) == recoverable
        assert secp256k1.recover_address(digest, recoverable) == address
        assert secp256k1.recover_public_key(digest, recoverable) == public_key
        with pytest.raises(SignatureInvalid):
            secp256k1.recover_address(digest, signature + bytes([case["v"] - 27]))
        assert recovered(digest, signature + bytes([55 - case["v"]])) != address
    elif case["outcome"] == "SignatureInvalid":
        assert recovered(digest, recoverable) != address


def recovered(digest: bytes, signature: bytes) -> bytes | None:
    """The address recovered, or None where none is."""
    try:
        return secp256k1.recover_address(digest, signature)
    except SignatureInvalid:
        return None


@pytest.mark.parametrize("case", cases("aead"))
def test_aead(case: dict[str, Any]) -> None:
    key, nonce, associated, plaintext, sealed = read(case, "key", "nonce", "associated", "plaintext", "sealed")
    opened = check(case, lambda: aead.open_sealed(key, nonce, sealed, associated))
    if case["outcome"] == "accepted":
        assert opened == plaintext
        assert aead.seal(key, nonce, plaintext, associated) == sealed


@pytest.mark.parametrize("case", cases("hpke"))
def test_hpke(case: dict[str, Any]) -> None:
    seed, public_key, info, enc = read(case, "seed", "public_key", "info", "enc")
    associated, plaintext, sealed = read(case, "associated", "plaintext", "sealed")
    reader = hpke.ReaderPrivateKey.from_seed(seed)
    assert reader.public_key == public_key
    number = int(case["number"])
    opened = check(case, lambda: hpke.set_up_receiver(reader, enc, info).open_sealed(number, sealed, associated))
    if case["outcome"] == "accepted":
        assert opened == plaintext


@pytest.mark.parametrize("case", cases("canonical"))
def test_canonical(case: dict[str, Any]) -> None:
    text = bytes.fromhex(case["text"])
    value = check(case, lambda: canonical.parse(text))
    if case["outcome"] == "accepted":
        assert canonical.encode(value) == text
