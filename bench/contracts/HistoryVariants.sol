// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {History} from "wattest/lib/History.sol";
import {MerkleRfc9162} from "wattest/lib/MerkleRfc9162.sol";

/// @notice Ways to remember batches, reduced to what a commit does for its history: check what it follows, add itself. What each
/// costs is the transaction's gas less that of `nothing` with no input to speak of. docs/adr/0023-history-is-an-accumulator.md
contract HistoryVariants {
    error Mismatch();

    struct Slot {
        bytes32 word;
    }

    uint256 private constant RING = 8;
    uint256 private constant DIGESTS = 256;

    mapping(uint256 sequence => bytes32) private _records;
    Slot[256] private _digests;
    Slot[8] private _hashed;
    Slot[8] private _folded;
    Slot private _single;
    Slot[64] private _heights;

    /// @notice As after `size` batches.
    function prime(uint256 size, bytes32 previous, bytes32[] calldata peaks) external {
        _records[size] = keccak256(abi.encode(previous, 1, 1, 1));
        for (uint256 i = 0; i < RING; ++i) {
            _hashed[i].word = _folded[i].word = bytes32(i + 1);
        }
        for (uint256 i = 0; i < 3; ++i) {
            _digests[(size + i) % DIGESTS].word = bytes32(i + 1);
        }
        _digests[size % DIGESTS].word = keccak256(abi.encode(size, previous, 1, 1, 1));
        for (uint256 i = 0; i < 64; ++i) {
            _heights[i].word = bytes32(i + 1);
        }
        _single.word = _hashed[size % RING].word = History.word(size, previous, peaks);
        _folded[size % RING].word = keccak256(abi.encode(size, previous, fold(peaks, peaks.length, 0)));
    }

    function nothing() external {}

    /// @notice A slot of its own for every batch; the record before is brought.
    function slotPerBatch(uint256 size, bytes32 previous, uint256 at_, uint256 version, uint256 state, bytes32 leaf)
        external
    {
        if (_records[size] != keccak256(abi.encode(previous, at_, version, state))) revert Mismatch();
        _records[size + 1] = keccak256(abi.encode(leaf, at_, version, state));
    }

    /// @notice A ring of the last 256 records' digests, each with its sequence inside; older ones would go to an accumulator when
    /// they are released, which is not counted here.
    function ringOfDigests(uint256 size, bytes32 previous, uint256 at_, uint256 version, uint256 state, bytes32 leaf)
        external
    {
        Slot storage last = slot(_digests[0], size % DIGESTS);
        if (last.word != keccak256(abi.encode(size, previous, at_, version, state))) revert Mismatch();
        slot(_digests[0], (size + 1) % DIGESTS).word = keccak256(abi.encode(size + 1, leaf, at_, version, state));
    }

    /// @notice One word over the peaks: every proof is stale after the next commit.
    function oneSlotOfHashedPeaks(uint256 size, bytes32 previous, bytes32 leaf, bytes32[] calldata peaks) external {
        (bytes32 before, bytes32 next) = History.appended(size, previous, peaks, leaf, leaf);
        if (before != _single.word) revert Mismatch();
        _single.word = next;
    }

    /// @notice The same in a ring of eight: what was chosen.
    function ringOfHashedPeaks(uint256 size, bytes32 previous, bytes32 leaf, bytes32[] calldata peaks) external {
        (bytes32 before, bytes32 next) = History.appended(size, previous, peaks, leaf, leaf);
        if (before != slot(_hashed[0], size % RING).word) revert Mismatch();
        slot(_hashed[0], (size + 1) % RING).word = next;
    }

    /// @notice The same with RFC 9162's root in the place of the peaks: folded twice.
    function ringOfFoldedRoots(uint256 size, bytes32 previous, bytes32 leaf, bytes32[] calldata peaks) external {
        bytes32 before = keccak256(abi.encode(size, previous, fold(peaks, peaks.length, 0)));
        if (before != slot(_folded[0], size % RING).word) revert Mismatch();
        bytes32 node = leaf;
        uint256 left = peaks.length;
        for (uint256 carry = size; carry & 1 == 1; carry >>= 1) {
            node = MerkleRfc9162.nodeHash(peaks[--left], node);
        }
        slot(_folded[0], (size + 1) % RING).word = keccak256(abi.encode(size + 1, leaf, fold(peaks, left, node)));
    }

    /// @notice A slot for each height: nothing is brought but what leads to the last record, and peaks that are taken in are read.
    /// Odd sizes only have their last record in a slot by itself; of even ones the path to it is brought.
    function slotPerHeight(uint256 size, bytes32 leaf, bytes32[] calldata path) external {
        uint256 height;
        uint256 index = size - 1;
        bytes32 node = leaf;
        for (; height < path.length; ++height) {
            node = MerkleRfc9162.nodeHash(path[height], node);
        }
        // What stands there is not compared with a real record here, but read and used.
        if (slot(_heights[0], height).word == node || index == type(uint256).max) revert Mismatch();
        uint256 carry = size;
        for (height = 0; carry & 1 == 1; carry >>= 1) {
            leaf = MerkleRfc9162.nodeHash(slot(_heights[0], height).word, leaf);
            ++height;
        }
        slot(_heights[0], height).word = leaf;
    }

    function slot(Slot storage first, uint256 place) private pure returns (Slot storage found) {
        assembly ("memory-safe") {
            found.slot := add(first.slot, place)
        }
    }

    function fold(bytes32[] calldata peaks, uint256 count, bytes32 right) private pure returns (bytes32 root) {
        root = right;
        if (right == 0 && count != 0) root = peaks[--count];
        while (count != 0) {
            root = MerkleRfc9162.nodeHash(peaks[--count], root);
        }
    }
}
