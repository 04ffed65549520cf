"""What an entry of kind 18 commits to: a bill, or the payouts of a statement, and what they were computed from.

Decided here: names, digests and secrets of a statement's entries, and when the payout entry's block holds. Not decided
here: the amounts (the ``settle`` guest) and what the payout contract does with a root (``payouts``). Invariant:
enclave, watcher, receipt and contract derive the same root and total from the same list.
Source: docs/spec/sealed-blocks.md, section "Statements"; docs/spec/settlement.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wattest.crypto.hashing import derive_salts, hmac_sha256, keccak256, sha256
from wattest.errors import VerificationError
from wattest.merkle import MerkleTree, leaf_hash, sha256_root
from wattest.messages.fields import WORD, ZERO_WORD, uint_word
from wattest.metering.entry import StatementEntry
from wattest.metering.series_block import SeriesBlock
from wattest.workload.settle import Payout, parse_payouts

PAYOUT_JOB_TAG = b"wattest/payout/1"
STATEMENT_INPUT_TAG = b"wattest/statement-input/1"
BLINDING_TAG = b"wattest/bill-blinding/1"
BLINDING_BYTES = 16
PAYOUT_SALT_TAG = 0x05


class PayoutBlockMismatch(VerificationError):
    """A payout entry's block whose list or input does not lead to the entry."""


def payout_job_id(channel: bytes, period_start: int) -> bytes:
    """The job id of a statement batch's payout entry: SHA-256("wattest/payout/1" || channel || u64 period start)."""
    return sha256(PAYOUT_JOB_TAG + channel + period_start.to_bytes(8, "big"))


def payout_result(root: bytes, total: int) -> bytes:
    """The result digest of the payout entry: keccak256(abi.encode(root, total))."""
    return keccak256(root + uint_word(total))


def payout_leaf(salt: bytes, account: bytes, cumulative_amount: int) -> bytes:
    """The leaf hash of a payout: payload 0x01 || account 20 || cumulative amount 32, 16-byte salt."""
    return leaf_hash(salt, b"\x01" + account + uint_word(cumulative_amount))


def citations_root(header_digests: Sequence[bytes]) -> bytes:
    """A statement's ``inputs``: SHA-256 RFC 9162 root over the cited headers' digests, in their order."""
    return sha256_root(b"".join(header_digests), WORD)


def bill_blinding(meter_key: bytes, channel: bytes, period_start: int) -> bytes:
    """16 bytes that keep a bill's digest from being guessed, known to the household and its enclave."""
    return hmac_sha256(meter_key, BLINDING_TAG + channel + period_start.to_bytes(8, "big"))[:BLINDING_BYTES]


def statement_input(tariff: bytes, allocation: bytes, cited: Sequence[tuple[bytes, int]]) -> bytes:
    """The preimage of an input digest: parameters, then (header digest 32, u32 entry index) for each citation."""
    return b"".join(
        (
            STATEMENT_INPUT_TAG,
            sha256(tariff),
            sha256(allocation),
            len(cited).to_bytes(4, "big"),
            *(digest + index.to_bytes(4, "big") for digest, index in cited),
        )
    )


@dataclass(frozen=True, slots=True)
class PayoutCommitment:
    """A payout list under its tree: 32-byte root (zero for an empty list), sum, 16-byte salts in the list's order."""

    root: bytes
    total: int
    salts: bytes = field(repr=False)

    @property
    def result(self) -> bytes:
        """The payout entry's result digest, 32 bytes."""
        return payout_result(self.root, self.total)


def commit_payouts(payouts: Sequence[Payout], series_key: bytes) -> PayoutCommitment:
    """The commitment to a list, with salts from the payout entry's series key: tag 0x05, by index."""
    salts = derive_salts(series_key, PAYOUT_SALT_TAG, len(payouts))
    leaves = [payout.leaf_payload() for payout in payouts]
    root = MerkleTree.build(b"".join(leaves), len(leaves[0]), salts).root if leaves else ZERO_WORD
    return PayoutCommitment(root, sum(payout.cumulative_amount for payout in payouts), salts)


def is_payout_entry(entry: object, channel: bytes) -> bool:
    """Whether an entry of the statement channel ``channel`` is its period's payout entry, by its name."""
    return isinstance(entry, StatementEntry) and entry.job_id == payout_job_id(channel, entry.period_start)


def verify_payout_block(block: SeriesBlock, series_key: bytes) -> PayoutCommitment:
    """Recompute root and total from the list in the payout entry's block.

    Raises: PayoutBlockMismatch; MalformedGuestOutput for a list that is none.
    """
    entry = block.entry
    if not isinstance(entry, StatementEntry):
        raise PayoutBlockMismatch("the block is no statement's", actual=int(entry.kind))
    payouts = parse_payouts(block.result)
    commitment = commit_payouts(payouts, series_key)
    for name, expected, actual in (
        ("result digest", entry.result_digest, commitment.result),
        ("input digest", entry.input_digest, sha256(block.source)),
        ("count", entry.count, len(payouts)),
    ):
        if expected != actual:
            raise PayoutBlockMismatch(
                f"the payout entry's {name} does not follow from its block", expected=expected, actual=actual
            )
    return commitment
