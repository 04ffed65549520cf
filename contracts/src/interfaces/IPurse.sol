// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What a contract owes, pulled by whom it is owed to
/// @notice Amounts are wei of the chain's own coin. What is owed to BURN_ADDRESS is burned by whoever calls withdrawBurned.
interface IPurse {
    event PaymentOwed(address indexed account, uint256 amountWei);
    event PaymentWithdrawn(address indexed account, address to, uint256 amountWei);

    /// @notice Nothing is owed to the account.
    error NothingOwed(address account);
    /// @notice The receiver refused the payment; what is owed stays owed.
    /// @custom:advice withdraw to an address that accepts the payment
    error TransferFailed(address to, uint256 amountWei);

    /// @notice Pays all that the caller is owed to `to`.
    function withdrawOwed(address payable to) external;

    /// @notice Sends what is owed to BURN_ADDRESS there. Anyone.
    function withdrawBurned() external;

    /// @notice What the account can withdraw, wei.
    function owed(address account) external view returns (uint256);
}
