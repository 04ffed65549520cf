// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Payouts} from "../src/Payouts.sol";
import {DemoToken} from "../src/dev/DemoToken.sol";
import {IBatchErrors} from "../src/interfaces/IBatchErrors.sol";
import {DistributionTerms, IPayouts} from "../src/interfaces/IPayouts.sol";
import {MerkleRfc9162} from "../src/lib/MerkleRfc9162.sol";
import {BatchReference, BatchRun, EntryInclusion} from "../src/types/BatchRecord.sol";
import {ChannelKind} from "../src/types/Channel.sol";
import {TaxedToken} from "./support/TaxedToken.sol";
import {Tree} from "./support/Tree.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

contract PayoutsTest is World {
    uint256 private constant SETTLER = uint256(keccak256("settle enclave"));
    bytes32 private constant SETTLE = keccak256("workload settle");
    address private constant POSTER = address(0x9057);
    address private constant DISABLER = address(0xD15A);

    Payouts private payouts;
    DemoToken private token;
    bytes32 private statements;
    bytes32 private drop;
    Sealed private day0;
    Sealed private day1;
    address[3] private members = [address(0x111), address(0x222), address(0x333)];
    uint256[3] private amounts = [uint256(700), 200, 100];

    function setUp() public override {
        super.setUp();
        payouts = new Payouts();
        token = new DemoToken(1_000_000);
        token.transfer(POSTER, 1_000_000);
        vm.prank(manager);
        statements = referee.createChannel(ChannelKind.Open, "statements", openParameters(), modules(), terms());
        enrol(operator, SETTLER, statements, SETTLE);
        drop = payouts.createDistribution("drop", distribution());
        vm.startPrank(POSTER);
        token.approve(address(payouts), type(uint256).max);
        payouts.fund(drop, 1000);
        vm.stopPrank();
        commitDays();
    }

    function commitDays() private {
        Sealed memory first = commitDay(0, none());
        Sealed memory second = commitDay(1, first);
        store(day0, first);
        store(day1, second);
    }

    function store(Sealed storage place, Sealed memory batch) private {
        place.header = batch.header;
        place.record = batch.record;
        place.salts = batch.salts;
        place.leaves = batch.leaves;
        for (uint256 i = 0; i < batch.payloads.length; ++i) {
            place.payloads.push(batch.payloads[i]);
        }
    }

    function test_PaysAfterDelayAndFinality() public {
        (Sealed memory statement, bytes32 root) = postStatement(none(), 1000);
        vm.warp(block.timestamp + 1 days);
        refuseActivate(statement, abi.encodeWithSelector(IBatchErrors.BatchNotFinal.selector, 1));
        vm.warp(statement.record.committedAt + 7 days);
        activate(statement);
        vm.assertEq(payouts.accountOf(drop).activeRoot, root);
        for (uint32 i = 0; i < 3; ++i) {
            claim(i, 0);
            vm.assertEq(token.balanceOf(members[i]), amounts[i]);
        }
        vm.assertEq(payouts.accountOf(drop).paidAmount, 1000);
        vm.expectRevert(abi.encodeWithSelector(IPayouts.NothingToClaim.selector, members[0]));
        claimRaw(0, 0, members[0], 700);
    }

    function test_ActivationWaitsForTheDelay() public {
        DistributionTerms memory slow = distribution();
        slow.activationDelayS = 30 days;
        drop = payouts.createDistribution("slow", slow);
        vm.prank(POSTER);
        payouts.fund(drop, 1000);
        (Sealed memory statement,) = postStatement(none(), 1000);
        uint64 activatableAt = payouts.pendingRootOf(drop).activatableAt;
        vm.warp(activatableAt - 1);
        refuseActivate(
            statement,
            abi.encodeWithSelector(IPayouts.ActivationDelayRunning.selector, activatableAt, activatableAt - 1)
        );
        vm.warp(activatableAt);
        activate(statement);
    }

    /// forge-config: default.isolate = true
    function test_GasOfAPayout() public {
        (Sealed memory statement,) = postStatement(none(), 1000);
        vm.snapshotGasLastCall("payouts", "postRoot, two citations");
        vm.warp(statement.record.committedAt + 7 days);
        activate(statement);
        vm.snapshotGasLastCall("payouts", "activateRoot, two citations");
        claim(0, 0);
        vm.snapshotGasLastCall("payouts", "claim, first of an account");
    }

    /// @dev Caught gain is forfeited gain: a cited batch that was slashed is never final.
    function test_SlashedCitationNeverActivates() public {
        (Sealed memory statement,) = postStatement(none(), 1000);
        Sealed memory caught = day1;
        challengeEntry(caught, 0);
        expireEntry(caught, 0);
        vm.warp(block.timestamp + 60 days);
        refuseActivate(statement, abi.encodeWithSelector(IBatchErrors.BatchNotFinal.selector, 2));
        BatchReference memory referred = refer(statement);
        BatchRun[] memory fewer = new BatchRun[](1);
        fewer[0] = runOf(channel, operator, 1, 1);
        vm.expectPartialRevert(IPayouts.CitationsMismatch.selector);
        payouts.activateRoot(drop, referred, fewer);
    }

    /// @dev A root is posted with the proofs of one day and activated with those of another, in runs cut otherwise.
    function test_RunsMayBeCutOtherwiseAtActivation() public {
        (Sealed memory statement,) = postStatement(none(), 1000);
        Sealed memory last = day1;
        for (uint64 day = 2; day < 12; ++day) {
            last = commitDay(day, last);
        }
        BatchReference memory referred = refer(statement);
        BatchRun[] memory single = new BatchRun[](2);
        single[0] = runOf(channel, operator, 1, 1);
        single[1] = runOf(channel, operator, 2, 1);
        BatchRun[] memory swapped = new BatchRun[](2);
        (swapped[0], swapped[1]) = (single[1], single[0]);
        vm.expectPartialRevert(IPayouts.CitationsMismatch.selector);
        payouts.activateRoot(drop, referred, swapped);
        payouts.activateRoot(drop, referred, single);
        vm.assertEq(payouts.accountOf(drop).activeSequence, 1);
    }

    /// @dev Imports are cited like metering batches, where the distribution names their channel.
    function test_ImportChannelsAreCitedToo() public {
        vm.prank(manager);
        bytes32 imports = referee.createChannel(ChannelKind.Open, "imports", openParameters(), modules(), terms());
        uint256 secret = uint256(keccak256("imports"));
        enrol(operator, secret, imports, WORKLOAD);
        Sealed memory batch = sealDay(0, none());
        batch.header.channel = imports;
        batch.header.roster = batch.header.state = 0;
        signHeader(batch, secret);
        commitBatch(batch);
        BatchRun[] memory both = new BatchRun[](2);
        both[0] = runOf(channel, operator, 1, 2);
        both[1] = runOf(imports, operator, 1, 1);
        bytes32[] memory digests = new bytes32[](3);
        digests[0] = day0.record.headerDigest;
        digests[1] = day1.record.headerDigest;
        digests[2] = batch.record.headerDigest;
        (Sealed memory statement, bytes32 root) = sealStatement(none(), 1000);
        statement.header.inputs = Tree.sha256Root(digests, 0, 3);
        signHeader(statement, SETTLER);
        commitBatch(statement);
        refusePost(root, 1000, statement, inclusion(statement, 0), both, IPayouts.CitationForeign.selector);
        DistributionTerms memory t = distribution();
        t.importChannels = new bytes32[](1);
        t.importChannels[0] = imports;
        drop = payouts.createDistribution("with imports", t);
        vm.prank(POSTER);
        payouts.fund(drop, 1000);
        BatchReference memory referred = refer(statement);
        vm.prank(POSTER);
        payouts.postRoot(drop, root, 1000, statement.header, referred, inclusion(statement, 0), both);
        vm.warp(statement.record.committedAt + 7 days);
        payouts.activateRoot(drop, refer(statement), both);
        vm.assertEq(payouts.accountOf(drop).activeRoot, root);
        vm.assertEq(payouts.termsOf(drop).importChannels[0], imports);
        vm.assertEq(payouts.termsOf(drop).meteringChannels[0], channel);
    }

    function test_DisabledRootNeverActivates() public {
        (Sealed memory statement,) = postStatement(none(), 1000);
        vm.expectRevert(abi.encodeWithSelector(IPayouts.NotDisabler.selector, DISABLER, address(this)));
        payouts.disableRoot(drop);
        vm.prank(DISABLER);
        payouts.disableRoot(drop);
        vm.warp(block.timestamp + 60 days);
        refuseActivate(statement, abi.encodeWithSelector(IPayouts.NoRootPending.selector, drop));
    }

    function test_PostRefusals() public {
        (Sealed memory statement, bytes32 root) = sealStatement(none(), 1000);
        commitBatch(statement);
        EntryInclusion memory entry_ = inclusion(statement, 0);
        BatchRun[] memory all = cited();
        BatchReference memory referred = refer(statement);

        vm.expectRevert(abi.encodeWithSelector(IPayouts.NotPoster.selector, POSTER, address(this)));
        payouts.postRoot(drop, root, 1000, statement.header, referred, entry_, all);

        refusePost(root, 1001, statement, entry_, all, IPayouts.ResultMismatch.selector);
        refusePost(root ^ bytes32(uint256(1)), 1000, statement, entry_, all, IPayouts.ResultMismatch.selector);
        BatchRun[] memory fewer = new BatchRun[](1);
        fewer[0] = runOf(channel, operator, 1, 1);
        refusePost(root, 1000, statement, entry_, fewer, IPayouts.CitationsMismatch.selector);
        refusePost(root, 1000, statement, entry_, new BatchRun[](0), IPayouts.CitationCountOutOfRange.selector);
        refusePost(root, 1000, statement, entry_, new BatchRun[](2), IPayouts.CitationCountOutOfRange.selector);
        all[0].channel = statements;
        refusePost(root, 1000, statement, entry_, all, IPayouts.CitationForeign.selector);
        all[0].channel = channel;
        all[0].firstSequence = 2;
        refusePost(root, 1000, statement, entry_, all, IBatchErrors.UnknownBatch.selector);
        all[0].firstSequence = 1;
        all[0].records[1].committedAt += 1;
        refusePost(root, 1000, statement, entry_, all, IBatchErrors.UnknownBatch.selector);
        all[0].records[1].committedAt -= 1;
        entry_.salt ^= bytes16(uint128(1));
        refusePost(root, 1000, statement, entry_, all, MerkleRfc9162.RootMismatch.selector);
        entry_.salt ^= bytes16(uint128(1));
        refusePost(root, 1000, statement, inclusion(statement, 1), all, IPayouts.JobMismatch.selector);
        refusePost(root, 1000, statement, inclusion(statement, 2), all, IBatchErrors.EntryKindMismatch.selector);
        refusePost(root, 1000, day0, entry_, all, IPayouts.StatementForeign.selector);
        statement.header.contentId = "other";
        refusePost(root, 1000, statement, entry_, all, IBatchErrors.HeaderMismatch.selector);
        statement.header.contentId = 0;
        vm.prank(POSTER);
        payouts.postRoot(drop, root, 1000, statement.header, referred, entry_, all);
        refusePost(root, 1000, statement, entry_, all, IPayouts.RootPending.selector);
    }

    /// @dev A statement that was signed but never committed carries no root.
    function test_UncommittedStatementCarriesNoRoot() public {
        (Sealed memory statement, bytes32 root) = sealStatement(none(), 1000);
        commitBatch(statement);
        (Sealed memory other,) = sealStatement(statement, 1000);
        BatchReference memory referred = refer(statement);
        referred.sequence = 2;
        referred.record.headerDigest = other.record.headerDigest;
        BatchRun[] memory all = cited();
        vm.prank(POSTER);
        vm.expectPartialRevert(IBatchErrors.UnknownBatch.selector);
        payouts.postRoot(drop, root, 1000, other.header, referred, inclusion(other, 0), all);
    }

    function test_EscrowMustCoverTheTotal() public {
        amounts[0] = 701;
        (Sealed memory statement,) = postStatement(none(), 1001);
        vm.warp(statement.record.committedAt + 7 days);
        refuseActivate(statement, abi.encodeWithSelector(IPayouts.EscrowTooSmall.selector, 1001, 1000));
        vm.prank(POSTER);
        payouts.fund(drop, 1);
        activate(statement);
    }

    function test_InconsistentRootPaysNoMoreThanItsTotal() public {
        (Sealed memory statement,) = postStatement(none(), 800);
        vm.warp(statement.record.committedAt + 7 days);
        activate(statement);
        claim(0, 0);
        vm.expectRevert(abi.encodeWithSelector(IPayouts.TotalExceeded.selector, 800, 900));
        claimRaw(1, 0, members[1], 200);
        claim(2, 0);
    }

    function test_CumulativeClaimsOverTwoRoots() public {
        (Sealed memory first,) = postStatement(none(), 1000);
        vm.warp(first.record.committedAt + 7 days);
        activate(first);
        claim(0, 0);
        amounts = [uint256(900), 250, 150];
        vm.prank(POSTER);
        payouts.fund(drop, 300);
        (Sealed memory second,) = postStatement(first, 1300);
        vm.warp(second.record.committedAt + 7 days);
        activate(second);
        claim(0, 0);
        claim(1, 0);
        claim(2, 0);
        vm.assertEq(token.balanceOf(members[0]), 900);
        vm.assertEq(token.balanceOf(address(payouts)), 0);
    }

    function test_StaleStatementAndSmallerTotalRevert() public {
        (Sealed memory first, bytes32 root) = postStatement(none(), 1000);
        vm.warp(first.record.committedAt + 7 days);
        activate(first);
        refusePost(root, 1000, first, inclusion(first, 0), cited(), IPayouts.StatementStale.selector);
        (Sealed memory second, bytes32 other) = sealStatement(first, 999);
        commitBatch(second);
        refusePost(other, 999, second, inclusion(second, 0), cited(), IPayouts.TotalDecreased.selector);
    }

    function test_ClaimRefusals() public {
        vm.expectPartialRevert(MerkleRfc9162.RootMismatch.selector);
        claimRaw(0, 0, members[0], 700);
        (Sealed memory statement,) = postStatement(none(), 1000);
        vm.warp(statement.record.committedAt + 7 days);
        activate(statement);
        vm.expectPartialRevert(MerkleRfc9162.RootMismatch.selector);
        claimRaw(0, 0, members[0], 701);
        vm.expectPartialRevert(MerkleRfc9162.RootMismatch.selector);
        claimRaw(0, 0, members[1], 700);
        vm.expectPartialRevert(MerkleRfc9162.RootMismatch.selector);
        claimRaw(0, 1, members[0], 700);
        claim(0, 0);
    }

    function test_ReclaimLeavesWhatIsPromised() public {
        (Sealed memory statement,) = postStatement(none(), 900);
        vm.startPrank(POSTER);
        vm.expectRevert(abi.encodeWithSelector(IPayouts.EscrowTooSmall.selector, 1001, 1000));
        payouts.reclaim(drop, 101, POSTER);
        payouts.reclaim(drop, 100, POSTER);
        vm.stopPrank();
        vm.assertEq(payouts.accountOf(drop).reclaimedAmount, 100);
        vm.expectRevert(abi.encodeWithSelector(IPayouts.NotPoster.selector, POSTER, address(this)));
        payouts.reclaim(drop, 1, POSTER);
        vm.assertEq(statement.header.sequence, 1);
    }

    function test_FeeOnTransferIsMeasured() public {
        TaxedToken taxed = new TaxedToken();
        DistributionTerms memory t = distribution();
        t.token = IERC20(address(taxed));
        bytes32 id = payouts.createDistribution("taxed", t);
        taxed.approve(address(payouts), 1000);
        payouts.fund(id, 1000);
        vm.assertEq(payouts.accountOf(id).fundedAmount, 990);
    }

    function test_TermsRefusals() public {
        DistributionTerms memory t = distribution();
        t.activationDelayS = 1 hours - 1;
        refuseTerms(t);
        t = distribution();
        t.disabler = address(0);
        refuseTerms(t);
        t = distribution();
        t.token = IERC20(address(0x1234));
        refuseTerms(t);
        t = distribution();
        t.meteringChannels[0] = t.statementChannel;
        refuseTerms(t);
        t.meteringChannels = new bytes32[](0);
        refuseTerms(t);
        t.meteringChannels = new bytes32[](2); // not ascending
        refuseTerms(t);
        t.meteringChannels = channels(9);
        refuseTerms(t);
        t = distribution();
        t.importChannels = new bytes32[](1);
        t.importChannels[0] = channel; // in both lists
        refuseTerms(t);
        t.importChannels[0] = t.statementChannel;
        refuseTerms(t);
        t.importChannels = channels(9);
        refuseTerms(t);
        t.importChannels = channels(8);
        payouts.createDistribution("eight", t);
        vm.expectRevert(abi.encodeWithSelector(IPayouts.DistributionExists.selector, drop));
        payouts.createDistribution("drop", distribution());
        vm.expectRevert(abi.encodeWithSelector(IPayouts.UnknownDistribution.selector, bytes32("none")));
        payouts.fund("none", 1);
    }

    // ------------------------------------------------------------------ helpers

    function channels(uint256 count) private pure returns (bytes32[] memory list) {
        list = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = bytes32(i + 1);
        }
    }

    function distribution() private view returns (DistributionTerms memory) {
        bytes32[] memory metering = new bytes32[](1);
        metering[0] = channel;
        return DistributionTerms({
            poster: POSTER,
            disabler: DISABLER,
            token: token,
            referee: referee,
            statementChannel: statements,
            statementOperator: operator,
            activationDelayS: 1 days,
            meteringChannels: metering,
            importChannels: new bytes32[](0)
        });
    }

    function payoutLeaves() private view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](3);
        for (uint256 i = 0; i < 3; ++i) {
            leaves[i] = Tree.leaf(leafSalt(i), abi.encodePacked(uint8(1), members[i], amounts[i]));
        }
    }

    function leafSalt(uint256 i) private pure returns (bytes16) {
        return bytes16(keccak256(abi.encode("payout salt", i)));
    }

    /// @dev Three entries: the payout entry, one of another job, and one of another kind.
    function sealStatement(Sealed memory before, uint256 total)
        private
        view
        returns (Sealed memory batch, bytes32 root)
    {
        root = Tree.root(payoutLeaves());
        batch.payloads = new bytes[](3);
        batch.salts = new bytes16[](3);
        batch.leaves = new bytes32[](3);
        bytes32 job = sha256(abi.encodePacked("wattest/payout/1", statements, DAY_0));
        bytes32 result = keccak256(abi.encode(root, total));
        batch.payloads[0] =
            abi.encodePacked(uint8(1), uint8(18), job, DAY_0, DAY_0 + 2 * EPOCH, uint32(3), result, bytes32(0));
        batch.payloads[1] =
            abi.encodePacked(uint8(1), uint8(18), ~job, DAY_0, DAY_0 + 2 * EPOCH, uint32(3), result, bytes32(0));
        batch.payloads[2] =
            abi.encodePacked(uint8(1), uint8(17), job, DAY_0, DAY_0 + 2 * EPOCH, uint32(3), result, bytes32(0));
        for (uint256 i = 0; i < 3; ++i) {
            batch.salts[i] = bytes16(keccak256(abi.encode("statement salt", i)));
            batch.leaves[i] = Tree.leaf(batch.salts[i], batch.payloads[i]);
        }
        bytes32[] memory digests = new bytes32[](2);
        digests[0] = day0.record.headerDigest;
        digests[1] = day1.record.headerDigest;
        batch.header.channel = statements;
        batch.header.operator = operator;
        batch.header.sequence = before.header.sequence + 1;
        batch.header.previous = before.record.headerDigest;
        batch.header.periodStart = DAY_0;
        batch.header.periodEnd = DAY_0 + 2 * EPOCH;
        batch.header.root = Tree.root(batch.leaves);
        batch.header.entryCount = 3;
        batch.header.inputs = Tree.sha256Root(digests, 0, 2);
        batch.header.workload = SETTLE;
        signHeader(batch, SETTLER);
    }

    function postStatement(Sealed memory before, uint256 total)
        private
        returns (Sealed memory statement, bytes32 root)
    {
        (statement, root) = sealStatement(before, total);
        commitBatch(statement);
        EntryInclusion memory entry_ = inclusion(statement, 0);
        BatchReference memory referred = refer(statement);
        BatchRun[] memory all = cited();
        vm.prank(POSTER);
        payouts.postRoot(drop, root, total, statement.header, referred, entry_, all);
    }

    /// @dev The two days as one run, with a proof of now.
    function cited() private view returns (BatchRun[] memory runs) {
        runs = new BatchRun[](1);
        runs[0] = runOf(channel, operator, 1, 2);
    }

    function activate(Sealed memory statement) private {
        payouts.activateRoot(drop, refer(statement), cited());
    }

    function refuseActivate(Sealed memory statement, bytes memory reason) private {
        BatchReference memory referred = refer(statement);
        BatchRun[] memory all = cited();
        vm.expectRevert(reason);
        payouts.activateRoot(drop, referred, all);
    }

    function refusePost(
        bytes32 root,
        uint256 total,
        Sealed memory statement,
        EntryInclusion memory entry_,
        BatchRun[] memory runs,
        bytes4 reason
    ) private {
        BatchReference memory referred = refer(statement);
        vm.prank(POSTER);
        vm.expectPartialRevert(reason);
        payouts.postRoot(drop, root, total, statement.header, referred, entry_, runs);
    }

    function refuseTerms(DistributionTerms memory t) private {
        vm.expectRevert(abi.encodeWithSelector(IPayouts.TermsInvalid.selector));
        payouts.createDistribution("refused", t);
    }

    function claim(uint32 leaf, uint32 shift) private {
        claimRaw(leaf, shift, members[leaf], amounts[leaf]);
    }

    function claimRaw(uint32 leaf, uint32 shift, address account, uint256 amount) private {
        bytes32[] memory path = Tree.path(payoutLeaves(), leaf);
        payouts.claim(drop, account, amount, leafSalt(leaf), leaf + shift, 3, path);
    }
}
