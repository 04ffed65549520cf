// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchHeader} from "../types/BatchHeader.sol";
import {BatchMark, BatchReference, BatchRun, BatchState} from "../types/BatchRecord.sol";
import {ChannelHead, ChannelKind, ChannelParameters} from "../types/Channel.sol";
import {ModuleGrant} from "../types/Module.sol";
import {OperatorHead, OperatorState} from "../types/Operator.sol";
import {IBatchErrors} from "./IBatchErrors.sol";
import {IEnclaveRegistry} from "./IEnclaveRegistry.sol";
import {IPurse} from "./IPurse.sol";

/// @title The core: channels, stakes, commits, exposure, finality, history
/// @notice Knows no module by name; a channel names its modules at creation and grants each some of four powers. No owner, no
/// upgrade, no pause. Amounts are wei of the chain's own coin unless their name says gwei, and always whole gwei; times are
/// unix seconds; windows are half-open: [start, start + length). Whoever acts on a batch brings its record and its path in the
/// operator's history (BatchReference), both known from BatchCommitted. What is paid or burned is credited to `owed`.
interface IReferee is IPurse, IBatchErrors {
    // ---------------------------------------------------------------- channels

    event ChannelCreated(
        bytes32 indexed channel,
        address indexed manager,
        ChannelKind kind,
        bytes32 salt,
        ChannelParameters parameters,
        ModuleGrant[] modules,
        bytes32[] terms
    );
    event ParametersQueued(bytes32 indexed channel, uint64 appliesAt, ChannelParameters parameters, bytes32[] terms);
    event ParametersCancelled(bytes32 indexed channel);
    event ParametersApplied(bytes32 indexed channel, uint16 version);
    event RosterCountSet(bytes32 indexed channel, uint32 count, uint64 fromPeriodStart);

    /// @notice The channel exists already.
    error ChannelExists(bytes32 channel);
    /// @notice There is no such channel.
    error UnknownChannel(bytes32 channel);
    /// @notice Only the channel's manager may do this.
    error NotManager(address manager, address caller);
    /// @notice A parameter outside its range, or no whole number of gwei; the name is that of the struct's field.
    error ParameterOutOfRange(string name);
    /// @notice A channel has at most eight modules.
    error TooManyModules(uint256 actual);
    /// @notice At most four modules of a channel have the power to hold.
    error TooManyHolders(uint256 actual);
    /// @notice A module is a contract, named once, with at least one power and no unknown one.
    error ModuleInvalid(address module, uint8 powers);
    /// @notice Every module has one word of terms, in the order of the modules.
    error TermsCountMismatch(uint256 expected, uint256 actual);
    /// @notice No parameters are queued.
    error NoParametersQueued(bytes32 channel);
    /// @notice The timelock of the queued parameters is still running.
    error TimelockRunning(uint64 appliesAt, uint64 nowS);
    /// @notice These are not the parameters and terms that were queued.
    /// @custom:advice take them from the last ParametersQueued event
    error ParametersMismatch(bytes32 expected, bytes32 actual);
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
    /// @param modules the contracts that may act on the channel's batches and operators, and what each may; fixed for ever
    /// @param terms each module's own parameters, in the same order; the module is asked whether they are right
    function createChannel(
        ChannelKind kind,
        bytes32 salt,
        ChannelParameters calldata parameters,
        ModuleGrant[] calldata modules,
        bytes32[] calldata terms
    ) external returns (bytes32 channel);

    /// @notice Queues new parameters and terms, replacing any queued before; they can be applied after PARAMETER_TIMELOCK_S.
    /// Caller: the manager. epochS cannot change.
    function queueParameters(bytes32 channel, ChannelParameters calldata parameters, bytes32[] calldata terms) external;

    /// @notice Drops the queued parameters. Caller: the manager.
    function cancelParameters(bytes32 channel) external;

    /// @notice Makes the queued parameters current. Caller: anyone, once the timelock is over. Batches committed before
    /// keep theirs.
    /// @param parameters as they were queued, known from ParametersQueued: the chain keeps their digest
    /// @param terms as they were queued
    function applyParameters(bytes32 channel, ChannelParameters calldata parameters, bytes32[] calldata terms) external;

    /// @notice Sets how many entries a batch has for periods from `fromPeriodStart` on, 1 to 2^20; a period that is over
    /// cannot be changed. A change that has not begun is replaced. Caller: the manager.
    function setRosterCount(bytes32 channel, uint32 count, uint64 fromPeriodStart) external;

    // --------------------------------------------------------------- operators

    event Deposited(bytes32 indexed channel, address indexed operator, uint256 amountWei, uint256 depositWei);
    event ExitRequested(bytes32 indexed channel, address indexed operator, uint64 withdrawableAt);
    event Withdrawn(bytes32 indexed channel, address indexed operator, address to, uint256 amountWei);

    /// @notice Only the operator itself may do this; in the referee from an account without code, calling directly.
    error NotOperator(address operator, address caller);
    /// @notice The operator is in a state in which this is not allowed.
    error WrongOperatorState(OperatorState actual);
    /// @notice A call that must carry value carried none.
    error ZeroValue();
    /// @notice Stakes are counted in whole gwei.
    /// @custom:advice send a multiple of 1,000,000,000 wei
    error NotWholeGwei(uint256 amountWei);
    /// @notice The deposit would not fit 56 bits of gwei.
    error DepositTooLarge();
    /// @notice The deposit does not cover the open batches and this one.
    /// @custom:advice deposit the difference, or release final batches first
    error InsufficientDeposit(uint256 requiredWei, uint256 actualWei);
    /// @notice The exit delay is still running.
    error ExitDelayRunning(uint64 withdrawableAt, uint64 nowS);
    /// @notice Batches from firstUnreleased to sequence must be released first.
    /// @custom:advice release the batches first, once they are final
    error BatchesUnreleased(uint64 firstUnreleased, uint64 sequence);

    /// @notice Adds the value sent to the caller's deposit in the channel.
    function deposit(bytes32 channel) external payable;

    /// @notice Ends committing; the deposit stays slashable until withdraw.
    function requestExit(bytes32 channel) external;

    /// @notice Pays the whole deposit of an exiting or banned caller to `to`, once the exit delay is over and every batch
    /// is released.
    function withdraw(bytes32 channel, address payable to) external;

    // ----------------------------------------------------------------- batches

    /// @notice A batch was committed. Its header is the first argument of the transaction's input. `stamp` is the rest of its
    /// record: committedAt << 80 | parametersVersion << 64 | stakeGwei. These events are enough to build every history again.
    event BatchCommitted(
        bytes32 indexed channel, address indexed operator, uint64 indexed sequence, bytes32 headerDigest, uint144 stamp
    );
    /// @notice Batches up to and with `sequence` no longer count in the operator's exposure.
    event BatchesReleased(bytes32 indexed channel, address indexed operator, uint64 sequence);

    /// @notice Batches are released in order: the run does not begin with the first unreleased one, or goes beyond the last.
    error ReleaseOutOfOrder(uint64 firstUnreleased, uint64 sequence);
    /// @notice The header's sequence does not follow the operator's last batch.
    /// @custom:advice ask the chain for the operator's head
    error SequenceMismatch(uint64 expected, uint64 actual);
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
    /// @notice The operator's batch before was committed in a block of the same time.
    /// @custom:advice commit in a later block
    error CommitTooSoon(uint64 committedAt);
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

    /// @notice Commits a batch. Caller: the header's operator, an account without code, in a transaction straight to this
    /// contract, so that everyone has the header that a challenge needs. The operator has a deposit of at least its open
    /// exposure plus this batch's.
    /// @param header the header, signed whole
    /// @param r first half of the signature by the active enclave key over the header's EIP-712 digest
    /// @param vs second half, with v - 27 in its top bit (EIP-2098); s is low
    /// @param peaks roots of the history's whole subtrees before this batch, left to right; none at sequence 1
    function commit(BatchHeader calldata header, bytes32 r, bytes32 vs, bytes32[] calldata peaks) external;

    /// @notice Drops batches from the operator's exposure, from the first unreleased one on: each must be final or slashed.
    /// Anyone.
    function release(BatchRun calldata run) external;

    // ------------------------------------------------------------------ powers

    /// @notice A batch was slashed: of the operator's deposit `burnedWei` are burned and `rewardWei` owed to the catcher.
    event Slashed(
        bytes32 indexed channel,
        address indexed operator,
        uint64 indexed sequence,
        address module,
        bytes32 cause,
        address catcher,
        uint256 burnedWei,
        uint256 rewardWei
    );
    /// @notice An operator was fined out of what no open batch binds.
    event Fined(
        bytes32 indexed channel,
        address indexed operator,
        bytes32 indexed matter,
        address module,
        bytes32 cause,
        address catcher,
        uint256 burnedWei,
        uint256 rewardWei
    );
    event OperatorBanned(bytes32 indexed channel, address indexed operator, address module, bytes32 cause);
    /// @notice The batch is not final before `until`, as far as this module is concerned; zero: it lets go.
    event BatchHeld(
        bytes32 indexed channel, address indexed operator, uint64 indexed sequence, address module, uint64 until
    );
    event StakeSet(bytes32 indexed channel, address indexed operator, address module, uint256 stakeWei);

    /// @notice The operator was fined for this matter before.
    error MatterFined(bytes32 matter);
    /// @notice The hold would have ended already.
    error HoldOver(uint64 until, uint64 nowS);
    /// @notice A stake is a whole number of gwei between once and three times the channel's.
    error StakeOutOfRange(uint256 leastWei, uint256 mostWei, uint256 actualWei);

    /// @notice Slashes a batch that is neither final nor slashed: its stake is burned, the reward of its parameters is owed to
    /// `catcher`, and it leaves the exposure. Caller: a module with the power to convict.
    /// @param cause what for, as short text, for the events
    /// @param bans whether the operator is banned, too
    function convict(BatchReference calldata batch, bytes32 cause, bool bans, address catcher) external;

    /// @notice Takes `amountWei` of an operator's deposit, but at most what a conviction takes under the current parameters,
    /// and at most what no open batch binds; the catcher gets the share of it that a conviction gives. Once per `matter`,
    /// whichever module calls first. Caller: a module with the power to fine.
    /// @param matter what happened, as a digest that no other matter has; modules hash a tag of theirs into it
    /// @param amountWei rounded down to whole gwei; zero only bans
    function fine(
        bytes32 channel,
        address operator,
        bytes32 matter,
        uint256 amountWei,
        bytes32 cause,
        bool bans,
        address catcher
    ) external;

    /// @notice Keeps a batch that is neither final nor slashed from being final before `until`, but no longer than MAX_HOLD_S
    /// after its challenge window. Replaces the module's hold on that batch. Caller: a module with the power to hold.
    /// @return heldUntil when the hold ends, the bound considered
    /// @return windowClosesAt when the batch's challenge window closes
    function hold(BatchReference calldata batch, uint64 until)
        external
        returns (uint64 heldUntil, uint64 windowClosesAt);

    /// @notice Ends the module's hold on a batch. Caller: a module with the power to hold.
    function letGo(bytes32 channel, address operator, uint64 sequence) external;

    /// @notice Sets what the operator's later batches stake. Caller: a module with the power to set stakes.
    function setStake(bytes32 channel, address operator, uint256 stakeWei) external;

    // -------------------------------------------------------------------- views

    /// @notice Where the batch stands now. Reverts UnknownBatch unless the record is in the operator's history.
    function stateOf(BatchReference calldata batch) external view returns (BatchState);

    /// @notice How many batches of the run are final now, up to the first that is not. Reverts UnknownBatch unless all records
    /// are in the operator's history.
    function finalCount(BatchRun calldata run) external view returns (uint256);

    /// @notice Reverts UnknownBatch unless all records of the run are in the operator's history.
    function requireCommitted(BatchRun calldata run) external view;

    /// @notice What the chain keeps of the operator's history at this size (lib/History.sol); zero if the size is not among the
    /// last eight.
    function historyOf(bytes32 channel, address operator, uint64 size) external view returns (bytes32);

    /// @notice Slash and holds of a batch; all zero for most batches and for those that do not exist.
    function markOf(bytes32 channel, address operator, uint64 sequence) external view returns (BatchMark memory);

    /// @notice EIP-712 digest of a header under this contract's domain.
    function headerDigest(BatchHeader calldata header) external view returns (bytes32);

    function channelHead(bytes32 channel) external view returns (ChannelHead memory);

    /// @notice The channel's manager; zero if there is no such channel.
    function managerOf(bytes32 channel) external view returns (address);

    /// @notice The channel's modules in the order of its creation; the place of a holder in BatchMark follows it.
    function modulesOf(bytes32 channel) external view returns (ModuleGrant[] memory);

    /// @notice Parameters of one version, from 1; all zero if there is no such version.
    function parametersOf(bytes32 channel, uint16 version) external view returns (ChannelParameters memory);

    /// @notice A module's terms in one version of the parameters; zero if there are none.
    function termsOf(bytes32 channel, uint16 version, address module) external view returns (bytes32);

    /// @notice When the queued parameters can be applied, zero if none are queued, and keccak256(abi.encode(parameters, terms)).
    function queuedParameters(bytes32 channel) external view returns (uint64 appliesAt, bytes32 digest);

    /// @notice Entries due in a batch for the period that starts then; zero in an open channel.
    function rosterCountAt(bytes32 channel, uint64 periodStart) external view returns (uint32);

    function operatorHead(bytes32 channel, address operator) external view returns (OperatorHead memory);

    /// @notice What the operator's next batch stakes, wei.
    function stakeOf(bytes32 channel, address operator) external view returns (uint256);

    /// @notice When an exiting or banned operator can withdraw, unix seconds; zero before.
    function withdrawableAt(bytes32 channel, address operator) external view returns (uint64);

    /// @notice Whether the operator was fined for this matter.
    function isFined(bytes32 channel, address operator, bytes32 matter) external view returns (bool);

    /// @notice The registry, fixed at construction.
    function registry() external view returns (IEnclaveRegistry);
}
