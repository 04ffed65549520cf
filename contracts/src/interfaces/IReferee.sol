// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchHeader} from "../types/BatchHeader.sol";
import {BatchRecord, EntryInclusion} from "../types/BatchRecord.sol";
import {ChannelHead, ChannelKind, ChannelParameters} from "../types/Channel.sol";
import {DirectedChallenge, EvidenceOpening, SlashCause} from "../types/DirectedChallenge.sol";
import {OperatorExtra, OperatorHead, OperatorState} from "../types/Operator.sol";
import {IEnclaveRegistry} from "./IEnclaveRegistry.sol";

/// @title Stakes, commitments, directed challenges and fraud proofs
/// @notice Amounts are wei of the chain's own coin; times are unix seconds; windows are half-open: [start, start + length).
/// Whoever acts on a batch brings the preimage of its storage slot (BatchRecord), known from BatchCommitted.
/// A wrong Merkle path reverts with the errors of MerkleRfc9162: PathLengthWrong, RootMismatch.
/// Payments are credited to `owed` and pulled with withdrawOwed.
interface IReferee {
    // ---------------------------------------------------------------- channels

    event ChannelCreated(
        bytes32 indexed channel, address indexed manager, ChannelKind kind, bytes32 salt, ChannelParameters parameters
    );
    event ParametersQueued(bytes32 indexed channel, uint64 appliesAt, ChannelParameters parameters);
    event ParametersCancelled(bytes32 indexed channel);
    event ParametersApplied(bytes32 indexed channel, uint16 version);
    event RosterCountSet(bytes32 indexed channel, uint32 count, uint64 fromPeriodStart);

    /// @notice The channel exists already.
    error ChannelExists(bytes32 channel);
    /// @notice There is no such channel.
    error UnknownChannel(bytes32 channel);
    /// @notice Only the channel's manager may do this.
    error NotManager(address manager, address caller);
    /// @notice A parameter outside its range; the name is that of the struct's field.
    error ParameterOutOfRange(string name);
    /// @notice No parameters are queued.
    error NoParametersQueued(bytes32 channel);
    /// @notice The timelock of the queued parameters is still running.
    error TimelockRunning(uint64 appliesAt, uint64 nowS);
    /// @notice An open channel has no roster.
    error RosterNotApplicable(bytes32 channel);
    /// @notice A roster has 1 to 2^20 members.
    error RosterCountOutOfRange(uint32 count);
    /// @notice The period start is not a multiple of the epoch, is beyond 2^40 - 1, or its period is over already.
    error RosterPeriodInvalid(uint64 fromPeriodStart);
    /// @notice The change before this one began while commits for the period before it are still accepted.
    error RosterChangePending(uint64 fromPeriodStart);

    /// @notice Creates the channel keccak256(abi.encode(keccak256("wattest/channel/1"), caller, uint8 kind, salt));
    /// the caller is its manager for ever.
    function createChannel(ChannelKind kind, bytes32 salt, ChannelParameters calldata parameters)
        external
        returns (bytes32 channel);

    /// @notice Queues new parameters, replacing any queued before; they can be applied after PARAMETER_TIMELOCK_S.
    /// Caller: the manager. epochS cannot change.
    function queueParameters(bytes32 channel, ChannelParameters calldata parameters) external;

    /// @notice Drops the queued parameters. Caller: the manager.
    function cancelParameters(bytes32 channel) external;

    /// @notice Makes the queued parameters current. Caller: anyone, once the timelock is over. Batches committed before
    /// keep theirs.
    function applyParameters(bytes32 channel) external;

    /// @notice Sets how many entries a batch has for periods from `fromPeriodStart` on, 1 to 2^20; a period that is over
    /// cannot be changed. A change that has not begun is replaced. Caller: the manager.
    function setRosterCount(bytes32 channel, uint32 count, uint64 fromPeriodStart) external;

    // --------------------------------------------------------------- operators

    event Deposited(bytes32 indexed channel, address indexed operator, uint256 amountWei, uint256 depositWei);
    event ExitRequested(bytes32 indexed channel, address indexed operator, uint64 withdrawableAt);
    event Withdrawn(bytes32 indexed channel, address indexed operator, address to, uint256 amountWei);
    event OperatorBanned(bytes32 indexed channel, address indexed operator, SlashCause cause);
    event PaymentOwed(address indexed account, uint256 amountWei);
    event PaymentWithdrawn(address indexed account, address to, uint256 amountWei);

    /// @notice Only the operator itself may do this; in the referee from an account without code, calling directly.
    error NotOperator(address operator, address caller);
    /// @notice The operator is in a state in which this is not allowed.
    error WrongOperatorState(OperatorState actual);
    /// @notice A call that must carry value carried none.
    error ZeroValue();
    /// @notice The deposit would not fit 96 bits.
    error DepositTooLarge();
    /// @notice The deposit does not cover the open batches and this one.
    /// @custom:advice deposit the difference, or release final batches first
    error InsufficientDeposit(uint256 requiredWei, uint256 actualWei);
    /// @notice The exit delay is still running.
    error ExitDelayRunning(uint64 withdrawableAt, uint64 nowS);
    /// @notice Batches from firstUnreleased to sequence must be released first.
    /// @custom:advice release the batches first, once they are final
    error BatchesUnreleased(uint64 firstUnreleased, uint64 sequence);
    /// @notice Nothing is owed to the account.
    error NothingOwed(address account);
    /// @notice The receiver refused the payment; what is owed stays owed.
    /// @custom:advice withdraw to an address that accepts the payment
    error TransferFailed(address to, uint256 amountWei);

    /// @notice Adds the value sent to the caller's deposit in the channel.
    function deposit(bytes32 channel) external payable;

    /// @notice Ends committing; the deposit stays slashable until withdraw.
    function requestExit(bytes32 channel) external;

    /// @notice Pays the whole deposit of an exiting or banned caller to `to`, once the exit delay is over and every batch
    /// is released.
    function withdraw(bytes32 channel, address payable to) external;

    /// @notice Pays all that the caller is owed to `to`.
    function withdrawOwed(address payable to) external;

    // ----------------------------------------------------------------- batches

    /// @notice A batch was committed. Its header is the first argument of the transaction's input. `stamp` is
    /// committedAt << 16 | parametersVersion: two words instead of three, on the path of every commit.
    event BatchCommitted(
        bytes32 indexed channel, address indexed operator, uint64 indexed sequence, bytes32 headerDigest, uint80 stamp
    );
    /// @notice Batches up to and with `sequence` no longer count in the operator's exposure.
    event BatchesReleased(bytes32 indexed channel, address indexed operator, uint64 sequence);
    /// @notice A deposit was slashed: `burnedWei` sent to BURN_ADDRESS, `rewardWei` owed to the catcher. The batch of this
    /// sequence, if it was committed and not final, is Slashed; at an equivocation there may be none.
    event Slashed(
        bytes32 indexed channel,
        address indexed operator,
        uint64 indexed sequence,
        SlashCause cause,
        address catcher,
        uint256 burnedWei,
        uint256 rewardWei
    );

    /// @notice The header's sequence does not follow the operator's last batch.
    /// @custom:advice ask the chain for the operator's head
    error SequenceMismatch(uint64 expected, uint64 actual);
    /// @notice The header does not name the digest of the batch before.
    error PreviousMismatch(bytes32 expected, bytes32 actual);
    /// @notice A batch has 1 to 2^20 entries.
    error EntryCountOutOfRange(uint32 entryCount);
    /// @notice The batch has not as many entries as the channel's roster.
    error RosterCountMismatch(uint32 expected, uint32 actual);
    /// @notice Scheduled: the period is not one epoch at a multiple of it. Open: it ends before it starts.
    error PeriodInvalid(uint64 periodStart, uint64 periodEnd);
    /// @notice The period is not over yet.
    /// @custom:advice commit once the period has ended
    error PeriodNotOver(uint64 periodEnd, uint64 nowS);
    /// @notice The commit deadline has passed.
    /// @custom:advice the period can no longer be committed; its readings can go into an open channel as a late import
    error CommitDeadlinePassed(uint64 deadline, uint64 nowS);
    /// @notice The operator's batch before was committed in this period's commit time already.
    error PeriodAlreadyCommitted(uint64 periodEnd);
    /// @notice roster and state must be zero in an open channel.
    error OpenChannelFieldSet();
    /// @notice roster and state must not be zero in a scheduled channel.
    error ScheduledChannelFieldMissing();
    /// @notice witnesses and zkRoot must be zero in this version.
    error ReservedFieldSet();
    /// @notice Not 65 bytes r||s||v with v 27 or 28 and s low, or no key can be recovered.
    error InvalidSignature();
    /// @notice The signer is not the binding's active key for this workload, or it has expired.
    /// @custom:advice register or renew the enclave key, for this workload
    error EnclaveKeyNotActive(address signer, bytes32 workload);
    /// @notice There is no such batch, or the record given is not its current preimage.
    /// @custom:advice bring the record from the BatchCommitted event; after a slash its state is Slashed
    error UnknownBatch(bytes32 channel, address operator, uint64 sequence);
    /// @notice The header is not the one that the batch's record names.
    error HeaderMismatch(bytes32 expected, bytes32 actual);
    /// @notice The batch was slashed before.
    error BatchAlreadySlashed(uint64 sequence);
    /// @notice The batch is final.
    error BatchAlreadyFinal(uint64 sequence);
    /// @notice The batch is not final yet.
    /// @custom:advice wait until the challenge window is over and no challenge is open
    error BatchNotFinal(uint64 sequence);

    /// @notice Commits a batch. Caller: the header's operator, an account without code, in a transaction straight to this
    /// contract, so that everyone has the header that a challenge needs. The operator has a deposit of at least its open exposure plus this
    /// batch's.
    /// @param header the header, signed whole
    /// @param signature 65 bytes r||s||v by the active enclave key over the header's EIP-712 digest
    /// @param previous record of the operator's batch before; all zero at sequence 1
    function commit(BatchHeader calldata header, bytes calldata signature, BatchRecord calldata previous) external;

    /// @notice Drops batches from the operator's exposure, from firstUnreleased on: each must be final or slashed. Anyone.
    /// @param records the records of consecutive batches
    function release(bytes32 channel, address operator, BatchRecord[] calldata records) external;

    /// @notice Whether the batch is final: committed, its challenge window over, no challenge open, not slashed. Reverts
    /// UnknownBatch if `record` is not the batch's.
    function isFinal(bytes32 channel, address operator, uint64 sequence, BatchRecord calldata record)
        external
        view
        returns (bool);

    // ----------------------------------------------------- directed challenges

    event ChallengeOpened(
        bytes32 indexed channel,
        address indexed operator,
        uint64 indexed sequence,
        uint32 entryIndex,
        address challenger,
        uint32 ordinal,
        uint64 deadline,
        uint256 bondWei
    );
    event ChallengeAnswered(
        bytes32 indexed channel,
        address indexed operator,
        uint64 indexed sequence,
        uint32 entryIndex,
        address answerer,
        uint256 reimbursedWei,
        uint256 burnedWei
    );
    event ChallengeExpired(
        bytes32 indexed channel,
        address indexed operator,
        uint64 indexed sequence,
        uint32 entryIndex,
        address challenger,
        uint256 bondWei
    );
    event ChallengeRefunded(
        bytes32 indexed channel,
        address indexed operator,
        uint64 indexed sequence,
        uint32 entryIndex,
        address challenger,
        uint256 bondWei
    );

    /// @notice The challenge window of the batch has closed.
    /// @custom:advice challenge within the window after the commit
    error ChallengeWindowClosed(uint64 closedAt, uint64 nowS);
    /// @notice The batch has no entry at this index.
    error EntryIndexOutOfRange(uint32 entryIndex, uint32 entryCount);
    /// @notice The entry was challenged before.
    error ChallengeExists(uint64 sequence, uint32 entryIndex);
    /// @notice There is no challenge on this entry.
    error UnknownChallenge(uint64 sequence, uint32 entryIndex);
    /// @notice The challenge is not open.
    error ChallengeNotOpen(uint64 sequence, uint32 entryIndex);
    /// @notice The bond is smaller than the next challenge costs.
    /// @custom:advice ask bondFor and send at least that
    error BondTooSmall(uint256 requiredWei, uint256 actualWei);
    /// @notice The deadline of the challenge has passed.
    error AnswerWindowClosed(uint64 deadline, uint64 nowS);
    /// @notice The deadline of the challenge has not passed yet.
    /// @custom:advice wait until the deadline
    error AnswerWindowOpen(uint64 deadline, uint64 nowS);
    /// @notice Every entry is 118 bytes.
    error EntryLengthInvalid(uint256 actual);
    /// @notice The batch was not slashed.
    error BatchNotSlashed(uint64 sequence);

    /// @notice Demands one entry of a batch within the challenge window; once per entry, for ever. The value sent must be
    /// at least bondFor; what is more is owed back. Anyone.
    function challenge(BatchHeader calldata header, BatchRecord calldata record, uint32 entryIndex) external payable;

    /// @notice Shows the entry before the deadline: its payload, salt and path. The caller is owed the call's gas at the
    /// transaction's price, at most answerGasCapWei, from the bond; the rest is burned. Anyone.
    function answer(BatchHeader calldata header, BatchRecord calldata record, EntryInclusion calldata entry) external;

    /// @notice After the deadline of an unanswered challenge: slashes the batch; the challenger is owed bond and reward.
    /// Anyone.
    function expire(bytes32 channel, address operator, uint64 sequence, BatchRecord calldata record, uint32 entryIndex)
        external;

    /// @notice Returns the bond of a challenge that was open when its batch was slashed for something else. Anyone.
    function refund(bytes32 channel, address operator, uint64 sequence, BatchRecord calldata record, uint32 entryIndex)
        external;

    // ------------------------------------------------------------ fraud proofs

    /// @notice The two headers name different channels, operators or sequences, or are the same header.
    error NotEquivocation();
    /// @notice The headers are signed by different keys.
    error SignersDiffer(address first, address second);
    /// @notice The enclave key was never registered for this binding.
    error KeyNeverRegistered(address enclaveKey);
    /// @notice Equivocation at this sequence was proved before.
    error AlreadyConvicted(uint64 sequence);
    /// @notice The entry's version or kind is not the one that this call is about.
    error EntryKindMismatch(uint8 expected, uint8 actual);
    /// @notice The opening does not hash to the entry's evidence.
    error EvidenceMismatch(bytes32 expected, bytes32 actual);
    /// @notice The evidence is in order: signature valid, s low.
    error EvidenceValid();
    /// @notice P256VERIFY (EIP-7951) does not answer at this address, or the call left it too little gas.
    error PrecompileMissing(address precompile);

    /// @notice Proves that one registered key signed two headers for one sequence: bans the operator and slashes once,
    /// whether the headers were committed or not, and also when the key has expired since. Anyone.
    /// @param record the record of the committed batch of that sequence; all zero if there is none
    function proveEquivocation(
        BatchHeader calldata first,
        bytes calldata firstSignature,
        BatchHeader calldata second,
        bytes calldata secondSignature,
        BatchRecord calldata record
    ) external;

    /// @notice Proves that an entry of kind 1 rests on a meter signature that does not verify (s high, key malformed or
    /// P256VERIFY fails): bans the operator and slashes the batch. Reveals no reading. Anyone, before the batch is final.
    function proveInvalidEvidence(
        BatchHeader calldata header,
        BatchRecord calldata record,
        EntryInclusion calldata entry,
        EvidenceOpening calldata opening
    ) external;

    // -------------------------------------------------------------------- views

    /// @notice EIP-712 digest of a header under this contract's domain.
    function headerDigest(BatchHeader calldata header) external view returns (bytes32);

    /// @notice The batch's storage slot: keccak256 of its record's abi encoding; zero if there is none.
    function recordDigestOf(bytes32 channel, address operator, uint64 sequence) external view returns (bytes32);

    function channelHead(bytes32 channel) external view returns (ChannelHead memory);

    /// @notice The channel's manager; zero if there is no such channel.
    function managerOf(bytes32 channel) external view returns (address);

    /// @notice Parameters of one version, from 1; all zero if there is no such version.
    function parametersOf(bytes32 channel, uint16 version) external view returns (ChannelParameters memory);

    /// @notice The queued parameters and when they can be applied; appliesAt is zero if none are queued.
    function queuedParameters(bytes32 channel)
        external
        view
        returns (uint64 appliesAt, ChannelParameters memory parameters);

    /// @notice Entries due in a batch for the period that starts then; zero in an open channel.
    function rosterCountAt(bytes32 channel, uint64 periodStart) external view returns (uint32);

    function operatorHead(bytes32 channel, address operator) external view returns (OperatorHead memory);

    function operatorExtra(bytes32 channel, address operator) external view returns (OperatorExtra memory);

    function challengeOf(bytes32 channel, address operator, uint64 sequence, uint32 entryIndex)
        external
        view
        returns (DirectedChallenge memory);

    /// @notice Challenges open now on one batch.
    function openChallengesOf(bytes32 channel, address operator, uint64 sequence) external view returns (uint32);

    /// @notice Bond of the next challenge on the operator, for a batch under this parameters version.
    function bondFor(bytes32 channel, address operator, uint16 parametersVersion) external view returns (uint256);

    /// @notice Whether equivocation at this sequence was proved.
    function isConvicted(bytes32 channel, address operator, uint64 sequence) external view returns (bool);

    /// @notice What the account can withdraw, wei.
    function owed(address account) external view returns (uint256);

    /// @notice Sum of all burns, wei.
    function burned() external view returns (uint256);

    /// @notice The registry, fixed at construction.
    function registry() external view returns (IEnclaveRegistry);
}
