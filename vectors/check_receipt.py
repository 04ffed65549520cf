"""Check vectors/receipt/*.json without wattest: eth-account, cryptography, hashlib and the format pages alone.

Everything but the quote's own certificate chain and the re-run of the editing module is recomputed, from the meter's
signature to the payout leaf. Exits with an assertion error at the first value that is not confirmed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eth_abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_hash.auto import keccak

HERE = Path(__file__).parent / "receipt"
HEADER = [
    "channel", "operator", "sequence", "previous", "period_start", "period_end", "root", "entry_count", "roster",
    "inputs", "state", "workload", "content_id", "witnesses", "zk_root",
]  # fmt: skip
VERDICT = [
    "enclave_key", "referee", "channel", "operator", "measurement", "workload", "platform", "issued_at", "expires_at",
    "nonce_block", "nonce", "evidence_digest", "endorsements_digest", "policy_digest",
]  # fmt: skip
RECORD = 95


def sha(data: bytes) -> bytes:
    """SHA-256."""
    return hashlib.sha256(data).digest()


def mac(key: bytes, data: bytes) -> bytes:
    """HMAC-SHA256."""
    return hmac.new(key, data, hashlib.sha256).digest()


def number(data: bytes) -> int:
    """Big-endian."""
    return int.from_bytes(data, "big")


def tree_root(leaves: list[bytes], node: Any) -> bytes:
    """RFC 9162 over leaf hashes."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node(tree_root(leaves[:split], node), tree_root(leaves[split:], node))


def root_by_path(leaf: bytes, index: int, size: int, path: list[bytes], node: Any) -> bytes:
    """The root that a path leads to, walking down by halves instead of up by bits."""
    if size == 1:
        assert not path
        return leaf
    split = 1 << (size - 1).bit_length() - 1
    if index < split:
        return node(root_by_path(leaf, index, split, path[:-1], node), path[-1])
    return node(path[-1], root_by_path(leaf, index - split, size - split, path[:-1], node))


def salted_leaf(salt: bytes, payload: bytes) -> bytes:
    """Leaf rule of docs/spec/merkle.md."""
    return keccak(b"\x00" + salt + payload)


def keccak_node(left: bytes, right: bytes) -> bytes:
    """Node rule."""
    return keccak(b"\x01" + left + right)


def sha_node(left: bytes, right: bytes) -> bytes:
    """Node rule of the unsalted trees."""
    return sha(b"\x01" + left + right)


def grid_columns(entry: bytes, signed: list[bytes]) -> bytes:
    """What a meter signs of a day in version 2: registers on a grid that fills the entry's period."""
    start, end = number(entry[34:42]), number(entry[42:50])
    step = (end - start) // len(signed)
    assert [number(row[17:25]) for row in signed] == list(range(start, end, step))
    assert {row[25:29] for row in signed} == {step.to_bytes(4, "big")}
    columns = [[number(row[at : at + 8]) for row in signed] for at in (29, 37)]
    energies = [[number(row[at : at + 8]) for row in signed] for at in (45, 53)]
    before = [registers[0] - energy[0] for registers, energy in zip(columns, energies, strict=True)]
    for first, registers, energy in zip(before, columns, energies, strict=True):
        assert [b - a for a, b in pairwise([first, *registers])] == energy
    head = start.to_bytes(8, "big") + step.to_bytes(4, "big") + len(signed).to_bytes(4, "big")
    words = [*before, *columns[0], *columns[1]]
    return head + b"".join(word.to_bytes(8, "big") for word in words) + b"".join(row[62:63] for row in signed)


def unhex(values: list[str]) -> list[bytes]:
    """Hex texts."""
    return [bytes.fromhex(value) for value in values]


def typed(name: str, fields: list[str], values: dict[str, str], chain_id: str, contract: str) -> tuple[Any, bytes]:
    """An EIP-712 message by eth-account, and its digest."""
    types, message = [], {}
    for field in fields:
        camel = "".join(part.title() if at else part for at, part in enumerate(field.split("_")))
        if field in ("operator", "enclave_key", "referee"):
            kind, value = "address", "0x" + values[field]
        elif len(values[field]) < 64:
            kind, value = "uint32" if field == "entry_count" else "uint64", int(values[field])
        else:
            kind, value = "bytes32", bytes.fromhex(values[field])
        types.append({"name": camel, "type": kind})
        message[camel] = value
    domain = {"name": "wattest", "version": "1", "chainId": int(chain_id), "verifyingContract": "0x" + contract}
    signable = encode_typed_data(domain, {name: types}, message)
    return signable, keccak(b"\x19" + signable.version + signable.header + signable.body)


def signer(signable: Any, signature: str) -> str:
    """The recovered address."""
    return Account.recover_message(signable, signature=bytes.fromhex(signature))[2:].lower()


class Receipt:
    """One receipt with its address book."""

    def __init__(self, name: str) -> None:
        text = (HERE / f"{name}.json").read_text()
        self.value = json.loads(text)
        self.book = json.loads((HERE / "deployment.json").read_text())
        assert json.dumps(self.value, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == text
        assert self.value["referee"] == self.book["referee"]
        assert self.value["chain_id"] == self.book["chain_id"]
        self.key = bytes.fromhex(self.value["meter_key"])
        self.public_key = bytes.fromhex(self.value["public_key"])
        self.imports: dict[int, int] = {}
        self.exports: dict[int, int] = {}

    def header(self, part: dict[str, Any]) -> tuple[Any, bytes]:
        """The header's message and digest."""
        return typed("BatchHeader", HEADER, part["header"], self.value["chain_id"], self.book["referee"])

    def check(self) -> None:
        """All of it."""
        self.check_verdicts()
        before = None
        digests = []
        for part in self.value["days"]:
            _, digest = self.header(part)
            if digests:
                assert part["header"]["previous"] == digests[-1].hex()
            digests.append(digest)
            before = self.check_day(part, before)
        self.check_first_blocks(self.value["days"][0])
        self.check_statement(digests)

    def check_verdicts(self) -> None:
        """Signers, digests, and that each header is signed by such a key for its channel and workload."""
        keys = {}
        for part in self.value["registrations"]:
            verdict = part["verdict"]
            message, _ = typed("EvidenceVerdict", VERDICT, verdict, self.value["chain_id"], self.book["registry"])
            signers = [signer(message, signature) for signature in part["signatures"]]
            assert signers == sorted(set(signers))
            assert set(signers) <= set(self.book["appraisers"])
            assert len(signers) >= int(self.book["threshold"])
            for name, data in (
                ("evidence_digest", bytes.fromhex(part["quote"])),
                ("endorsements_digest", part["collateral"].encode()),
                ("policy_digest", part["policy"].encode()),
            ):
                assert sha(data).hex() == verdict[name], name
            types = ["bytes32", "uint256", "address", "bytes32", "address", "address", "bytes32"]
            values = [
                keccak(b"wattest/enclave-key/1"), int(self.value["chain_id"]), "0x" + verdict["referee"],
                bytes.fromhex(verdict["channel"]), "0x" + verdict["operator"], "0x" + verdict["enclave_key"],
                bytes.fromhex(verdict["nonce"]),
            ]  # fmt: skip
            report_data = keccak(encode(types, values)) + bytes(32)
            assert bytes.fromhex(part["quote"])[48 + 320 : 48 + 384] == report_data
            assert part["quote"][2 * (48 + 64) : 2 * (48 + 96)] == verdict["measurement"]
            keys[verdict["enclave_key"]] = (verdict["channel"], verdict["operator"], verdict["workload"])
        for part in (*self.value["days"], self.value["statement"]):
            message, _ = self.header(part)
            header = part["header"]
            assert keys[signer(message, part["signature"])] == (
                header["channel"],
                header["operator"],
                header["workload"],
            )

    def check_day(self, part: dict[str, Any], before: tuple[int, ...] | None) -> tuple[int, ...] | None:
        """Signature, series, entry, roster; returns where the meter stands after it."""
        header, block = part["header"], bytes.fromhex(part["block"])
        assert block[0] == 1
        entry, at = block[2:120], 120
        previous = None
        if block[1] & 1:
            previous = tuple(number(block[at + 8 * n : at + 8 * n + 8]) for n in range(3))
            at += 24
        if before is not None:
            assert previous == before
        count = number(block[at : at + 4])
        rows = [block[at + 4 + RECORD * n : at + 4 + RECORD * (n + 1)] for n in range(count)]
        period = (int(header["period_start"]), int(header["period_end"]))
        assert entry[2:34] == mac(self.key, bytes.fromhex(header["channel"]) + period[0].to_bytes(8, "big"))
        assert number(entry[50:54]) == count
        self.check_placed(part, entry)
        place = bytes.fromhex(header["channel"]) + period[0].to_bytes(8, "big")
        salt = mac(self.key, b"wattest/roster-salt/1" + place)[:16]
        member = sha(b"\x00" + entry[2:34] + salt + sha(salt + self.public_key))
        size, index = int(header["entry_count"]), int(part["index"])
        assert root_by_path(member, index, size, unhex(part["roster_path"]), sha_node).hex() == header["roster"]
        if entry[1] == 4:
            assert count == 0
            return previous
        assert entry[1] == 1
        key = bytes.fromhex(part["series_key"])
        salts = [mac(key, b"\x01" + n.to_bytes(4, "big"))[:16] for n in range(count)]
        leaves = [salted_leaf(salt, row) for salt, row in zip(salts, rows, strict=True)]
        assert tree_root(leaves, keccak_node) == entry[54:86]
        self.check_meter(block[1], block[-128:], entry, rows)
        for row in rows:
            start, duration = number(row[17:25]), number(row[25:29])
            assert duration == 900
            self.imports[start], self.exports[start] = number(row[45:53]), number(row[53:61])
        last = [row for row in rows if not row[61] & 1][-1]
        return (number(last[17:25]) + number(last[25:29]), number(last[29:37]), number(last[37:45]))

    def check_meter(self, flags: int, tail: bytes, entry: bytes, rows: list[bytes]) -> None:
        """The meter's own signature over the records that are not estimated."""
        public_key, signature = tail[:64], tail[64:]
        assert public_key == self.public_key
        signed = [row[:61] + b"\x00" + row[62:63] for row in rows if not row[61] & 1]
        root = tree_root([sha(b"\x00" + row) for row in signed], sha_node)
        head = b"wattest/device-block/1" + sha(public_key) + entry[34:50] + len(signed).to_bytes(4, "big")
        digest = sha(head + root)
        if flags & 2:
            digest = sha(b"wattest/device-block/2" + sha(public_key) + grid_columns(entry, signed))
        assert entry[86:118] == sha(digest + signature + public_key)
        point = ec.EllipticCurvePublicNumbers(number(public_key[:32]), number(public_key[32:]), ec.SECP256R1())
        der = utils.encode_dss_signature(number(signature[:32]), number(signature[32:]))
        point.public_key().verify(der, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        for row in rows:
            assert row[1:17] == sha(public_key)[:16]
            assert row[63:] == (bytes(32) if row[61] & 1 else digest)

    def check_placed(self, part: dict[str, Any], entry: bytes) -> None:
        """The entry's place under the header's root."""
        leaf = salted_leaf(mac(bytes.fromhex(part["series_key"]), b"\x02")[:16], entry)
        size = int(part["header"]["entry_count"])
        found = root_by_path(leaf, int(part["index"]), size, unhex(part["path"]), keccak_node)
        assert found.hex() == part["header"]["root"]

    def check_first_blocks(self, part: dict[str, Any]) -> None:
        """The first day's block encrypts to the digest that the bundle's manifest holds."""
        header, block = part["header"], bytes.fromhex(part["block"])
        digests = unhex(self.value["first_blocks"])
        cids = ["b" + base64.b32encode(b"\x01\x55\x12\x20" + one).decode().rstrip("=").lower() for one in digests]
        manifest = {
            "version": "1", "channel": header["channel"], "period_start": header["period_start"],
            "period_end": header["period_end"], "count": str(len(cids)), "blocks": cids,
        }  # fmt: skip
        text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
        assert sha(text.encode()).hex() == header["content_id"]
        context = bytes.fromhex(header["channel"]) + int(header["sequence"]).to_bytes(8, "big") + block[4:36]
        cipher = AESGCM(mac(bytes.fromhex(part["series_key"]), b"\x04"))
        sealed = cipher.encrypt(bytes(12), block, b"wattest/series-block/1" + context)
        assert sha(sealed) == digests[int(part["index"])]

    def check_statement(self, digests: list[bytes]) -> None:
        """The bill: what it cites, its lines from the readings, its place; and the payout."""
        part = self.value["statement"]
        header, block = part["header"], bytes.fromhex(part["block"])
        entry = block[2:120]
        assert block[:2] == b"\x01\x00"
        assert (entry[0], entry[1], block[120:124]) == (1, 18, bytes(4))
        length = number(block[124:128])
        bill, source = block[128 : 128 + length], block[128 + length + 4 :]
        assert number(block[128 + length : 128 + length + 4]) == len(source)
        assert (sha(bill), sha(source)) == (entry[54:86], entry[86:118])
        start, end = int(header["period_start"]), int(header["period_end"])
        channel = bytes.fromhex(header["channel"])
        job = mac(self.key, b"wattest/statement/1" + channel + start.to_bytes(8, "big"))
        assert entry[2:34] == job == bill[1:33]
        self.check_placed(part, entry)
        assert tree_root([sha(b"\x00" + digest) for digest in digests], sha_node).hex() == header["inputs"]
        tariff = bytes.fromhex(part["tariff"])
        cited = [d + int(day["index"]).to_bytes(4, "big") for d, day in zip(digests, self.value["days"], strict=True)]
        tag = b"wattest/statement-input/1"
        assert source == tag + sha(tariff) + source[57:89] + len(cited).to_bytes(4, "big") + b"".join(cited)
        total = self.check_bill(bill, tariff, start, end)
        self.check_payout(header, total, tariff)

    def check_bill(self, bill: bytes, tariff: bytes, start: int, end: int) -> int:
        """Seven lines from the readings and the tariff; returns the total in cents."""
        assert bill[73:105] == sha(b"wattest/tariff/1" + tariff)
        energy, grid, community, community_grid, feed_in, fixed = (
            number(tariff[2 + 8 * n : 10 + 8 * n]) for n in range(6)
        )
        count = (end - start) // 900
        shared = [number(bill[353 + 8 * n : 361 + 8 * n]) for n in range(2 * count)]
        times = range(start, end, 900)
        imports = [self.imports.get(time, 0) for time in times]
        exports = [self.exports.get(time, 0) for time in times]
        assert all(part <= whole for part, whole in zip(shared[:count], imports, strict=True))
        assert all(part <= whole for part, whole in zip(shared[count:], exports, strict=True))
        sums = (sum(imports), sum(exports), sum(shared[:count]), sum(shared[count:]))
        assert tuple(number(bill[137 + 8 * n : 145 + 8 * n]) for n in range(4)) == sums
        bought, sold = sums[0] - sums[2], sums[1] - sums[3]
        lines = [
            (bought, energy, 1), (bought, grid, 1), (sums[2], community, 1), (sums[2], community_grid, 1),
            (sums[3], community, -1), (sold, feed_in, -1), (end - start, fixed, 1),
        ]  # fmt: skip
        total = 0
        for at, (quantity, price, sign) in enumerate(lines):
            divisor = 86_400 * 10**6 if at == 6 else 10**12
            amount = sign * ((quantity * price + divisor // 2) // divisor)
            line = bill[170 + 25 * at : 195 + 25 * at]
            assert (line[0], number(line[1:9]), number(line[9:17])) == (at + 1, quantity, price)
            assert int.from_bytes(line[17:25], "big", signed=True) == amount
            total += amount
        assert int.from_bytes(bill[345:353], "big", signed=True) == total
        return total

    def check_payout(self, header: dict[str, str], total: int, tariff: bytes) -> None:
        """The leaf under the root that the payout entry names, if anything is owed."""
        payout = self.value["payout"]
        if total >= 0:
            assert payout is None
            return
        entry = bytes.fromhex(payout["entry"])
        root, promised, amount = bytes.fromhex(payout["root"]), int(payout["total"]), int(payout["amount"])
        name = b"wattest/payout/1" + bytes.fromhex(header["channel"]) + int(header["period_start"]).to_bytes(8, "big")
        assert entry[:2] + entry[2:34] == b"\x01\x12" + sha(name)
        assert entry[54:86] == keccak(root + promised.to_bytes(32, "big"))
        leaf = salted_leaf(bytes.fromhex(payout["entry_salt"]), entry)
        size = int(header["entry_count"])
        assert (
            root_by_path(leaf, int(payout["index"]), size, unhex(payout["path"]), keccak_node).hex() == header["root"]
        )
        own = b"\x01" + bytes.fromhex(payout["account"]) + amount.to_bytes(32, "big")
        leaf = salted_leaf(bytes.fromhex(payout["leaf_salt"]), own)
        leaves = number(entry[50:54])
        assert root_by_path(leaf, int(payout["leaf_index"]), leaves, unhex(payout["leaf_path"]), keccak_node) == root
        assert -total * 10 ** (tariff[1] - 2) <= amount <= promised


def main() -> None:
    """Both receipts."""
    for name in ("owed", "owing"):
        Receipt(name).check()


if __name__ == "__main__":
    main()
