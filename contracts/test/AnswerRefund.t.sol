// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDirectedChallenges} from "../src/interfaces/IDirectedChallenges.sol";
import {IReferee} from "../src/interfaces/IReferee.sol";
import {ChallengeRules} from "../src/lib/ChallengeRules.sol";
import {AnswerInput} from "../src/lib/AnswerInput.sol";
import {BatchHeader} from "../src/types/BatchHeader.sol";
import {EntryInclusion} from "../src/types/BatchRecord.sol";
import {ChannelKind, ChannelParameters} from "../src/types/Channel.sol";
import {ChallengeState, ChallengeTerms} from "../src/types/DirectedChallenge.sol";
import {Tree} from "./support/Tree.sol";
import {Sealed, World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice What an answer is paid back: at most what it cost, whatever the answerer pads, prices or chooses. Forge tells what the
/// call used, on accounts made cold; what a transaction pays on top is added. Receipts of real ones are compared in
/// bench/gas_geth.py and tests/e2e.
contract AnswerRefundTest is World {
    address private constant BURN = 0x000000000000000000000000000000000000dEaD;
    bytes32 private open;
    uint256 private constant SECRET = uint256(keccak256("open enclave"));

    function setUp() public override {
        super.setUp();
        ChallengeTerms memory t = challengeTerms();
        t.maxGasPriceWei = 1_000 gwei;
        t.baseBondWei = t.answerGasCapWei = 0.2 ether;
        vm.prank(manager);
        open = referee.createChannel(ChannelKind.Open, "open", openParameters(), modules(), termsWith(t));
        enrol(operator, SECRET, open, WORKLOAD);
    }

    /// @dev The announced prices take 6,000 less for a transaction than today's: that much is never paid back, so that it is
    /// no more than the cost under those, too.
    function testFuzz_RefundNeverExceedsTheCost(
        uint256 seed,
        uint8 countSeed,
        uint8 zeros,
        uint64 gasPrice,
        uint16 padding,
        bool isPaddedWithZeros,
        bool hasCredit
    ) public {
        uint32 count = uint32(between(countSeed, 1, 40));
        Sealed memory batch = commitOpen(seed, count, zeros);
        uint32 index = uint32(seed % count);
        if (hasCredit) creditTheOperator(batch, uint32((index + 1) % count), index);
        uint256 paid = challengeEntry(batch, index);
        uint256 owed = challenges.owed(operator);
        uint256 burned = challenges.owed(BURN);
        gasPrice = uint64(between(gasPrice, 1, 5_000 gwei));
        (uint256 gas, bytes memory input) = answerPadded(batch, index, padding % 4_000, isPaddedWithZeros, gasPrice);
        uint256 reimbursed = challenges.owed(operator) - owed;
        vm.assertLe(reimbursed, (gas - 6_000) * gasPrice, "more than it cost");
        vm.assertLe(reimbursed, 0.2 ether);
        vm.assertEq(reimbursed + challenges.owed(BURN) - burned, paid, "the bond is paid or burned");
        if (gasPrice > 1_000 gwei) vm.assertLe(reimbursed, gas * 1_000 gwei, "dearer than the terms allow");
        // And not much less: nobody answers at a loss because of rounding.
        uint256 honest = gas - inputGas(input) + inputGas(abi.encodePacked(canonical(batch, index)));
        uint256 price = gasPrice < 1_000 gwei ? gasPrice : 1_000 gwei;
        uint256 due = honest * price < 0.2 ether ? honest * price : 0.2 ether;
        vm.assertGe(reimbursed, due * 9 / 10, "less than nine tenths");
    }

    /// @dev The canonical input is priced byte by byte.
    function testFuzz_InputIsPricedByteByByte(uint256 seed, uint8 countSeed, uint8 zeros) public {
        uint32 count = uint32(between(countSeed, 1, 40));
        Sealed memory batch = commitOpen(seed, count, zeros);
        uint32 index = uint32(seed % count);
        vm.assertEq(this.priced(batch.header, inclusion(batch, index)), inputGas(canonical(batch, index)));
        batch.header.witnesses = keccak256("not zero");
        vm.assertEq(this.priced(batch.header, inclusion(batch, index)), inputGas(canonical(batch, index)));
    }

    /// @dev The attack: bonds far above the stake, a cap as high, an operator that answers in its friend's channel.
    function test_RobbingTermsAreRefused() public {
        ChannelParameters memory p = openParameters();
        p.stakeWei = 5;
        p.catcherRewardWei = 1;
        ChallengeTerms memory t = challengeTerms();
        t.baseBondWei = t.answerGasCapWei = 9 ether;
        refuse(p, t, abi.encodeWithSelector(IReferee.ParameterOutOfRange.selector, "stakeWei"));
        p.stakeWei = 5 gwei;
        p.catcherRewardWei = 1 gwei;
        refuse(p, t, termOutOfRange("answerGasCapWei"));
        t.maxGasPriceWei = 10_000 gwei;
        t.answerGasCapWei = uint96(ChallengeRules.MAX_ANSWER_GAS * 10_000 gwei);
        t.baseBondWei = t.answerGasCapWei;
        refuse(p, t, termOutOfRange("baseBondWei"));
        t.answerGasCapWei = 0;
        t.baseBondWei = 2 gwei;
        refuse(p, t, termOutOfRange("baseBondWei"));
        t.baseBondWei = 1 gwei;
        referee.createChannel(ChannelKind.Open, "worth its while", p, modules(), termsWith(t));
    }

    function test_TermsStayInTheirBounds() public {
        ChannelParameters memory p = openParameters();
        p.stakeWei = 1_000 ether;
        p.catcherRewardWei = 200 ether;
        ChallengeTerms memory t = challengeTerms();
        t.answerWindowS = 0;
        refuse(p, t, termOutOfRange("answerWindowS"));
        t.answerWindowS = 30 days + 1;
        refuse(p, t, termOutOfRange("answerWindowS"));
        t = challengeTerms();
        t.maxGasPriceWei = 0;
        refuse(p, t, termOutOfRange("maxGasPriceWei"));
        t.maxGasPriceWei = 10_000 gwei + 1;
        refuse(p, t, termOutOfRange("maxGasPriceWei"));
        t = challengeTerms();
        uint256 dearest = ChallengeRules.MAX_ANSWER_GAS * t.maxGasPriceWei;
        t.answerGasCapWei = uint96(dearest) + 1 gwei;
        t.baseBondWei = t.answerGasCapWei;
        refuse(p, t, termOutOfRange("answerGasCapWei"));
        t.answerGasCapWei = uint96(dearest);
        t.baseBondWei = t.answerGasCapWei - 1 gwei;
        refuse(p, t, termOutOfRange("baseBondWei"));
        t.baseBondWei = uint96(4 * dearest) + 1 gwei;
        refuse(p, t, termOutOfRange("baseBondWei"));
        t.answerGasCapWei = 0;
        t.baseBondWei = 0;
        refuse(p, t, termOutOfRange("baseBondWei"));
        t.answerGasCapWei = uint96(dearest);
        t.baseBondWei = uint96(4 * dearest);
        bytes32[] memory words = termsWith(t);
        words[0] |= bytes32(uint256(1));
        vm.expectRevert(termOutOfRange("reserved"));
        referee.createChannel(ChannelKind.Open, "refused", p, modules(), words);
        referee.createChannel(ChannelKind.Open, "at the bounds", p, modules(), termsWith(t));
    }

    /// @dev Terms are asked for when they are queued, too: a manager cannot slip them in later.
    function test_RobbingTermsCannotBeQueued() public {
        ChallengeTerms memory t = challengeTerms();
        t.baseBondWei = 0.2 ether + 1 gwei;
        bytes32[] memory words = termsWith(t);
        vm.prank(manager);
        vm.expectRevert(termOutOfRange("baseBondWei"));
        referee.queueParameters(channel, parameters(), words);
        ChannelParameters memory p = parameters();
        p.catcherRewardWei = 0.01 ether; // or the reward taken away beneath the bond
        words = terms();
        vm.prank(manager);
        vm.expectRevert(termOutOfRange("baseBondWei"));
        referee.queueParameters(channel, p, words);
    }

    /// @dev The bound on the cap is above what the dearest answer costs: the deepest path, all bytes set, a first credit.
    function test_TheDearestAnswerIsBelowTheBound() public {
        Sealed memory batch;
        batch.header = headerOf(1 << 20);
        batch.payloads = new bytes[](1);
        batch.salts = new bytes16[](1);
        batch.payloads[0] = bytes.concat(hex"0101", filled(116));
        batch.salts[0] = bytes16(keccak256("salt"));
        bytes32[] memory path = new bytes32[](20);
        bytes32 node = Tree.leaf(batch.salts[0], batch.payloads[0]);
        for (uint256 i = 0; i < 20; ++i) {
            path[i] = keccak256(abi.encode("sibling", i));
            node = keccak256(bytes.concat(hex"01", path[i], node));
        }
        batch.header.root = node;
        signHeader(batch, SECRET);
        commitBatch(batch);
        uint32 index = (1 << 20) - 1;
        challengeEntry(batch, index);
        EntryInclusion memory entry_ = EntryInclusion(index, batch.salts[0], batch.payloads[0], path);
        bytes memory input = abi.encodeCall(challenges.answer, (batch.header, entry_));
        vm.cool(address(challenges));
        vm.cool(address(referee));
        vm.txGasPrice(1 gwei);
        vm.prank(operator, operator);
        challenges.answer(batch.header, entry_);
        uint256 gas = vm.lastCallGas().gasTotalUsed + 21_000 + inputGas(input);
        vm.txGasPrice(0);
        vm.snapshotValue("referee", "answer, the dearest: 2^20 entries", gas);
        vm.assertLe(gas, ChallengeRules.MAX_ANSWER_GAS);
        vm.assertLe(challenges.owed(operator), (gas - 6_000) * 1 gwei);
        vm.assertGe(challenges.owed(operator), gas * 1 gwei * 9 / 10);
    }

    // ------------------------------------------------------------------- helpers

    function priced(BatchHeader calldata header, EntryInclusion calldata entry) external pure returns (uint256) {
        return AnswerInput.gasOf(header, entry);
    }

    function canonical(Sealed memory batch, uint32 index) private view returns (bytes memory) {
        return abi.encodeCall(challenges.answer, (batch.header, inclusion(batch, index)));
    }

    function answerPadded(Sealed memory batch, uint32 index, uint256 padding, bool isZeros, uint64 gasPrice)
        private
        returns (uint256 gas, bytes memory input)
    {
        input = bytes.concat(canonical(batch, index), isZeros ? new bytes(padding) : filled(padding));
        vm.cool(address(challenges));
        vm.cool(address(referee));
        vm.txGasPrice(gasPrice);
        vm.prank(operator, operator);
        (bool success,) = address(challenges).call(input);
        gas = vm.lastCallGas().gasTotalUsed + 21_000 + inputGas(input);
        vm.assertEq(uint256(int256(vm.lastCallGas().gasRefunded)), 0, "an answer clears no slot");
        vm.txGasPrice(0);
        vm.assertTrue(success);
        vm.assertTrue(challengeOf(batch, index).state == ChallengeState.Answered);
    }

    /// @dev A first credit is dear; this one was had before, where there is another entry to be asked for.
    function creditTheOperator(Sealed memory batch, uint32 other, uint32 index) private {
        if (other == index) return;
        challengeEntry(batch, other);
        answerPadded(batch, other, 0, true, 1 gwei);
    }

    /// @dev Entries whose bytes are zero where the mask says so: that many of eight.
    function commitOpen(uint256 seed, uint32 count, uint8 zeros) private returns (Sealed memory batch) {
        batch.header = headerOf(count);
        batch.payloads = new bytes[](count);
        batch.salts = new bytes16[](count);
        batch.leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            batch.payloads[i] = new bytes(118);
            for (uint256 j = 0; j < 118; ++j) {
                uint256 drawn = uint256(keccak256(abi.encode(seed, i, j)));
                if (zeros >> (drawn % 8) & 1 == 0) batch.payloads[i][j] = bytes1(uint8(drawn >> 8));
            }
            batch.salts[i] = zeros & 1 == 0 ? bytes16(keccak256(abi.encode(seed, i))) : bytes16(0);
            batch.leaves[i] = Tree.leaf(batch.salts[i], batch.payloads[i]);
        }
        batch.header.root = Tree.root(batch.leaves);
        signHeader(batch, SECRET);
        commitBatch(batch);
    }

    function headerOf(uint32 count) private view returns (BatchHeader memory header) {
        header = sealDay(0, none()).header;
        header.channel = open;
        header.roster = header.state = 0;
        header.entryCount = count;
    }

    function filled(uint256 length) private pure returns (bytes memory all) {
        all = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            all[i] = 0xff;
        }
    }

    function termOutOfRange(string memory name) private pure returns (bytes memory) {
        return abi.encodeWithSelector(IDirectedChallenges.TermOutOfRange.selector, name);
    }

    function refuse(ChannelParameters memory p, ChallengeTerms memory t, bytes memory reason) private {
        bytes32[] memory words = termsWith(t);
        vm.expectRevert(reason);
        referee.createChannel(ChannelKind.Open, "refused", p, modules(), words);
    }
}
