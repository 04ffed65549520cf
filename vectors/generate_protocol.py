"""Write vectors/protocol/*.json: digests, byte forms, signatures and stakes, each positive beside its negatives.

Everything follows from fixed labels, so running it again changes nothing. `check_protocol.py` recomputes every value
with other libraries and without wattest.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.messages.acceptance import BlockAcceptance, SignedAcceptance, sign_acceptance
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.eip712 import Domain
from wattest.messages.evidence_verdict import VERDICT_FIELDS, EvidenceVerdict, Revocation, sign_verdict
from wattest.messages.header import HEADER_FIELDS, BatchHeader, sign_header
from wattest.messages.member_list import Member, MemberList, sign_member_list
from wattest.messages.report_data import KeyBinding, report_data
from wattest.messages.roster import roster_root
from wattest.twin.stake import StakeModel, base_stake, required_stake

HERE = Path(__file__).parent / "protocol"
ACCEPTANCE_FIELDS = ("channel", "operator", "blinded_meter", "period_start", "block_digest")
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def bytes_of(label: str, length: int = 32) -> bytes:
    """Reproducible bytes of a label."""
    return hashlib.shake_256(f"wattest vectors protocol {label}".encode()).digest(length)


def key_of(label: str) -> Secp256k1PrivateKey:
    """A reproducible private key."""
    return Secp256k1PrivateKey.from_seed(bytes_of("key " + label))


DOMAIN = Domain(31337, bytes_of("referee", 20))
REGISTRY = Domain(31337, bytes_of("registry", 20))
OTHER_CHAIN = Domain(1, DOMAIN.verifying_contract)
OTHER_REFEREE = Domain(31337, bytes_of("other referee", 20))
DOMAINS = {"home": DOMAIN, "other chain": OTHER_CHAIN, "other referee": OTHER_REFEREE}


def shown(value: object) -> object:
    """Bytes as lower-case hex, integers as decimal strings."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int):
        return str(int(value))
    return value


def write(name: str, value: object) -> None:
    """One vector file."""
    HERE.mkdir(exist_ok=True)
    (HERE / f"{name}.json").write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def high_s(signature: bytes) -> bytes:
    """The other signature over the same digest, with s above half the order."""
    s = SECP256K1_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


def bad_signatures(signature: bytes) -> list[dict[str, str]]:
    """Malformed or malleated forms of a good signature."""
    return [
        {"why": "high s", "signature": high_s(signature).hex()},
        {"why": "v is 0 or 1", "signature": (signature[:64] + bytes([signature[64] - 27])).hex()},
        {"why": "v is 29", "signature": (signature[:64] + b"\x1d").hex()},
        {"why": "64 bytes", "signature": signature[:64].hex()},
        {"why": "r is zero", "signature": (bytes(32) + signature[32:]).hex()},
        {"why": "s is zero", "signature": (signature[:32] + bytes(32) + signature[64:]).hex()},
        {"why": "r is the order", "signature": (SECP256K1_ORDER.to_bytes(32, "big") + signature[32:]).hex()},
    ]


def make_header(label: str) -> BatchHeader:
    """A header whose every field differs from its neighbours."""
    values: dict[str, object] = {name: bytes_of(f"{label} {name}") for name in HEADER_FIELDS}
    values.update(
        operator=bytes_of(f"{label} operator", 20),
        sequence=1,
        previous=bytes(32),
        period_start=1_780_272_000,
        period_end=1_780_358_400,
        entry_count=20,
        witnesses=bytes(32),
        zk_root=bytes(32),
    )
    return BatchHeader(**values)  # type: ignore[arg-type]


def headers() -> None:
    """header.json: digests under three domains, one changed field each, dirty padding, bad signatures."""
    first = make_header("first")
    widest = BatchHeader(
        **{  # type: ignore[arg-type]
            name: b"\xff" * (20 if name == "operator" else 32)
            if isinstance(getattr(first, name), bytes)
            else (1 << (32 if name == "entry_count" else 64)) - 1
            for name in HEADER_FIELDS
        }
    )
    second = replace(make_header("second"), sequence=2, previous=first.digest(DOMAIN))
    key = key_of("enclave")
    valid = []
    for name, header in {"first": first, "second": second, "widest": widest}.items():
        for where, domain in DOMAINS.items():
            signature = sign_header(key, header, domain)
            valid.append(
                {
                    "name": f"{name}, {where}",
                    "chain_id": str(domain.chain_id),
                    "referee": domain.verifying_contract.hex(),
                    "fields": {field: shown(getattr(header, field)) for field in HEADER_FIELDS},
                    "bytes": header.to_bytes().hex(),
                    "digest": header.digest(domain).hex(),
                    "signature": signature.hex(),
                    "signer": key.address.hex(),
                }
            )
    signature = sign_header(key, first, DOMAIN)
    changed = []
    for field in HEADER_FIELDS:
        old = getattr(first, field)
        new = old + 1 if isinstance(old, int) else bytes([old[0] ^ 1]) + old[1:]
        changed.append({"field": field, "digest": replace(first, **{field: new}).digest(DOMAIN).hex()})  # type: ignore[arg-type]
    dirty = []
    for position, field in enumerate(HEADER_FIELDS):
        pad = {"operator": 12, "entry_count": 28}.get(field, 24 if isinstance(getattr(first, field), int) else 0)
        if pad:
            data = bytearray(first.to_bytes())
            data[position * 32 + pad - 1] ^= 1
            dirty.append({"why": f"{field} padding", "bytes": data.hex()})
    data = first.to_bytes()
    dirty += [
        {"why": "empty", "bytes": ""},
        {"why": "one byte short", "bytes": data[:-1].hex()},
        {"why": "one byte long", "bytes": (data + b"\x00").hex()},
    ]
    write(
        "header",
        {
            "valid": valid,
            "one_field_changed": changed,
            "invalid_bytes": dirty,
            "invalid_signatures": bad_signatures(signature),
        },
    )


def channels() -> None:
    """channel.json and report_data.json."""
    manager, salt = key_of("manager").address, bytes_of("salt")
    cases = [
        ChannelIdentity(manager, ChannelKind.OPEN, salt),
        ChannelIdentity(manager, ChannelKind.SCHEDULED, salt),
        ChannelIdentity(bytes_of("other manager", 20), ChannelKind.SCHEDULED, salt),
        ChannelIdentity(manager, ChannelKind.SCHEDULED, bytes_of("other salt")),
    ]
    write(
        "channel",
        [{"manager": c.manager.hex(), "kind": str(int(c.kind)), "salt": c.salt.hex(), "id": c.id.hex()} for c in cases],
    )
    binding = KeyBinding(31337, DOMAIN.verifying_contract, cases[1].id, bytes_of("operator", 20), bytes_of("nonce"))
    enclave = key_of("enclave").address
    rows = [
        ("base", binding, enclave),
        ("other chain", replace(binding, chain_id=1), enclave),
        ("other referee", replace(binding, referee=bytes_of("other referee", 20)), enclave),
        ("other channel", replace(binding, channel=cases[0].id), enclave),
        ("other operator", replace(binding, operator=bytes_of("other operator", 20)), enclave),
        ("other nonce", replace(binding, nonce=bytes_of("other nonce")), enclave),
        ("other key", binding, key_of("other enclave").address),
    ]
    write(
        "report_data",
        [
            {
                "name": name,
                "chain_id": str(b.chain_id),
                "referee": b.referee.hex(),
                "channel": b.channel.hex(),
                "operator": b.operator.hex(),
                "enclave_key": key.hex(),
                "nonce": b.nonce.hex(),
                "report_data": report_data(b, key).hex(),
            }
            for name, b, key in rows
        ],
    )


def verdicts() -> None:
    """verdict.json: a verdict with three appraisers, and sets of signatures that do not count."""
    values: dict[str, object] = {name: bytes_of(f"verdict {name}") for name in VERDICT_FIELDS}
    values.update(
        enclave_key=key_of("enclave").address,
        referee=DOMAIN.verifying_contract,
        operator=bytes_of("operator", 20),
        issued_at=1_780_272_000,
        expires_at=1_780_272_000 + 30 * 86_400,
        nonce_block=1_234,
    )
    verdict = EvidenceVerdict(**values)  # type: ignore[arg-type]
    keys = sorted((key_of(f"appraiser {number}") for number in range(3)), key=lambda key: key.address)
    domain = REGISTRY
    signatures = [sign_verdict(key, verdict, domain) for key in keys]
    stranger = sign_verdict(key_of("stranger"), verdict, domain)
    elsewhere = sign_verdict(keys[1], verdict, Domain(1, domain.verifying_contract))
    for_referee = sign_verdict(keys[1], verdict, DOMAIN)
    revocation = Revocation(verdict.enclave_key, verdict.referee, verdict.channel, verdict.operator)
    revoking = sign_verdict(keys[1], revocation, domain)

    def sets(*groups: tuple[str, list[bytes]]) -> list[dict[str, object]]:
        return [{"why": why, "signatures": [s.hex() for s in group]} for why, group in groups]

    write(
        "verdict",
        {
            "chain_id": "31337",
            "registry": domain.verifying_contract.hex(),
            "fields": {field: shown(getattr(verdict, field)) for field in VERDICT_FIELDS},
            "bytes": verdict.to_bytes().hex(),
            "digest": verdict.digest(domain).hex(),
            "revocation_digest": revocation.digest(domain).hex(),
            "appraisers": [key.address.hex() for key in keys],
            "threshold": "2",
            "valid": sets(("first two", signatures[:2]), ("outer two", signatures[::2]), ("all", signatures)),
            "invalid": sets(
                ("none", []),
                ("below the threshold", signatures[:1]),
                ("one signer twice", [signatures[0], signatures[0]]),
                ("descending", [signatures[1], signatures[0]]),
                (
                    "a stranger",
                    sorted_by_signer([(keys[0].address, signatures[0]), (key_of("stranger").address, stranger)]),
                ),
                ("signed for another chain", [signatures[0], elsewhere]),
                ("signed for the referee", [signatures[0], for_referee]),
                ("a revocation's signature", [signatures[0], revoking]),
                ("high s", [signatures[0], high_s(signatures[1])]),
            ),
        },
    )


def sorted_by_signer(pairs: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Signatures in the order of their signers."""
    return [signature for _, signature in sorted(pairs)]


def member_lists() -> None:
    """member_list.json: byte form, digest and roster root, and byte forms that are refused."""
    manager = key_of("manager")
    identity = ChannelIdentity(manager.address, ChannelKind.SCHEDULED, bytes_of("salt"))
    members = sorted(
        (
            Member(bytes_of(f"member {n} key", 64), bytes_of(f"member {n} commitment"), bytes_of(f"member {n} reader"))
            for n in range(5)
        ),
        key=lambda member: member.public_key,
    )
    watchers = tuple(sorted(bytes_of(f"watcher {n}") for n in range(2)))
    listed = MemberList(identity.id, 1_780_272_000, tuple(members), watchers)
    signed = sign_member_list(manager, listed, identity, DOMAIN)
    data = signed.to_bytes()
    at = 68  # of the first member; a member is 128 bytes

    def patched(offset: int, new: bytes) -> str:
        return (data[:offset] + new + data[offset + len(new) :]).hex()

    def member(number: int) -> bytes:
        return data[at + 128 * number : at + 128 * (number + 1)]

    watchers_at = at + 128 * 5
    blinded = sorted(bytes_of(f"blinded {n}") for n in range(5))
    keys = [m.public_key for m in members]
    write(
        "member_list",
        {
            "chain_id": "31337",
            "referee": DOMAIN.verifying_contract.hex(),
            "manager": manager.address.hex(),
            "channel": identity.id.hex(),
            "valid_from": str(listed.valid_from),
            "members": [[m.public_key.hex(), m.meter_key_commitment.hex(), m.reader_key.hex()] for m in members],
            "watcher_reader_keys": [key.hex() for key in watchers],
            "digest": listed.digest(DOMAIN).hex(),
            "bytes": data.hex(),
            "roster": {"blinded_meters": [b.hex() for b in blinded], "root": roster_root(blinded, keys).hex()},
            "roster_of_one": {"blinded_meters": [blinded[0].hex()], "root": roster_root(blinded[:1], keys[:1]).hex()},
            "invalid_bytes": [
                {"why": "empty", "bytes": ""},
                {"why": "truncated", "bytes": data[:-1].hex()},
                {"why": "one byte more", "bytes": (data + b"\x00").hex()},
                {"why": "version", "bytes": patched(0, b"\x02")},
                {"why": "kind", "bytes": patched(21, b"\x02")},
                {"why": "no members", "bytes": (data[:62] + bytes(4) + data[66:68] + data[watchers_at:]).hex()},
                {"why": "member count over the limit", "bytes": patched(62, (2**20 + 1).to_bytes(4, "big"))},
                {"why": "watcher count over the limit", "bytes": patched(66, (65).to_bytes(2, "big"))},
                {"why": "members swapped", "bytes": patched(at, member(1) + member(0))},
                {"why": "member twice", "bytes": patched(at, member(1) + member(1))},
                {"why": "commitment twice", "bytes": patched(at + 64, member(1)[64:96])},
                {"why": "commitment zero", "bytes": patched(at + 64, bytes(32))},
                {"why": "reader key zero", "bytes": patched(at + 96, bytes(32))},
                {"why": "watchers swapped", "bytes": patched(watchers_at, watchers[1] + watchers[0])},
                {"why": "watcher zero", "bytes": patched(watchers_at, bytes(32))},
            ],
            "unsigned_bytes": [
                {"why": "another member's reader key", "bytes": patched(at + 96, bytes_of("thief"))},
                {"why": "another time", "bytes": patched(54, (1_780_272_001).to_bytes(8, "big"))},
                {"why": "another salt", "bytes": patched(22, bytes_of("other salt"))},
                {"why": "another manager", "bytes": patched(1, bytes_of("other manager", 20))},
                {"why": "the other kind", "bytes": patched(21, b"\x00")},
            ],
        },
    )


def acceptances() -> None:
    """acceptance.json: signed acceptances, the kept file, one changed field each, files that are refused."""
    key = key_of("operator")
    first = BlockAcceptance(
        bytes_of("acceptance channel"), key.address, bytes_of("acceptance meter"), 1_780_272_000, bytes_of("block")
    )
    widest = BlockAcceptance(b"\xff" * 32, key.address, b"\xff" * 32, 2**64 - 1, b"\xff" * 32)
    valid = []
    for name, acceptance in {"first": first, "widest": widest}.items():
        for where, domain in DOMAINS.items():
            signed = sign_acceptance(key, acceptance, domain)
            valid.append(
                {
                    "name": f"{name}, {where}",
                    "chain_id": str(domain.chain_id),
                    "referee": domain.verifying_contract.hex(),
                    "fields": {field: shown(getattr(acceptance, field)) for field in ACCEPTANCE_FIELDS},
                    "digest": acceptance.digest(domain).hex(),
                    "signature": signed.signature.hex(),
                    "file": signed.to_bytes().decode(),
                }
            )
    signed = sign_acceptance(key, first, DOMAIN)
    unsigned = []
    for field in ACCEPTANCE_FIELDS:
        old = getattr(first, field)
        new = old + 1 if isinstance(old, int) else bytes([old[0] ^ 1]) + old[1:]
        changed = SignedAcceptance(replace(first, **{field: new}), DOMAIN, signed.signature)  # type: ignore[arg-type]
        unsigned.append({"why": f"another {field}", "file": changed.to_bytes().decode()})
    for where in ("other chain", "other referee"):
        unsigned.append({"why": where, "file": replace(signed, domain=DOMAINS[where]).to_bytes().decode()})
    stranger = sign_acceptance(key_of("stranger"), first, DOMAIN)
    unsigned.append({"why": "a stranger's signature", "file": stranger.to_bytes().decode()})
    text = signed.to_bytes().decode()
    whole = json.loads(text)
    one_less = {name: item for name, item in whole.items() if name != "block_digest"}

    def compact(value: object) -> str:
        return json.dumps(value, sort_keys=True, separators=(",", ":"))

    write(
        "acceptance",
        {
            "valid": valid,
            "unsigned_files": unsigned,
            "invalid_signatures": [
                {**bad, "file": text.replace(signed.signature.hex(), bad["signature"])}
                for bad in bad_signatures(signed.signature)
                if len(bad["signature"]) == 130
            ],
            "invalid_files": [
                {"why": "empty", "file": ""},
                {"why": "a blank before it", "file": " " + text},
                {"why": "another version", "file": text.replace("block-acceptance/1", "block-acceptance/2")},
                {"why": "a field is missing", "file": compact(one_less)},
                {"why": "a field more", "file": compact(whole | {"zero": "0"})},
                {"why": "a number that is no text", "file": compact(whole | {"period_start": 1_780_272_000})},
                {"why": "a time over 64 bits", "file": compact(whole | {"period_start": str(2**64)})},
                {"why": "upper case", "file": compact(whole | {"operator": whole["operator"].upper()})},
                {"why": "a signature of 64 bytes", "file": compact(whole | {"signature": whole["signature"][:128]})},
            ],
        },
    )


def stakes() -> None:
    """stake.json: S1 and S_i for models from one entry to a million."""
    rows = []
    for entries, g1, gain, detection, selection, drawn in (
        (1, 100, 100, (9, 10), (1, 1), 8),
        (20, 500, 4_000, (9, 10), (1, 1), 8),
        (20, 4_000, 4_000, (9, 10), (1, 1), 8),
        (20, 500, 10_000, (1, 1), (1, 1), 8),
        (1000, 10**16, 10**18, (9, 10), (1, 1), 8),
        (1000, 10**16, 10**18, (9, 10), (1, 30), 8),
        (1000, 7 * 10**15, 10**18, (19, 20), (1, 7), 16),
        (2**20, 10**15, 10**20, (1, 2), (1, 1), 8),
    ):
        model = StakeModel(entries, g1, gain, Fraction(*detection), Fraction(*selection), drawn)
        base = base_stake(model)
        rows.append(
            {
                "entries": str(entries),
                "entry_gain": str(g1),
                "batch_gain": str(gain),
                "detection": f"{detection[0]}/{detection[1]}",
                "selection": f"{selection[0]}/{selection[1]}",
                "drawn": str(drawn),
                "base_stake": str(base),
                "required_stake": {rho: str(required_stake(base, Fraction(rho))) for rho in ("0", "1/3", "19/20", "1")},
            }
        )
    write("stake", rows)


if __name__ == "__main__":
    headers()
    channels()
    verdicts()
    member_lists()
    acceptances()
    stakes()
