// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A BatchMark as its storage word: four times 40 bits, the end of each holder's hold, then one bit for the slash.
library BatchMarks {
    uint256 internal constant HOLDERS = 4;
    uint256 internal constant SLASHED = 1 << 160;
    uint256 private constant PLACE_BITS = 40;
    uint256 private constant PLACE_MASK = type(uint40).max;

    function isSlashed(uint256 mark) internal pure returns (bool) {
        return mark & SLASHED != 0;
    }

    /// @notice Whether a holder says now that the batch is not final yet.
    function isHeld(uint256 mark) internal view returns (bool) {
        for (uint256 holds = mark & (SLASHED - 1); holds != 0; holds >>= PLACE_BITS) {
            if (holds & PLACE_MASK > block.timestamp) return true;
        }
        return false;
    }

    /// @notice The mark with one holder's hold ending at `until`, which fits 40 bits.
    function withHold(uint256 mark, uint256 place, uint256 until) internal pure returns (uint256) {
        uint256 shift = place * PLACE_BITS;
        return mark & ~(PLACE_MASK << shift) | until << shift;
    }

    function heldUntil(uint256 mark, uint256 place) internal pure returns (uint256) {
        return mark >> (place * PLACE_BITS) & PLACE_MASK;
    }
}
