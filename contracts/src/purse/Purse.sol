// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IPurse} from "../interfaces/IPurse.sol";

/// @notice Every payment of the contract that holds it, credited first and pulled later: a receiver that refuses holds nothing
/// up. Burning is owing to an address that nobody holds a key of.
abstract contract Purse is IPurse {
    /// @notice Where slashed stakes and spent bonds go.
    address public constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;

    /// @inheritdoc IPurse
    mapping(address account => uint256 amountWei) public owed;

    /// @inheritdoc IPurse
    function withdrawOwed(address payable to) external {
        _pay(msg.sender, to);
    }

    /// @inheritdoc IPurse
    function withdrawBurned() external {
        _pay(BURN_ADDRESS, payable(BURN_ADDRESS));
    }

    function _owe(address account, uint256 amount) internal {
        if (amount == 0) return;
        owed[account] += amount;
        emit PaymentOwed(account, amount);
    }

    /// @dev The last step of its callers: state is written before.
    function _send(address payable to, uint256 amount) internal {
        (bool success,) = to.call{value: amount}("");
        if (!success) revert TransferFailed(to, amount);
    }

    function _pay(address account, address payable to) private {
        uint256 amount = owed[account];
        if (amount == 0) revert NothingOwed(account);
        owed[account] = 0;
        emit PaymentWithdrawn(account, to, amount);
        _send(to, amount);
    }
}
