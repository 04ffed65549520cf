"""Write vectors/sealed_blocks/sealed_blocks.json: blocks, wrapped keys, manifests, a statement's names.

Refused ones stand beside each. Everything follows from fixed labels. `check_sealed_blocks.py` recomputes the file
without wattest.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import crypto_reference as reference

from wattest.metering.meter import statement_job_id
from wattest.sealing.bundle import BundleManifest, cid_text, seal_block
from wattest.sealing.statement_block import (
    bill_blinding,
    commit_payouts,
    payout_job_id,
    statement_input,
)
from wattest.workload.settle import Payout, encode_payouts

OUT = Path(__file__).parent / "sealed_blocks" / "sealed_blocks.json"


def content(label: str, length: int = 32) -> bytes:
    """Reproducible bytes of a label."""
    return hashlib.shake_256(f"wattest vectors sealed blocks {label}".encode()).digest(length)


def blocks() -> list[dict[str, object]]:
    """Blocks of several sizes; ``refused`` names one changed part each, under which the block must not open."""
    cases: list[dict[str, object]] = []
    for label, size, sequence in (("empty", 0, 1), ("short", 1, 2), ("long", 1_000, 2**64 - 1)):
        key, channel, name = content(f"{label} key"), content(f"{label} channel"), content(f"{label} name")
        plaintext = content(f"{label} plaintext", size)
        place = {"series_key": key.hex(), "channel": channel.hex(), "sequence": str(sequence), "name": name.hex()}
        ciphertext = seal_block(key, channel, sequence, name, plaintext)
        refused: list[dict[str, str]] = [
            {"part": part, "value": (content(f"{label} other {part}")).hex()}
            for part in ("series_key", "channel", "name")
        ]
        refused.append({"part": "sequence", "value": str(sequence - 1)})
        refused.append({"part": "ciphertext", "value": (ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])).hex()})
        refused.append({"part": "ciphertext", "value": ciphertext[:-1].hex()})
        cases.append(
            {
                "label": label, **place, "plaintext": plaintext.hex(), "ciphertext": ciphertext.hex(),
                "refused": refused,
            }
        )  # fmt: skip
    return cases


def wrapped_keys() -> list[dict[str, object]]:
    """Keys under two readers' contexts, several messages of one; ``refused`` names one changed part each."""
    cases: list[dict[str, object]] = []
    for label, reader, sequence, index in (
        ("first of a context", "household", 1, 0),
        ("another entry under the same context", "household", 1, 7),
        ("a later batch under the same context", "household", 2, 0),
        ("the last number there is", "watcher", 2**64 - 1, 2**20 - 1),
    ):
        seed, channel = content(f"{reader} seed"), content("channel")
        key, name = content(f"{label} key"), content(label)
        public_key = reference.x25519_public_key(seed)
        info = b"wattest/series-key/2" + channel
        number, associated = sequence << 20 | index, sequence.to_bytes(8, "big") + name
        context = reference.hpke_set_up(public_key, content(f"{reader} ephemeral"), info)
        wrapped = context.enc + reference.hpke_seal(context, number, key, associated)
        other = reference.hpke_set_up(public_key, content("another ephemeral"), info)
        old_info = b"wattest/series-key/1" + channel + associated
        older = reference.hpke_set_up(public_key, content("older ephemeral"), old_info)
        domain = reference.hpke_set_up(public_key, content("older ephemeral"), b"wattest/series-key/1" + channel)
        refused = [
            {"part": part, "value": content(f"{label} other {part}").hex()}
            for part in ("reader_seed", "channel", "name")
        ]
        refused += [
            {"part": "sequence", "value": str(sequence - 1)},
            {"part": "index", "value": str(index ^ 1)},
            {"part": "wrapped", "value": (other.enc + wrapped[32:]).hex()},
            {"part": "wrapped", "value": (bytes(32) + wrapped[32:]).hex()},
            {"part": "wrapped", "value": (wrapped[:-1] + bytes([wrapped[-1] ^ 1])).hex()},
            {"part": "wrapped", "value": wrapped[:-1].hex()},
            {"part": "wrapped", "value": (older.enc + reference.hpke_seal(older, 0, key, b"")).hex()},
            {"part": "wrapped", "value": (domain.enc + reference.hpke_seal(domain, number, key, associated)).hex()},
        ]
        cases.append(
            {
                "label": label, "reader_seed": seed.hex(), "reader": public_key.hex(), "secret": context.secret.hex(),
                "series_key": key.hex(), "channel": channel.hex(), "sequence": str(sequence), "index": str(index),
                "name": name.hex(), "info": info.hex(), "number": str(number), "associated": associated.hex(),
                "wrapped": wrapped.hex(), "refused": refused,
            }
        )  # fmt: skip
    return cases


def manifests() -> dict[str, object]:
    """Manifests of one and three blocks, and texts that must be refused."""
    accepted = []
    for count in (1, 3):
        manifest = BundleManifest(
            content("channel"), 1_728_000_000, 1_728_086_400, tuple(content(f"block {at}") for at in range(count))
        )
        accepted.append(
            {
                "channel": manifest.channel.hex(),
                "period_start": str(manifest.period_start),
                "period_end": str(manifest.period_end),
                "block_digests": [digest.hex() for digest in manifest.block_digests],
                "text": manifest.to_bytes().decode(),
                "content_id": manifest.content_id.hex(),
            }
        )
    text = str(accepted[0]["text"])
    cid = cid_text(content("block 0"))
    refused = {
        "another version": text.replace('"version":"1"', '"version":"2"'),
        "a number that is none": text.replace('"count":"1"', '"count":"x"'),
        "a number with a leading zero": text.replace('"count":"1"', '"count":"01"'),
        "a number as JSON number": text.replace('"count":"1"', '"count":1'),
        "a number beyond 64 bits": text.replace('"1728000000"', f'"{2**64}"'),
        "another count": text.replace('"count":"1"', '"count":"2"'),
        "no blocks": text.replace(f'"{cid}"', "").replace('"count":"1"', '"count":"0"'),
        "white space": text.replace(",", ", "),
        "keys in another order": '{"channel"' + text.split('"channel"')[1][:-1] + f',"blocks":["{cid}"]}}',
        "upper-case channel": text.replace(content("channel").hex(), content("channel").hex().upper()),
        "channel cut short": text.replace(content("channel").hex(), content("channel").hex()[:-2]),
        "a field more": text.replace('"version"', '"more":"","version"'),
        "a field less": text.replace(',"version":"1"', ""),
        "upper-case CID": text.replace(cid, "b" + cid[1:].upper()),
        "CID of another codec": text.replace(cid, "bafybei" + cid[7:]),
        "CID cut short": text.replace(cid, cid[:-1]),
        "CID with its last bit set": text.replace(cid, cid[:-1] + chr(ord(cid[-1]) + 1)),
    }
    return {"accepted": accepted, "refused": [{"label": label, "text": bad} for label, bad in refused.items()]}


def statements() -> list[dict[str, object]]:
    """Names and digests of a statement's entries, with and without payouts."""
    cases: list[dict[str, object]] = []
    for label, amounts in (("paid", (1, 250, 2**127)), ("nothing", ())):
        meter_key, channel, start = content("meter key"), content("statement channel"), 1_728_000_000
        tariff, allocation = content("tariff", 50), content("allocation", 13)
        cited = [(content(f"header {at}"), at * 7) for at in range(2)]
        key = content("payout series key")
        payouts = [Payout(bytes([at + 1]) * 20, amount) for at, amount in enumerate(amounts)]
        commitment = commit_payouts(payouts, key)
        source = statement_input(tariff, allocation, cited)
        cases.append(
            {
                "label": label,
                "meter_key": meter_key.hex(),
                "channel": channel.hex(),
                "period_start": str(start),
                "job_id": statement_job_id(meter_key, channel, start).hex(),
                "blinding": bill_blinding(meter_key, channel, start).hex(),
                "payout_job_id": payout_job_id(channel, start).hex(),
                "tariff": tariff.hex(),
                "allocation": allocation.hex(),
                "cited": [{"digest": digest.hex(), "entry": at} for digest, at in cited],
                "input": source.hex(),
                "input_digest": hashlib.sha256(source).hexdigest(),
                "payout_series_key": key.hex(),
                "payouts": encode_payouts(payouts).hex(),
                "payout_salts": commitment.salts.hex(),
                "payout_root": commitment.root.hex(),
                "payout_total": str(commitment.total),
                "payout_result": commitment.result.hex(),
            }
        )
    return cases


def main() -> None:
    """Write the file."""
    OUT.parent.mkdir(exist_ok=True)
    families = {
        "blocks": blocks(), "wrapped_keys": wrapped_keys(), "manifests": manifests(), "statements": statements(),
    }  # fmt: skip
    OUT.write_text(json.dumps(families, indent=1) + "\n")


if __name__ == "__main__":
    main()
