"""``vectors/signatures``: edges of ECDSA and of DER in Python and in the core, which must say the same of each.

``native/series/tests/vectors.rs`` and ``contracts/test/Signatures.t.sol`` read the same files.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from wattest.crypto import p256, secp256k1
from wattest.crypto.signatures import Algorithm, judge_signatures
from wattest.errors import WattestError
from wattest.metering.readers import secp192k1
from wattest.metering.readers.public_key import MeterPublicKey, curve_by_name, parse_public_key, parse_public_key_bytes
from wattest.metering.readers.signature import (
    DecodedSignature,
    MalformedSignature,
    MeterSignatureInvalid,
    parse_signature,
    verify_signature,
)
from wattest.metering.readers.signature_batch import hold_together

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
CURVES: dict[str, tuple[ModuleType, Algorithm]] = {
    "secp256r1": (p256, Algorithm.P256),
    "secp256k1": (secp256k1, Algorithm.SECP256K1),
}
Case = dict[str, Any]


def read(name: str) -> list[Case]:
    listed: list[Case] = json.loads((VECTORS / "signatures" / f"{name}.json").read_text())["cases"]
    return listed


def compare(name: str, expected: Callable[[Case], object], found: Callable[[Case], object]) -> None:
    """Every case of a file; all that differ are shown by their names."""
    listed = read(name)
    assert len(listed) > 10
    differ = {
        f"{case.get('kind', '')} {case['name']}": (expected(case), found(case))
        for case in listed
        if expected(case) != found(case)
    }
    assert not differ


def outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except WattestError as error:
        return error.code
    return "accepted"


def parts(case: Case) -> tuple[bytes, bytes, bytes]:
    public_key, digest, signature = (bytes.fromhex(case[name]) for name in ("public_key", "digest", "signature"))
    return public_key, digest, signature


def numbers(data: bytes) -> tuple[int, int]:
    half = len(data) // 2
    return int.from_bytes(data[:half], "big"), int.from_bytes(data[half:], "big")


@pytest.mark.parametrize("curve", CURVES)
def test_strict_rule(curve: str) -> None:
    verify, verify_key = CURVES[curve][0].verify_digest, CURVES[curve][0].verify_public_key
    compare(curve, lambda case: case["outcome"], lambda case: outcome(lambda: verify(*parts(case))))
    wrong = [case for case in read(curve) if case["outcome"] == "PublicKeyInvalid"]
    assert {outcome(lambda: verify_key(parts(case)[0])) for case in wrong} == {"PublicKeyInvalid"}  # noqa: B023


@pytest.mark.parametrize("curve", CURVES)
def test_the_core_judges_alike_in_bulk(curve: str) -> None:
    """Over messages, as the core takes them; a key or signature of another length is refused as a whole."""
    asked = [case for case in read(curve) if case["message"] is not None]
    whole = [case for case in asked if (len(case["public_key"]), len(case["signature"])) == (128, 128)]
    algorithm = CURVES[curve][1]
    columns = [[bytes.fromhex(case[name]) for case in whole] for name in ("public_key", "message", "signature")]
    expected = [case["outcome"] == "accepted" for case in whole]
    assert 100 < sum(expected) < len(expected) - 100
    for threads in (1, 3):
        assert judge_signatures(algorithm, columns[0], columns[1], columns[2], threads=threads) == expected
    for case in asked:
        if case not in whole:
            row = [[bytes.fromhex(case[name])] for name in ("public_key", "message", "signature")]
            assert outcome(lambda: judge_signatures(algorithm, *row)) == "BufferRefused"  # noqa: B023


@pytest.mark.parametrize("curve", ["secp256r1", "secp256k1", "secp192k1"])
def test_meters_signatures_follow_textbook_ecdsa(curve: str) -> None:
    """OCMF knows no low-s rule; ``hold_together`` says yes to no more than ``verify_signature`` does."""
    chosen = curve_by_name(curve)
    assert chosen is not None
    checks, expected, size = [], [], 2 * chosen.coordinate_bytes
    for case in read(curve):
        public_key, _, signature = parts(case)
        if case["message"] is None or len(public_key) != size or len(signature) != size:
            continue
        key, pair = MeterPublicKey(public_key, chosen), DecodedSignature(*numbers(signature))
        checks.append((key, "256", bytes.fromhex(case["message"]), pair))
        expected.append(case["ecdsa"])
        found = outcome(lambda: verify_signature(*checks[-1]))
        assert found == ("accepted" if case["ecdsa"] else MeterSignatureInvalid.__name__), case["name"]
    assert 100 < sum(expected) < len(expected) - 80
    assert hold_together(checks) == ([False] * len(checks) if curve == "secp192k1" else expected)


def test_secp192k1() -> None:
    def holds(case: Case) -> bool:
        public_key, digest, signature = parts(case)
        return secp192k1.is_signature(*numbers(public_key), digest, *numbers(signature))

    compare("secp192k1", lambda case: case["ecdsa"], holds)


@pytest.mark.parametrize("curve", ["secp256r1", "secp256k1", "secp192k1"])
def test_a_wrong_key_is_named_as_such(curve: str) -> None:
    """Whatever it is said to have signed: not the signature is at fault."""
    chosen = curve_by_name(curve)
    wrong = [case for case in read(curve) if case["kind"] == "wrong key" and not case["ecdsa"]]
    assert len(wrong) > 10
    for case in wrong:
        public_key, _, signature = parts(case)
        with pytest.raises(MeterSignatureInvalid, match=f"no point on {curve}"):
            verify_signature(MeterPublicKey(public_key, chosen), "256", b"any", DecodedSignature(*numbers(signature)))


def test_recovery() -> None:
    def recovered(case: Case) -> tuple[str, str]:
        digest, signature = bytes.fromhex(case["digest"]), bytes.fromhex(case["signature"])
        found = outcome(lambda: secp256k1.recover_address(digest, signature))
        if found != "accepted":
            return found, bytes(20).hex()
        key = secp256k1.recover_public_key(digest, signature)
        assert outcome(lambda: secp256k1.verify_digest(key, digest, signature[:64])) == "accepted"
        return found, secp256k1.recover_address(digest, signature).hex()

    compare("recovery", lambda case: (case["outcome"], case["signer"]), recovered)


def test_der_as_meters_write_it() -> None:
    curve = curve_by_name("secp256r1")
    assert curve is not None

    def read_leniently(case: Case) -> tuple[str, str, str]:
        try:
            found = parse_signature(bytes.fromhex(case["bytes"]), curve)
        except MalformedSignature:
            return "refused", "", ""
        return "noted" if found.notes else "strict", f"{found.r:064x}", f"{found.s:064x}"

    compare("der", lambda case: (case["lenient"], case["r"], case["s"]), read_leniently)


def test_nothing_cut_short_is_a_signature() -> None:
    curve = curve_by_name("secp256r1")
    assert curve is not None
    whole = bytes.fromhex(next(case["bytes"] for case in read("der") if case["name"] == "strict"))
    assert parse_signature(whole, curve).notes == ()
    for length in range(len(whole)):
        if length == 64:  # as long as r||s, which is all that could be asked of such
            assert parse_signature(whole[:length], curve).notes
            continue
        with pytest.raises(MalformedSignature):
            parse_signature(whole[:length], curve)


@pytest.mark.parametrize("case", read("keys"), ids=lambda case: case["name"])
def test_public_keys(case: Case) -> None:
    data = bytes.fromhex(case["bytes"])
    assert outcome(lambda: parse_public_key_bytes(data)) == case["outcome"]
    if case["outcome"] != "accepted":
        return
    key = parse_public_key_bytes(data)
    assert key.point.hex() == case["point"]
    assert (key.curve.name if key.curve else "") == case["curve"]
    assert parse_public_key(data.hex(":")) == key
    if case["curve"] and not case["on_curve"]:
        with pytest.raises(MeterSignatureInvalid, match="no point"):
            verify_signature(key, "256", b"any", DecodedSignature(1, 1))


def test_files_are_what_the_reference_makes() -> None:
    generator = VECTORS / "generate_signatures.py"
    run = subprocess.run([sys.executable, generator, "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def test_independent_check_agrees() -> None:
    runpy.run_path(str(VECTORS / "check_signatures.py"), run_name="__main__")
