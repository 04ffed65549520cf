"""Every way a contract refuses, under the name of its Solidity custom error.

Made by ``tools/make_contract_errors.py`` from the contracts' NatSpec: change it there. Decided here: names, fields and
words only; who raises them is in the twin's modules. Invariant: a revert from the chain and a refusal of the twin are
the same error.
"""

from __future__ import annotations

from wattest.twin.reverted import Reverted, reverts_in

# IBatchErrors


class UnknownBatch(Reverted):
    """The record is not that of a batch with this sequence in the operator's history."""

    arguments = ("channel", "operator", "sequence")
    advice = "bring the record from the batch's BatchCommitted event, and its path in the history of that size"


class HistoryStale(Reverted):
    """The chain keeps the last eight sizes of an operator's history; the one named is older, or not reached yet."""

    arguments = ("size", "sequence")
    advice = "make the proof again, against the operator's last batch"


class HistoryMismatch(Reverted):
    """Size, last header and peaks do not hash to what the chain keeps of the operator's history."""

    arguments = ("expected", "actual")
    advice = "take the last header's digest and the peaks from the BatchCommitted events"


class HeaderMismatch(Reverted):
    """The header is not the one that the batch's record names."""

    arguments = ("expected", "actual")


class BatchAlreadySlashed(Reverted):
    """The batch was slashed before."""

    arguments = ("sequence",)


class BatchAlreadyFinal(Reverted):
    """The batch is final."""

    arguments = ("sequence",)


class BatchNotFinal(Reverted):
    """The batch is not final yet."""

    arguments = ("sequence",)
    advice = "wait until the challenge window is over and no module holds the batch"


class PowerNotGranted(Reverted):
    """The channel does not grant this power (1 convict, 2 fine, 4 hold, 8 set stake) to the module."""

    arguments = ("channel", "module", "power")
    advice = "a channel names its modules when it is created; use one that names this module"


class EntryLengthInvalid(Reverted):
    """Every entry is 118 bytes."""

    arguments = ("actual",)


class EntryIndexOutOfRange(Reverted):
    """The batch has no entry at this index."""

    arguments = ("entry_index", "entry_count")


class EntryKindMismatch(Reverted):
    """The entry's version or kind is not the one that this call is about."""

    arguments = ("expected", "actual")


# IDirectedChallenges


class TermOutOfRange(Reverted):
    """A term outside its range; the name is that of ChallengeTerms' field."""

    arguments = ("name",)


class ChallengeWindowClosed(Reverted):
    """The challenge window of the batch has closed."""

    arguments = ("closed_at", "now_s")
    advice = "challenge within the window after the commit"


class ChallengeExists(Reverted):
    """The entry was challenged before."""

    arguments = ("sequence", "entry_index")


class UnknownChallenge(Reverted):
    """There is no challenge on this entry."""

    arguments = ("sequence", "entry_index")


class ChallengeNotOpen(Reverted):
    """The challenge is not open."""

    arguments = ("sequence", "entry_index")


class BondTooSmall(Reverted):
    """The bond is smaller than the next challenge costs."""

    arguments = ("required_wei", "actual_wei")
    advice = "ask bondFor and send at least that"


class AnswerWindowClosed(Reverted):
    """The deadline of the challenge has passed."""

    arguments = ("deadline", "now_s")


class AnswerWindowOpen(Reverted):
    """The deadline of the challenge has not passed yet."""

    arguments = ("deadline", "now_s")
    advice = "wait until the deadline"


class ChallengeStillDue(Reverted):
    """The batch was neither slashed nor did it become final: the challenge is to be answered or expired."""

    arguments = ("sequence", "entry_index")


# IEnclaveRegistry


class NotOperator(Reverted):
    """Only the operator itself may do this; in the referee from an account without code, calling directly."""

    arguments = ("operator", "caller")


class VerdictIncomplete(Reverted):
    """The enclave key or the referee is the zero address, or the workload is zero."""


class VerdictFromFuture(Reverted):
    """The verdict was issued after the present block."""

    arguments = ("issued_at", "now_s")


class VerdictExpired(Reverted):
    """The verdict has expired."""

    arguments = ("expires_at", "now_s")
    advice = "ask the appraisers for a new verdict"


class RegistrationTooLong(Reverted):
    """expiresAt - issuedAt is over the registry's limit, or not positive."""

    arguments = ("limit_s", "actual_s")
    advice = "ask for a verdict with an earlier expiry"


class NonceStale(Reverted):
    """The nonce is not the hash of a block among the last 256."""

    arguments = ("nonce_block", "nonce")
    advice = "make new evidence over a recent block hash"


class VerdictNotNewer(Reverted):
    """A verdict for a key must be issued after the key's last one: none counts twice."""

    arguments = ("last_issued_at", "issued_at")


class KeyBoundElsewhere(Reverted):
    """The key was registered for another operator of the channel."""

    arguments = ("enclave_key",)


class KeyRevoked(Reverted):
    """The enclave key was revoked, for good."""

    arguments = ("enclave_key",)


class KeyNeverRegistered(Reverted):
    """The enclave key was never registered for this binding."""

    arguments = ("enclave_key",)


class NotRevoker(Reverted):
    """Only the operator or the channel's manager may revoke without evidence."""

    arguments = ("caller",)


class RegistryMisconfigured(Reverted):
    """The limit on a registration's length is zero or over 90 days, or the verifier is no contract."""


# IEvidenceVerifier


class QuorumTooSmall(Reverted):
    """Fewer signatures than the quorum asks for, or bytes that are no whole number of signatures."""

    arguments = ("required", "actual")
    advice = "collect more appraisers' signatures"


class AppraiserUnknown(Reverted):
    """A signature of somebody who is no appraiser."""

    arguments = ("signer",)


class AppraisersNotAscending(Reverted):
    """Signatures must be in strictly ascending order of their signers' addresses, so that none counts twice."""

    arguments = ("signer",)
    advice = "sort the signatures by their signers' addresses"


class AppraiserSetInvalid(Reverted):
    """An empty, oversized or unordered set of appraisers, or a threshold outside it."""


# IFraudProofs


class TermsNotZero(Reverted):
    """These terms must be zero: the module has none."""


class NotEquivocation(Reverted):
    """The two headers name different channels, operators or sequences, or are the same header."""


class SignersDiffer(Reverted):
    """The headers are signed by different keys."""

    arguments = ("first", "second")


class AlreadyConvicted(Reverted):
    """Equivocation at this sequence was proved before."""

    arguments = ("sequence",)


class InvalidSignature(Reverted):
    """Not 65 bytes r||s||v with v 27 or 28 and s low, or no key can be recovered."""


class EvidenceMismatch(Reverted):
    """The opening does not hash to the entry's evidence."""

    arguments = ("expected", "actual")


class EvidenceValid(Reverted):
    """The evidence is in order: signature valid, s low."""


# IPayouts


class DistributionExists(Reverted):
    """The distribution exists already."""

    arguments = ("distribution",)


class UnknownDistribution(Reverted):
    """There is no such distribution."""

    arguments = ("distribution",)


class TermsInvalid(Reverted):
    """An address is zero or no contract, the activation delay is out of range, or the lists of channels are too long,
    not ascending, hold the statement channel or one in both.
    """


class NotPoster(Reverted):
    """Only the distribution's poster may do this."""

    arguments = ("poster", "caller")


class NotDisabler(Reverted):
    """Only the distribution's disabler or poster may do this."""

    arguments = ("disabler", "caller")


class NothingReceived(Reverted):
    """The transfer brought nothing."""


class RootPending(Reverted):
    """Another root waits already."""

    arguments = ("root",)


class NoRootPending(Reverted):
    """No root waits."""

    arguments = ("distribution",)


class ActivationDelayRunning(Reverted):
    """The activation delay of the root is still running."""

    arguments = ("activatable_at", "now_s")
    advice = "activate after activatableAt"


class StatementForeign(Reverted):
    """The header is not of the distribution's statement channel and operator."""

    arguments = ("channel", "operator")


class StatementStale(Reverted):
    """The statement is not newer than the active one."""

    arguments = ("active_sequence", "actual")


class JobMismatch(Reverted):
    """The entry's job id is not that of the header's channel and period."""

    arguments = ("expected", "actual")


class ResultMismatch(Reverted):
    """The entry's result digest is not keccak256(abi.encode(root, total))."""

    arguments = ("expected", "actual")


class CitationCountOutOfRange(Reverted):
    """None, or more than MAX_CITATIONS."""

    arguments = ("actual",)


class CitationsMismatch(Reverted):
    """The cited headers' digests do not hash to the statement's ``inputs``."""

    arguments = ("expected", "actual")


class CitationForeign(Reverted):
    """A cited batch is of no channel of the distribution."""

    arguments = ("channel",)


class TotalDecreased(Reverted):
    """A new root promises less than the active one."""

    arguments = ("active_total", "actual")


class EscrowTooSmall(Reverted):
    """The escrow does not cover what the root promises."""

    arguments = ("required", "actual")
    advice = "fund the distribution first"


class NothingToClaim(Reverted):
    """The account was paid all that the active root promises it."""

    arguments = ("account",)


class TotalExceeded(Reverted):
    """The claim would pay more than the root's total: the root is inconsistent."""

    arguments = ("total", "actual")


# IPurse


class NothingOwed(Reverted):
    """Nothing is owed to the account."""

    arguments = ("account",)


class TransferFailed(Reverted):
    """The receiver refused the payment; what is owed stays owed."""

    arguments = ("to", "amount_wei")
    advice = "withdraw to an address that accepts the payment"


# IReferee


class ChannelExists(Reverted):
    """The channel exists already."""

    arguments = ("channel",)


class UnknownChannel(Reverted):
    """There is no such channel."""

    arguments = ("channel",)


class NotManager(Reverted):
    """Only the channel's manager may do this."""

    arguments = ("manager", "caller")


class ParameterOutOfRange(Reverted):
    """A parameter outside its range, or no whole number of gwei; the name is that of the struct's field."""

    arguments = ("name",)


class TooManyModules(Reverted):
    """A channel has at most eight modules."""

    arguments = ("actual",)


class TooManyHolders(Reverted):
    """At most four modules of a channel have the power to hold."""

    arguments = ("actual",)


class ModuleInvalid(Reverted):
    """A module is a contract, named once, with at least one power and no unknown one."""

    arguments = ("module", "powers")


class TermsCountMismatch(Reverted):
    """Every module has one word of terms, in the order of the modules."""

    arguments = ("expected", "actual")


class NoParametersQueued(Reverted):
    """No parameters are queued."""

    arguments = ("channel",)


class TimelockRunning(Reverted):
    """The timelock of the queued parameters is still running."""

    arguments = ("applies_at", "now_s")


class ParametersMismatch(Reverted):
    """These are not the parameters and terms that were queued."""

    arguments = ("expected", "actual")
    advice = "take them from the last ParametersQueued event"


class RosterNotApplicable(Reverted):
    """An open channel has no roster."""

    arguments = ("channel",)


class RosterCountOutOfRange(Reverted):
    """A roster has 1 to 2^20 members."""

    arguments = ("count",)


class RosterPeriodInvalid(Reverted):
    """The period start is not a multiple of the epoch, is beyond 2^40 - 1, or its period is over already."""

    arguments = ("from_period_start",)


class RosterChangePending(Reverted):
    """The change before this one began while commits for the period before it are still accepted."""

    arguments = ("from_period_start",)


class WrongOperatorState(Reverted):
    """The operator is in a state in which this is not allowed."""

    arguments = ("actual",)


class ZeroValue(Reverted):
    """A call that must carry value carried none."""


class NotWholeGwei(Reverted):
    """Stakes are counted in whole gwei."""

    arguments = ("amount_wei",)
    advice = "send a multiple of 1,000,000,000 wei"


class DepositTooLarge(Reverted):
    """The deposit would not fit 56 bits of gwei."""


class InsufficientDeposit(Reverted):
    """The deposit does not cover the open batches and this one."""

    arguments = ("required_wei", "actual_wei")
    advice = "deposit the difference, or release final batches first"


class ExitDelayRunning(Reverted):
    """The exit delay is still running."""

    arguments = ("withdrawable_at", "now_s")


class BatchesUnreleased(Reverted):
    """Batches from firstUnreleased to sequence must be released first."""

    arguments = ("first_unreleased", "sequence")
    advice = "release the batches first, once they are final"


class ReleaseOutOfOrder(Reverted):
    """Batches are released in order: the run does not begin with the first unreleased one, or goes beyond the last."""

    arguments = ("first_unreleased", "sequence")


class SequenceMismatch(Reverted):
    """The header's sequence does not follow the operator's last batch."""

    arguments = ("expected", "actual")
    advice = "ask the chain for the operator's head"


class EntryCountOutOfRange(Reverted):
    """A batch has 1 to 2^20 entries."""

    arguments = ("entry_count",)


class RosterCountMismatch(Reverted):
    """The batch has not as many entries as the channel's roster."""

    arguments = ("expected", "actual")


class PeriodInvalid(Reverted):
    """Scheduled: the period is not one epoch at a multiple of it. Open: it ends before it starts."""

    arguments = ("period_start", "period_end")


class PeriodNotOver(Reverted):
    """The period is not over yet."""

    arguments = ("period_end", "now_s")
    advice = "commit once the period has ended"


class CommitDeadlinePassed(Reverted):
    """The commit deadline has passed."""

    arguments = ("deadline", "now_s")
    advice = "the period can no longer be committed; its readings can go into an open channel as a late import"


class PeriodAlreadyCommitted(Reverted):
    """The operator's batch before was committed in this period's commit time already."""

    arguments = ("period_end",)


class CommitTooSoon(Reverted):
    """The operator's batch before was committed in a block of the same time."""

    arguments = ("committed_at",)
    advice = "commit in a later block"


class OpenChannelFieldSet(Reverted):
    """roster and state must be zero in an open channel."""


class ScheduledChannelFieldMissing(Reverted):
    """roster and state must not be zero in a scheduled channel."""


class ReservedFieldSet(Reverted):
    """witnesses and zkRoot must be zero in this version."""


class EnclaveKeyNotActive(Reverted):
    """The signer is not the binding's active key for this workload, or it has expired."""

    arguments = ("signer", "workload")
    advice = "register or renew the enclave key, for this workload"


class MatterFined(Reverted):
    """The operator was fined for this matter before."""

    arguments = ("matter",)


class HoldOver(Reverted):
    """The hold would have ended already."""

    arguments = ("until", "now_s")


class StakeOutOfRange(Reverted):
    """A stake is a whole number of gwei between once and three times the channel's."""

    arguments = ("least_wei", "most_wei", "actual_wei")


# P256Verify


class PrecompileMissing(Reverted):
    """P256VERIFY (EIP-7951) does not answer at this address, or the call left it too little gas."""

    arguments = ("precompile",)


REVERTS: dict[str, type[Reverted]] = reverts_in(__name__)
