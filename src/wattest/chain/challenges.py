"""The module of directed challenges with protocol types: demand an entry, show it, expire what was not shown.

Decided here: how its functions and events map to protocol values. Not decided here: the rules (``twin.referee``), who
brings a batch's proof (``referee``).

Source: contracts/src/interfaces/IDirectedChallenges.sol.
"""

from __future__ import annotations

from wattest.chain.client import Log
from wattest.chain.contract_face import ContractFace
from wattest.chain.referee_events import RefereeEvent, challenge_event
from wattest.chain.transactions import Receipt, TransactionRequest
from wattest.crypto.signer import Signer
from wattest.messages.header import BatchHeader
from wattest.twin.batch import BatchReference, EntryInclusion
from wattest.twin.challenge import ChallengeState, ChallengeTerms, DirectedChallenge


class DirectedChallenges(ContractFace):
    """The module at one address of one chain."""

    contract = "DirectedChallenges"

    def challenge(
        self,
        signer: Signer,
        header: BatchHeader,
        batch: BatchReference,
        entry_index: int,
        bond_wei: int,
        *,
        intent: str | None = None,
    ) -> Receipt:
        """Demand one entry of a batch."""
        return self._send(signer, "challenge", header, batch, entry_index, value_wei=bond_wei, intent=intent)

    def answer_request(
        self, signer: Signer, header: BatchHeader, entry: EntryInclusion, *, intent: str | None = None
    ) -> TransactionRequest:
        """Show a demanded entry; for ``ChainClient.deliver`` or ``send_many``."""
        return self._request(signer, "answer", header, entry, intent=intent)

    def expire(self, signer: Signer, batch: BatchReference, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Slash a batch for a challenge that was not answered in time."""
        return self._send(signer, "expire", batch, entry_index, intent=intent)

    def refund(self, signer: Signer, batch: BatchReference, entry_index: int, *, intent: str | None = None) -> Receipt:
        """Return the bond of a challenge whose batch was slashed for something else, or became final."""
        return self._send(signer, "refund", batch, entry_index, intent=intent)

    def withdraw_owed(self, signer: Signer, to: bytes, *, intent: str | None = None) -> Receipt:
        """Take what the module owes the signer."""
        return self._send(signer, "withdrawOwed", to, intent=intent)

    def owed_here(self, account: bytes) -> int:
        """Wei that the account can withdraw from this contract."""
        return int(self._one("owed", account))

    def bond_for(self, channel: bytes, operator: bytes, parameters_version: int) -> int:
        """The bond of the next challenge on an operator, wei."""
        return int(self._one("bondFor", channel, operator, parameters_version))

    def challenge_of(self, header_digest: bytes, entry_index: int) -> DirectedChallenge:
        """A challenge as stored; state NONE when there is none."""
        challenger, deadline, ordinal, version, state = self._one("challengeOf", header_digest, entry_index)
        return DirectedChallenge(challenger, deadline, ordinal, version, ChallengeState(state))

    def open_challenges_of(self, header_digest: bytes) -> tuple[int, int]:
        """Challenges open now on one batch, and until when they hold it (unix seconds)."""
        open_ones, held_until = self.client.call(self.abi, self.address, "openChallengesOf", header_digest)
        return int(open_ones), int(held_until)

    def open_challenges_on(self, channel: bytes, operator: bytes) -> int:
        """Challenges open now on all batches of an operator in a channel."""
        return int(self._one("openChallengesOn", channel, operator))

    def terms_of(self, channel: bytes, version: int) -> ChallengeTerms:
        """The terms in one version of a channel's parameters; zeros when there are none."""
        return ChallengeTerms(*self._one("challengeTermsOf", channel, version))

    def event(self, log: Log) -> RefereeEvent | None:
        """What a log of this contract means for batches."""
        decoded = self.abi.decode_log(log.topics, log.data)
        return None if decoded is None else challenge_event(decoded, log)
