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
