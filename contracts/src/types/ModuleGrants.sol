// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

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
