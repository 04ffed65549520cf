// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchRecord, HistoryProof} from "../../src/types/BatchRecord.sol";
import {Tree} from "./Tree.sol";

/// @notice An operator's history by definition: RFC 9162's recursion over records written out field by field, told apart on
/// purpose from the library's loops and packed words.
library HistoryTree {
    function leaves(BatchRecord[] memory records) internal pure returns (bytes32[] memory all) {
        all = new bytes32[](records.length);
        for (uint256 i = 0; i < records.length; ++i) {
            all[i] = leaf(uint64(i + 1), records[i]);
        }
    }

    function leaf(uint64 sequence, BatchRecord memory record) internal pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                uint8(0), sequence, record.headerDigest, record.committedAt, record.parametersVersion, record.stakeGwei
            )
        );
    }

    /// @dev Roots of the largest whole subtrees, from the left.
    function peaks(bytes32[] memory all) internal pure returns (bytes32[] memory result) {
        uint256 count;
        for (uint256 left = all.length; left != 0; left -= largest(left)) {
            ++count;
        }
        result = new bytes32[](count);
        uint256 from;
        for (uint256 i = 0; i < count; ++i) {
            uint256 width = largest(all.length - from);
            result[i] = Tree.root(slice(all, from, width));
            from += width;
        }
    }

    function word(bytes32[] memory all, bytes32 lastHeaderDigest) internal pure returns (bytes32) {
        if (all.length == 0) return 0;
        return keccak256(abi.encodePacked(all.length, lastHeaderDigest, peaks(all)));
    }

    /// @dev The proof of `count` records from `first` (from 0) on.
    function proof(BatchRecord[] memory records, uint256 first, uint256 count)
        internal
        pure
        returns (HistoryProof memory made)
    {
        bytes32[] memory all = leaves(records);
        made.size = uint64(records.length);
        made.lastHeaderDigest = records[records.length - 1].headerDigest;
        made.peaks = peaks(all);
        made.nodes = nodes(all, first, count);
    }

    /// @dev In memory, not on the stack, which the compiler fills with what it inlines.
    struct Search {
        bytes32[] all;
        uint256 first;
        uint256 count;
        bytes32[] found;
        uint256 used;
    }

    /// @dev The roots of the largest subtrees inside the whole ones that hold none of the records but lie under a node that
    /// does, level by level, left before right.
    function nodes(bytes32[] memory all, uint256 first, uint256 count) internal pure returns (bytes32[] memory) {
        Search memory search = Search(all, first, count, new bytes32[](2 * 64), 0);
        for (uint256 width = 1; width <= all.length; width *= 2) {
            level(search, width);
        }
        return slice(search.found, 0, search.used);
    }

    function level(Search memory search, uint256 width) private pure {
        for (uint256 from = 0; from + width <= search.all.length; from += width) {
            if (isNeeded(search, from, width)) {
                search.found[search.used++] = Tree.root(slice(search.all, from, width));
            }
        }
    }

    /// @dev Whether the subtree of `width` leaves from `from` on is one of those: disjoint from the records, while its parent,
    /// inside a whole subtree, is not.
    function isNeeded(Search memory search, uint256 from, uint256 width) private pure returns (bool) {
        uint256 parent = from / (2 * width) * (2 * width);
        if (parent + 2 * width > search.all.length) return false;
        return !overlaps(search, from, width) && overlaps(search, parent, 2 * width);
    }

    function overlaps(Search memory search, uint256 from, uint256 width) private pure returns (bool) {
        return from < search.first + search.count && search.first < from + width;
    }

    function slice(bytes32[] memory all, uint256 from, uint256 count) internal pure returns (bytes32[] memory part) {
        part = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            part[i] = all[from + i];
        }
    }

    /// @dev The largest power of two that is at most n, for n > 0.
    function largest(uint256 n) private pure returns (uint256 power) {
        power = 1;
        while (power * 2 <= n) power *= 2;
    }
}
