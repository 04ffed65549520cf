"""The module of fraud proofs with protocol types: two headers for one sequence, a meter's signature that is none.

Decided here: how its functions map to protocol values. Not decided here: the rules (``twin.referee``), who brings a
batch's proof (``referee``).

Source: contracts/src/interfaces/IFraudProofs.sol.
"""

from __future__ import annotations

from wattest.chain.contract_face import ContractFace
from wattest.chain.transactions import Receipt
from wattest.crypto.signer import Signer
from wattest.messages.header import BatchHeader
from wattest.twin.batch import NO_BATCH, BatchReference, EntryInclusion
from wattest.twin.challenge import EvidenceOpening

SignedHeader = tuple[BatchHeader, bytes]
"""A header and the enclave's 65-byte signature."""


class FraudProofs(ContractFace):
    """The module at one address of one chain."""

    contract = "FraudProofs"

    def prove_equivocation(
        self,
        signer: Signer,
        first: SignedHeader,
        second: SignedHeader,
        batch: BatchReference | None,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Show two headers of one key for one sequence; ``batch`` is the committed one, None where there is none."""
        return self._send(signer, "proveEquivocation", *first, *second, batch or NO_BATCH, intent=intent)

    def prove_invalid_evidence(
        self,
        signer: Signer,
        header: BatchHeader,
        batch: BatchReference,
        entry: EntryInclusion,
        opening: EvidenceOpening,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Show that an entry's meter signature does not verify."""
        words = (
            opening.message_digest,
            opening.signature[:32],
            opening.signature[32:],
            opening.public_key[:32],
            opening.public_key[32:],
        )
        return self._send(signer, "proveInvalidEvidence", header, batch, entry, words, intent=intent)

    def is_convicted(self, channel: bytes, operator: bytes, sequence: int) -> bool:
        """Whether equivocation at this sequence was proved."""
        return bool(self._one("isConvicted", channel, operator, sequence))
