// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IModule} from "../../src/interfaces/IModule.sol";
import {ChannelKind, ChannelParameters} from "../../src/types/Channel.sol";

/// @notice A module that takes one word of terms and refuses every other; a test acts in its name.
contract AnyModule is IModule {
    error TermsRefused(ChannelKind kind, uint256 stakeWei, bytes32 terms);

    bytes32 private immutable wanted;

    constructor(bytes32 wanted_) {
        wanted = wanted_;
    }

    function requireTerms(ChannelKind kind, ChannelParameters calldata parameters, bytes32 terms) external view {
        if (terms != wanted) revert TermsRefused(kind, parameters.stakeWei, terms);
    }
}
