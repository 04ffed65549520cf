// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AppraiserQuorum} from "../../src/AppraiserQuorum.sol";
import {EnclaveRegistry} from "../../src/EnclaveRegistry.sol";
import {DirectedChallenges} from "../../src/DirectedChallenges.sol";
import {FraudProofs} from "../../src/FraudProofs.sol";
import {Referee} from "../../src/Referee.sol";
import {BatchHeader} from "../../src/types/BatchHeader.sol";
import {BatchRecord, BatchReference, BatchRun, BatchState, EntryInclusion} from "../../src/types/BatchRecord.sol";
import {ChannelKind, ChannelParameters} from "../../src/types/Channel.sol";
import {ChallengeTerms, ChallengeTermsWord, DirectedChallenge} from "../../src/types/DirectedChallenge.sol";
import {EvidenceOpening} from "../../src/types/EvidenceOpening.sol";
import {ModuleGrant, Powers} from "../../src/types/Module.sol";
import {EvidenceVerdict} from "../../src/types/EvidenceVerdict.sol";
import {Historian} from "./Historian.sol";
import {Tree} from "./Tree.sol";
import {vm} from "./Vm.sol";

/// @notice A sealed batch as a test holds it: what the enclave signed, what the chain keeps, and the entries.
struct Sealed {
    BatchHeader header;
    bytes signature;
    BatchRecord record;
    bytes[] payloads;
    bytes16[] salts;
    bytes32[] leaves;
}

/// @notice Time is asked of forge: the optimizer takes block.timestamp for constant within a call, and vm.warp changes it.
/// One scheduled channel with one operator, its enclave, appraisers, and the time of day to use them.
abstract contract World {
    uint64 internal constant EPOCH = 1 days;
    /// @dev Midnight of 2026-01-01, UTC: a multiple of the epoch.
    uint64 internal constant DAY_0 = 1_767_225_600;
    uint32 internal constant METERS = 5;
    bytes32 internal constant WORKLOAD = keccak256("workload vee");
    uint256 internal constant ENCLAVE = uint256(keccak256("enclave"));
    uint256 internal constant METER = uint256(keccak256("meter"));

    address internal manager = address(0xA11CE);
    address internal operator = address(uint160(uint256(keccak256("operator"))));
    address internal catcher = address(0xCA7C);
    AppraiserQuorum internal quorum;
    EnclaveRegistry internal registry;
    Referee internal referee;
    DirectedChallenges internal challenges;
    FraudProofs internal fraud;
    bytes32 internal channel;
    uint256[] internal appraisers;
    Historian internal historian;

    function setUp() public virtual {
        vm.warp(DAY_0);
        vm.roll(1000);
        appraisers = ascendingSecrets(3);
        address[] memory addresses = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            addresses[i] = vm.addr(appraisers[i]);
        }
        quorum = new AppraiserQuorum(addresses, 2);
        registry = new EnclaveRegistry(quorum, 30 days);
        referee = new Referee(registry);
        historian = new Historian();
        challenges = new DirectedChallenges(referee);
        fraud = new FraudProofs(referee);
        vm.prank(manager);
        channel = referee.createChannel(ChannelKind.Scheduled, "community", parameters(), modules(), terms());
        vm.prank(manager);
        referee.setRosterCount(channel, METERS, DAY_0);
        enrol(operator, ENCLAVE, channel, WORKLOAD);
        vm.deal(catcher, 1000 ether);
    }

    function parameters() internal pure returns (ChannelParameters memory) {
        return ChannelParameters({
            epochS: uint24(EPOCH),
            commitDeadlineS: 2 hours,
            challengeWindowS: 7 days,
            exitDelayS: 21 days,
            stakeWei: 1 ether,
            catcherRewardWei: 0.2 ether,
            gasReserveWei: 0.05 ether
        });
    }

    function challengeTerms() internal pure returns (ChallengeTerms memory) {
        return ChallengeTerms({
            answerWindowS: 24 hours, baseBondWei: 0.02 ether, answerGasCapWei: 0.01 ether, maxGasPriceWei: 200 gwei
        });
    }

    function modules() internal view returns (ModuleGrant[] memory grants) {
        grants = new ModuleGrant[](2);
        grants[0] = ModuleGrant(address(challenges), Powers.CONVICT | Powers.HOLD);
        grants[1] = ModuleGrant(address(fraud), Powers.CONVICT | Powers.FINE);
    }

    /// @dev Of both modules; fraud proofs have none.
    function terms() internal pure returns (bytes32[] memory words) {
        return termsWith(challengeTerms());
    }

    function termsWith(ChallengeTerms memory given) internal pure returns (bytes32[] memory words) {
        words = new bytes32[](2);
        words[0] = ChallengeTermsWord.pack(given);
    }

    /// @dev What one batch binds of the deposit under parameters().
    uint256 internal constant EXPOSURE = 1.25 ether;
    uint256 internal constant EXPOSURE_GWEI = EXPOSURE / 1 gwei;

    function openParameters() internal pure returns (ChannelParameters memory open) {
        open = parameters();
        open.epochS = 0;
        open.commitDeadlineS = 0;
    }

    function ascendingSecrets(uint256 count) internal pure returns (uint256[] memory secrets) {
        secrets = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) {
            secrets[i] = uint256(keccak256(abi.encode("appraiser", i)));
        }
        for (uint256 i = 0; i < count; ++i) {
            for (uint256 j = i + 1; j < count; ++j) {
                if (vm.addr(secrets[j]) < vm.addr(secrets[i])) (secrets[i], secrets[j]) = (secrets[j], secrets[i]);
            }
        }
    }

    function enrol(address account, uint256 enclave, bytes32 inChannel, bytes32 workload) internal {
        vm.deal(account, 1000 ether);
        vm.prank(account);
        referee.deposit{value: 100 ether}(inChannel);
        registerKey(account, enclave, inChannel, workload);
    }

    function registerKey(address account, uint256 enclave, bytes32 inChannel, bytes32 workload) internal {
        EvidenceVerdict memory verdict = verdictFor(account, enclave, inChannel, workload);
        bytes memory evidence = quorumSignatures(registry.verdictDigest(verdict), 2);
        vm.prank(account);
        registry.register(verdict, evidence);
    }

    function verdictFor(address account, uint256 enclave, bytes32 inChannel, bytes32 workload)
        internal
        view
        returns (EvidenceVerdict memory)
    {
        return EvidenceVerdict({
            enclaveKey: vm.addr(enclave),
            referee: address(referee),
            channel: inChannel,
            operator: account,
            measurement: keccak256("measurement"),
            workload: workload,
            platform: keccak256("platform"),
            issuedAt: uint64(vm.getBlockTimestamp()),
            expiresAt: uint64(vm.getBlockTimestamp()) + 30 days,
            nonceBlock: uint64(vm.getBlockNumber()) - 1,
            nonce: blockhash(vm.getBlockNumber() - 1),
            evidenceDigest: keccak256("evidence"),
            endorsementsDigest: keccak256("endorsements"),
            policyDigest: keccak256("policy")
        });
    }

    function quorumSignatures(bytes32 digest, uint256 count) internal view returns (bytes memory signatures) {
        for (uint256 i = 0; i < count; ++i) {
            signatures = bytes.concat(signatures, signature(appraisers[i], digest));
        }
    }

    function signature(uint256 secret, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(secret, digest);
        return abi.encodePacked(r, s, v);
    }

    // ---------------------------------------------------------------- batches

    /// @dev The operator's batch for the day, counted from DAY_0, signed, not yet committed.
    function sealDay(uint64 day, Sealed memory before) internal view returns (Sealed memory batch) {
        fillEntries(batch, day, METERS);
        batch.header = BatchHeader({
            channel: channel,
            operator: operator,
            sequence: before.header.sequence + 1,
            previous: before.record.headerDigest,
            periodStart: DAY_0 + day * EPOCH,
            periodEnd: DAY_0 + (day + 1) * EPOCH,
            root: Tree.root(batch.leaves),
            entryCount: METERS,
            roster: keccak256(abi.encode("roster", day)),
            inputs: 0,
            state: keccak256(abi.encode("state", day)),
            workload: WORKLOAD,
            contentId: keccak256(abi.encode("content", day)),
            witnesses: 0,
            zkRoot: 0
        });
        signHeader(batch, ENCLAVE);
    }

    function fillEntries(Sealed memory batch, uint64 day, uint32 count) internal pure {
        batch.payloads = new bytes[](count);
        batch.salts = new bytes16[](count);
        batch.leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            batch.payloads[i] = entry(day, i, evidenceDigest(goodOpening(day, i)));
            batch.salts[i] = bytes16(keccak256(abi.encode("salt", day, i)));
            batch.leaves[i] = Tree.leaf(batch.salts[i], batch.payloads[i]);
        }
    }

    function entry(uint64 day, uint256 i, bytes32 evidence) internal pure returns (bytes memory) {
        return abi.encodePacked(
            uint8(1),
            uint8(1),
            bytes32((i + 1) << 240) | bytes32(uint256(day)),
            DAY_0 + day * EPOCH,
            DAY_0 + (day + 1) * EPOCH,
            uint32(96),
            keccak256(abi.encode("series", day, i)),
            evidence
        );
    }

    function goodOpening(uint64 day, uint256 i) internal pure returns (EvidenceOpening memory opening) {
        opening.messageDigest = sha256(abi.encode("device block", day, i));
        (opening.r, opening.s) = vm.signP256(METER, opening.messageDigest);
        uint256 order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551;
        if (uint256(opening.s) > order / 2) opening.s = bytes32(order - uint256(opening.s));
        (uint256 x, uint256 y) = vm.publicKeyP256(METER);
        (opening.x, opening.y) = (bytes32(x), bytes32(y));
    }

    function evidenceDigest(EvidenceOpening memory opening) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(opening.messageDigest, opening.r, opening.s, opening.x, opening.y));
    }

    function signHeader(Sealed memory batch, uint256 secret) internal view {
        batch.record.headerDigest = referee.headerDigest(batch.header);
        batch.signature = signature(secret, batch.record.headerDigest);
    }

    /// @dev Commits at the end of the batch's period, and fills in its record.
    function commitBatch(Sealed memory batch) internal {
        if (vm.getBlockTimestamp() < batch.header.periodEnd) vm.warp(batch.header.periodEnd);
        sendCommit(batch);
        recordCommit(batch);
    }

    /// @dev As the operator, straight.
    function sendCommit(Sealed memory batch) internal {
        bytes32[] memory peaks = historian.peaksOf(batch.header.channel, batch.header.operator);
        (bytes32 r, bytes32 vs) = compact(batch.signature);
        vm.prank(batch.header.operator, batch.header.operator);
        referee.commit(batch.header, r, vs, peaks);
    }

    function refuseCommit(Sealed memory batch, bytes memory reason) internal {
        bytes32[] memory peaks = historian.peaksOf(batch.header.channel, batch.header.operator);
        (bytes32 r, bytes32 vs) = compact(batch.signature);
        vm.prank(batch.header.operator, batch.header.operator);
        if (reason.length == 4) vm.expectPartialRevert(bytes4(reason));
        else vm.expectRevert(reason);
        referee.commit(batch.header, r, vs, peaks);
    }

    function commitInput(Sealed memory batch) internal view returns (bytes memory) {
        (bytes32 r, bytes32 vs) = compact(batch.signature);
        return abi.encodeCall(
            referee.commit, (batch.header, r, vs, historian.peaksOf(batch.header.channel, batch.header.operator))
        );
    }

    /// @dev EIP-2098 of 65 bytes r||s||v.
    function compact(bytes memory signed) internal pure returns (bytes32 r, bytes32 vs) {
        uint8 v;
        assembly ("memory-safe") {
            r := mload(add(signed, 0x20))
            vs := mload(add(signed, 0x40))
            v := byte(0, mload(add(signed, 0x60)))
        }
        vs |= bytes32(uint256(v - 27) << 255);
    }

    function recordCommit(Sealed memory batch) internal {
        bytes32 in_ = batch.header.channel;
        batch.record = BatchRecord({
            headerDigest: batch.record.headerDigest,
            committedAt: uint64(vm.getBlockTimestamp()),
            parametersVersion: referee.channelHead(in_).parametersVersion,
            stakeGwei: uint64(referee.stakeOf(in_, batch.header.operator) / 1 gwei)
        });
        historian.note(in_, batch.header.operator, batch.record);
    }

    /// @dev The batch with its proof of now.
    function refer(Sealed memory batch) internal view returns (BatchReference memory) {
        return historian.refer(batch.header.channel, batch.header.operator, batch.header.sequence);
    }

    function runOf(bytes32 in_, address account, uint64 first, uint256 count) internal view returns (BatchRun memory) {
        return historian.runOf(in_, account, first, count);
    }

    function stateOf(Sealed memory batch) internal view returns (BatchState) {
        return referee.stateOf(refer(batch));
    }

    function isFinal(Sealed memory batch) internal view returns (bool) {
        return stateOf(batch) == BatchState.Final;
    }

    function isSlashed(Sealed memory batch) internal view returns (bool) {
        return referee.markOf(batch.header.channel, batch.header.operator, batch.header.sequence).isSlashed;
    }

    function commitDay(uint64 day, Sealed memory before) internal returns (Sealed memory batch) {
        batch = sealDay(day, before);
        commitBatch(batch);
    }

    function none() internal pure returns (Sealed memory) {}

    /// @dev The reference of whoever has no batch to name.
    function nowhere() internal pure returns (BatchReference memory) {}

    function inclusion(Sealed memory batch, uint32 index) internal pure returns (EntryInclusion memory) {
        return EntryInclusion({
            index: index,
            salt: batch.salts[index],
            payload: bytes.concat(batch.payloads[index]),
            path: Tree.path(batch.leaves, index)
        });
    }

    // ------------------------------------------------------------- challenges

    function bond(Sealed memory batch) internal view returns (uint256) {
        return challenges.bondFor(batch.header.channel, batch.header.operator, batch.record.parametersVersion);
    }

    function challengeOf(Sealed memory batch, uint32 index) internal view returns (DirectedChallenge memory) {
        return challenges.challengeOf(batch.record.headerDigest, index);
    }

    function challengeEntry(Sealed memory batch, uint32 index) internal returns (uint256 paid) {
        paid = bond(batch);
        BatchReference memory referred = refer(batch);
        vm.prank(catcher);
        challenges.challenge{value: paid}(batch.header, referred, index);
    }

    function expireEntry(Sealed memory batch, uint32 index) internal {
        vm.warp(challengeOf(batch, index).deadline);
        challenges.expire(refer(batch), index);
    }

    function between(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + value % (high - low + 1);
    }

    function depositOf(address account) internal view returns (uint256) {
        return uint256(referee.operatorHead(channel, account).depositGwei) * 1 gwei;
    }

    /// @dev EIP-2028: 16 for a byte that is not zero, 4 for one that is.
    function inputGas(bytes memory input) internal pure returns (uint256 gas) {
        for (uint256 i = 0; i < input.length; ++i) {
            gas += input[i] == 0 ? 4 : 16;
        }
    }
}
