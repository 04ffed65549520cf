// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A contract that a channel lets act on its batches and operators, named when the channel is created and for ever.
/// @param module the contract
/// @param powers sum of Powers, at least one
struct ModuleGrant {
    address module;
    uint8 powers;
}

/// @notice What the core does for a module, once a channel grants it.
library Powers {
    /// @notice Slash a batch that is not final, ban its operator, have the catcher paid.
    uint8 internal constant CONVICT = 1;
    /// @notice Take from what no open batch binds, ban.
    uint8 internal constant FINE = 2;
    /// @notice Keep a batch from being final until a time.
    uint8 internal constant HOLD = 4;
    /// @notice Set an operator's stake between once and three times the channel's.
    uint8 internal constant SET_STAKE = 8;

    uint8 internal constant ALL = 15;
}

/// @notice A module's grant as its storage word: the powers, and above them the place of its holds in a batch's mark.
library ModuleGrants {
    function word(uint256 powers, uint256 place) internal pure returns (uint256) {
        return powers | place << 8;
    }

    function has(uint256 grant, uint256 power) internal pure returns (bool) {
        return grant & power != 0;
    }

    function holdPlace(uint256 grant) internal pure returns (uint256) {
        return grant >> 8;
    }
}

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
