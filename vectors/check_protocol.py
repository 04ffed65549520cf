"""Check vectors/protocol/*.json without wattest: eth-account for EIP-712 and recovery, eth-abi, own arithmetic.

Exits with an assertion error at the first value that another implementation does not confirm.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from decimal import ROUND_CEILING, Decimal, localcontext
from pathlib import Path
from typing import Any

from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

HERE = Path(__file__).parent / "protocol"
BYTES32, ADDRESS, UINT64 = "bytes32", "address", "uint64"
HEADER = [
    ("channel", BYTES32), ("operator", ADDRESS), ("sequence", UINT64), ("previous", BYTES32), ("periodStart", UINT64),
    ("periodEnd", UINT64), ("root", BYTES32), ("entryCount", "uint32"), ("roster", BYTES32), ("inputs", BYTES32),
    ("state", BYTES32), ("workload", BYTES32), ("contentId", BYTES32), ("witnesses", BYTES32), ("zkRoot", BYTES32),
]  # fmt: skip
VERDICT = [
    ("enclaveKey", ADDRESS), ("referee", ADDRESS), ("channel", BYTES32), ("operator", ADDRESS),
    ("measurement", BYTES32), ("workload", BYTES32), ("platform", BYTES32), ("issuedAt", UINT64), ("expiresAt", UINT64),
    ("nonceBlock", UINT64), ("nonce", BYTES32), ("evidenceDigest", BYTES32), ("endorsementsDigest", BYTES32),
    ("policyDigest", BYTES32),
]  # fmt: skip
ACCEPTANCE = [
    ("channel", BYTES32), ("operator", ADDRESS), ("blindedMeter", BYTES32), ("periodStart", UINT64),
    ("blockDigest", BYTES32),
]  # fmt: skip


def load(name: str) -> Any:
    """One vector file."""
    return json.loads((HERE / f"{name}.json").read_text())


def snake(name: str) -> str:
    """periodStart -> period_start."""
    return "".join("_" + c.lower() if c.isupper() else c for c in name)


def value(kind: str, text: str) -> Any:
    """A vector's text as eth-abi and eth-account want it."""
    if kind == ADDRESS:
        return "0x" + text
    return int(text) if kind.startswith("uint") else bytes.fromhex(text)


def signable(chain_id: str, contract: str, types: dict[str, Any], message: dict[str, Any]) -> Any:
    """EIP-712 by eth-account."""
    domain = {"name": "wattest", "version": "1", "chainId": int(chain_id), "verifyingContract": "0x" + contract}
    shaped = {name: [{"name": n, "type": t} for n, t in fields] for name, fields in types.items()}
    return encode_typed_data(domain, shaped, message)


def digest(message: Any) -> str:
    """The digest of a signable message, hex."""
    return keccak(b"\x19" + message.version + message.header + message.body).hex()


def signer(message: Any, signature: str) -> str:
    """The address that eth-account recovers, hex."""
    return Account.recover_message(message, signature=bytes.fromhex(signature))[2:].lower()


def check_header() -> None:
    """Digests, byte forms, signers; every changed field gives another digest."""
    vectors = load("header")
    base = vectors["valid"][0]
    for case in vectors["valid"]:
        message = {name: value(kind, case["fields"][snake(name)]) for name, kind in HEADER}
        typed = signable(case["chain_id"], case["referee"], {"BatchHeader": HEADER}, message)
        assert digest(typed) == case["digest"], case["name"]
        assert signer(typed, case["signature"]) == case["signer"], case["name"]
        assert encode([kind for _, kind in HEADER], list(message.values())).hex() == case["bytes"], case["name"]
    for (name, kind), changed in zip(HEADER, vectors["one_field_changed"], strict=True):
        assert snake(name) == changed["field"]
        message = {n: value(k, base["fields"][snake(n)]) for n, k in HEADER}
        old = message[name]
        if kind == ADDRESS:
            message[name] = f"0x{int(old[2:4], 16) ^ 1:02x}{old[4:]}"
        else:
            message[name] = old + 1 if isinstance(old, int) else bytes([old[0] ^ 1]) + old[1:]
        typed = signable(base["chain_id"], base["referee"], {"BatchHeader": HEADER}, message)
        assert digest(typed) == changed["digest"] != base["digest"], name


def check_channel() -> None:
    """Channel ids and report data through eth-abi."""
    for case in load("channel"):
        words = encode(
            [BYTES32, ADDRESS, "uint8", BYTES32],
            [keccak(b"wattest/channel/1"), "0x" + case["manager"], int(case["kind"]), bytes.fromhex(case["salt"])],
        )
        assert keccak(words).hex() == case["id"]
    fields = [("chain_id", "uint256"), ("referee", ADDRESS), ("channel", BYTES32), ("operator", ADDRESS)]
    fields += [("enclave_key", ADDRESS), ("nonce", BYTES32)]
    seen = set()
    for case in load("report_data"):
        words = encode(
            [BYTES32] + [kind for _, kind in fields],
            [keccak(b"wattest/enclave-key/1")] + [value(kind, case[name]) for name, kind in fields],
        )
        assert keccak(words).hex() + "00" * 32 == case["report_data"], case["name"]
        seen.add(case["report_data"])
    assert len(seen) == len(load("report_data"))


def check_verdict() -> None:
    """Digest, byte form and who counts."""
    case = load("verdict")
    message = {name: value(kind, case["fields"][snake(name)]) for name, kind in VERDICT}
    typed = signable(case["chain_id"], case["registry"], {"EvidenceVerdict": VERDICT}, message)
    assert digest(typed) == case["digest"]
    assert encode([kind for _, kind in VERDICT], list(message.values())).hex() == case["bytes"]
    revocation = [VERDICT[0], VERDICT[1], VERDICT[2], VERDICT[3]]
    revoked = {name: message[name] for name, _ in revocation}
    assert (
        digest(signable(case["chain_id"], case["registry"], {"Revocation": revocation}, revoked))
        == (case["revocation_digest"])
    )

    def counts(signatures: list[str]) -> bool:
        half = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2
        if any(int(text[64:128], 16) > half for text in signatures):
            return False
        signers = [signer(typed, text) for text in signatures]
        ascending = all(a < b for a, b in itertools.pairwise(signers))
        return ascending and set(signers) <= set(case["appraisers"]) and len(signers) >= int(case["threshold"])

    assert all(counts(group["signatures"]) for group in case["valid"])
    assert not any(counts(group["signatures"]) for group in case["invalid"])


def sha256_root(items: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1."""
    if len(items) == 1:
        return hashlib.sha256(b"\x00" + items[0]).digest()
    split = 1 << (len(items) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + sha256_root(items[:split]) + sha256_root(items[split:])).digest()


def check_member_list() -> None:
    """Digest, signer, layout, roster roots; the refused forms break a rule or the signature."""
    case = load("member_list")
    member = [("publicKeyX", BYTES32), ("publicKeyY", BYTES32), ("meterKeyCommitment", BYTES32), ("readerKey", BYTES32)]
    listed = [("channel", BYTES32), ("validFrom", UINT64), ("members", "Member[]"), ("watcherReaderKeys", "bytes32[]")]

    def typed(data: bytes) -> tuple[Any, bytes, str]:
        count, watchers = int.from_bytes(data[62:66], "big"), int.from_bytes(data[66:68], "big")
        channel = keccak(keccak(b"wattest/channel/1") + bytes(12) + data[1:21] + bytes(31) + data[21:22] + data[22:54])
        rows = [data[68 + 128 * n : 196 + 128 * n] for n in range(count)]
        end = 68 + 128 * count
        message = {
            "channel": channel,
            "validFrom": int.from_bytes(data[54:62], "big"),
            "members": [{name: row[32 * n : 32 * n + 32] for n, (name, _) in enumerate(member)} for row in rows],
            "watcherReaderKeys": [data[end + 32 * n : end + 32 * n + 32] for n in range(watchers)],
        }
        message_typed = signable(case["chain_id"], case["referee"], {"MemberList": listed, "Member": member}, message)
        return message_typed, channel, data[-65:].hex()

    data = bytes.fromhex(case["bytes"])
    message, channel, signature = typed(data)
    assert digest(message) == case["digest"]
    assert channel.hex() == case["channel"]
    assert signer(message, signature) == case["manager"] == data[1:21].hex()
    rows = ["".join(row) for row in case["members"]]
    assert data[68 : 68 + 128 * len(rows)].hex() == "".join(rows)
    for bad in case["unsigned_bytes"]:
        changed = bytes.fromhex(bad["bytes"])
        message, _, signature = typed(changed)
        assert signer(message, signature) != changed[1:21].hex(), bad["why"]
    for name in ("roster", "roster_of_one"):
        items = [
            bytes.fromhex(blinded) + hashlib.sha256(bytes.fromhex(row[0])).digest()
            for blinded, row in zip(case[name]["blinded_meters"], case["members"], strict=False)
        ]
        assert sha256_root(items).hex() == case[name]["root"]


def check_acceptance() -> None:
    """Digests and signers of acceptances from their files' text alone; what is refused breaks signature or spelling."""
    vectors = load("acceptance")
    names = {"format", "chain_id", "referee", "signature", *(snake(name) for name, _ in ACCEPTANCE)}

    def typed(told: dict[str, str]) -> Any:
        message = {name: value(kind, told[snake(name)]) for name, kind in ACCEPTANCE}
        return signable(told["chain_id"], told["referee"], {"BlockAcceptance": ACCEPTANCE}, message)

    for case in vectors["valid"]:
        told = json.loads(case["file"])
        assert told.keys() == names, case["name"]
        assert told["format"] == "wattest/block-acceptance/1", case["name"]
        assert case["file"] == json.dumps(told, sort_keys=True, separators=(",", ":")), case["name"]
        assert {name: told[name] for name in case["fields"]} == case["fields"], case["name"]
        assert digest(typed(told)) == case["digest"], case["name"]
        assert signer(typed(told), case["signature"]) == told["operator"], case["name"]
        assert told["signature"] == case["signature"], case["name"]
    for bad in vectors["unsigned_files"]:
        told = json.loads(bad["file"])
        assert signer(typed(told), told["signature"]) != told["operator"], bad["why"]


def check_stake() -> None:
    """S1 and S_i again, in 80-digit decimals and with the chance of no bad entry as a product."""
    with localcontext() as context:
        context.prec = 80

        def chance(text: str) -> Decimal:
            top, _, bottom = text.partition("/")
            return Decimal(top) / Decimal(bottom or 1)

        for case in load("stake"):
            n, g1, gain, s = (int(case[name]) for name in ("entries", "entry_gain", "batch_gain", "drawn"))
            delta, q, s = chance(case["detection"]), chance(case["selection"]), min(int(case["drawn"]), n)
            k1 = min(gain // g1, n)
            missed = math.prod((Decimal(max(n - k1 - j, 0)) / Decimal(n - j) for j in range(s)), start=Decimal(1))
            base = max(Decimal(n * g1) / (delta * q * s), Decimal(gain) * (1 / (delta * q * (1 - missed)) - 1))
            rounded = (base - Decimal("1e-30")).to_integral_value(ROUND_CEILING)
            assert int(rounded) == int(case["base_stake"]), case
            for rho, stake in case["required_stake"].items():
                wanted = rounded * (3 - 2 * chance(rho)) - Decimal("1e-30")
                assert int(wanted.to_integral_value(ROUND_CEILING)) == int(stake), case


def main() -> None:
    """Every family."""
    check_header()
    check_channel()
    check_verdict()
    check_member_list()
    check_acceptance()
    check_stake()


if __name__ == "__main__":
    main()
