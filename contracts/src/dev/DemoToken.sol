// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title An ERC-20 to pay with on a development chain
/// @notice Two decimals, so that its smallest unit is a cent; minted whole to the deployer. Worth nothing.
contract DemoToken is ERC20 {
    /// @param supply in cents
    constructor(uint256 supply) ERC20("wattest demo credit", "DEMO") {
        _mint(msg.sender, supply);
    }

    function decimals() public pure override returns (uint8) {
        return 2;
    }
}
