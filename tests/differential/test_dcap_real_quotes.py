"""The contracts' DCAP parsers, signature checks and collateral registry on real quotes: Intel's certificates and lists,
TCB info and QE identity.

The samples are not part of the project; WATTEST_TEST_DATA names their folder. Forge takes them through variables.
"""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from eth_hash.auto import keccak
from waiting import finished

ROOT = Path(__file__).resolve().parents[2]
FORGE = next(iter((ROOT / "node_modules" / "@foundry-rs").glob("forge-*/bin/forge")), None)
DATA = os.environ.get("WATTEST_TEST_DATA", "")
NAMES = ("phala_sgx_v3_2025-06", "automata_sgx_v3_2025-08", "oasis_sgx_v3_outofdate_2025-08")
AUTHENTICATION_LENGTH = 1012
STATUSES = (
    "UpToDate", "SWHardeningNeeded", "ConfigurationNeeded", "ConfigurationAndSWHardeningNeeded", "OutOfDate",
    "OutOfDateConfigurationNeeded", "Revoked",
)  # fmt: skip


def parts_of(name: str) -> dict[str, bytes]:
    """What the tests in contracts/test read, from one real quote and its collateral."""
    quote = (Path(DATA) / "quotes" / f"{name}.quote.bin").read_bytes()
    collateral = json.loads((Path(DATA) / "quotes" / f"{name}.collateral.json").read_text())
    end = AUTHENTICATION_LENGTH + 2 + struct.unpack_from("<H", quote, AUTHENTICATION_LENGTH)[0]
    (size,) = struct.unpack_from("<I", quote, end + 2)
    chain = x509.load_pem_x509_certificates(quote[end + 6 : end + 6 + size].rstrip(b"\0"))
    pck, authority, root = (each.public_bytes(Encoding.DER) for each in chain)
    signer = x509.load_pem_x509_certificates(collateral["tcb_info_issuer_chain"].encode())[0]
    manifest = json.loads((Path(DATA) / "quotes" / "manifest.json").read_text())
    case = next(case for case in manifest if case["name"] == name)
    return {
        "TIME": case["verify_at"].to_bytes(32),
        "SIGNER": signer.public_bytes(Encoding.DER),
        "TCB_INFO_SIGNATURE": bytes.fromhex(collateral["tcb_info_signature"]),
        "QE_IDENTITY_SIGNATURE": bytes.fromhex(collateral["qe_identity_signature"]),
        "STANDING": standing_of(case["expected"]),
        "QUOTE": quote[:end],
        "PCK": pck,
        "CA": authority,
        "ROOT": root,
        "PCK_LIST": bytes.fromhex(collateral["pck_crl"]),
        "ROOT_LIST": bytes.fromhex(collateral["root_ca_crl"]),
        "FMSPC": bytes.fromhex(json.loads(collateral["tcb_info"])["fmspc"]),
        "MEASUREMENT": quote[112:144],
        "QE_IDENTITY": collateral["qe_identity"].encode(),
        "TCB_INFO": collateral["tcb_info"].encode(),
        "LEVELS": levels_of(quote, json.loads(collateral["qe_identity"]), json.loads(collateral["tcb_info"])),
    }


def levels_of(quote: bytes, identity: dict[str, Any], info: dict[str, Any]) -> bytes:
    """The quoting enclave's status and all levels of the platform model, packed as the test packs them."""
    (svn,) = struct.unpack_from("<H", quote, 564 + 258)
    status = next(level["tcbStatus"] for level in identity["tcbLevels"] if svn >= level["tcb"]["isvsvn"])
    packed = bytes([STATUSES.index(status)])
    for level in info["tcbLevels"]:
        packed += bytes(each["svn"] for each in level["tcb"]["sgxtcbcomponents"])
        packed += struct.pack(">HB", level["tcb"]["pcesvn"], STATUSES.index(level["tcbStatus"]))
        packed += struct.pack(">Q", int(datetime.fromisoformat(level["tcbDate"]).timestamp()))
    return packed


def standing_of(expected: dict[str, Any]) -> bytes:
    """The quoting enclave's status (each is up to date), the platform's, and Keccak-256 of its advisories' text."""
    advisories = json.dumps(expected["advisories"], separators=(",", ":")).encode()
    return bytes([0, STATUSES.index(expected["tcb_status"])]) + keccak(advisories)


def judge(parts: dict[str, bytes]) -> subprocess.CompletedProcess[str]:
    """Forge's answer about the parts."""
    assert FORGE is not None
    environment = os.environ | {f"WATTEST_DCAP_{name}": f"0x{value.hex()}" for name, value in parts.items()}
    # Figures are written on purpose only: they are not the same for every sample.
    environment.setdefault("FOUNDRY_GAS_SNAPSHOT_EMIT", "false")
    command = [str(FORGE), "test", "--match-path", "test/{Dcap,CollateralRegistry}*.t.sol", "--match-test", "test_Real"]
    return finished(command, cwd=ROOT / "contracts", env=environment)


@pytest.mark.skipif(not DATA, reason="WATTEST_TEST_DATA names no folder of samples")
@pytest.mark.skipif(FORGE is None, reason="forge is missing: run npm ci, without --omit=dev")
@pytest.mark.parametrize("name", NAMES)
def test_a_real_quote_verifies_and_an_altered_one_does_not(name: str) -> None:
    parts = parts_of(name)
    done = judge(parts)
    assert done.returncode == 0, done.stdout + done.stderr
    other = bytearray(parts["QUOTE"])
    other[700] ^= 1  # inside the quoting enclave's report
    done = judge(parts | {"QUOTE": bytes(other)})
    assert done.returncode != 0
    assert "QeReportSignatureInvalid" in done.stdout
    levels, standing = parts["LEVELS"], parts["STANDING"]
    done = judge(parts | {"LEVELS": levels[:-1] + b"\x01", "STANDING": standing[:-1] + bytes([standing[-1] ^ 1])})
    assert done.returncode != 0
    refused = set(re.findall(r"^\[FAIL.*\] (test_\w+)\(", done.stdout, re.MULTILINE))
    assert refused == {"test_RealTexts", "test_RealCollateral"}  # of levels the one, of the standing the other
