// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IReferee} from "../interfaces/IReferee.sol";

/// @notice Who manages a channel, as a referee that anyone may name says.
library ChannelManager {
    /// @notice Whether `referee` names `account` as the channel's manager. The referee is whatever address somebody named: an
    /// account without code, or a contract that answers nothing, has no managers.
    function isManager(address referee, bytes32 channel, address account) internal view returns (bool) {
        if (referee.code.length == 0) return false;
        (bool success, bytes memory output) = referee.staticcall(abi.encodeCall(IReferee.managerOf, (channel)));
        return success && output.length == 32 && abi.decode(output, (uint256)) == uint160(account);
    }
}
