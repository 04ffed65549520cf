// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChannelKind, ChannelParameters} from "../types/Channel.sol";

/// @title What the core asks of a module
/// @notice A channel names its modules when it is created and grants each some of the core's powers (types/Module.sol). Modules
/// know the core; the core knows of a module only that it answers this question.
interface IModule {
    /// @notice Reverts, with the module's own reason, unless `terms` are right for a channel of this kind under these
    /// parameters. Asked when a channel is created and when parameters are queued.
    /// @param terms the module's own parameters for that version, one word whose meaning is the module's
    function requireTerms(ChannelKind kind, ChannelParameters calldata parameters, bytes32 terms) external view;
}
