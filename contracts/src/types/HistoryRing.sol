// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice One word of History in storage.
struct HistorySlot {
    bytes32 word;
}

/// @notice The words of a history's last eight sizes.
struct HistoryRing {
    HistorySlot[8] slots;
}

/// @notice Where a size has its slot. An index into an array of words would make the compiler read a slot before it writes it.
library HistoryRings {
    uint256 internal constant SIZES = 8;

    function slotOf(HistoryRing storage ring, uint256 size) internal pure returns (HistorySlot storage slot) {
        uint256 place = size % SIZES;
        // Assembly: slots of a word each, one after the other; the place is below their number.
        assembly ("memory-safe") {
            slot.slot := add(ring.slot, place)
        }
    }
}
