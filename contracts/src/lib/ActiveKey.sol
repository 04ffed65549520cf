// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnclaveRegistry} from "../interfaces/IEnclaveRegistry.sol";

/// @notice The registry's answer to a commit.
library ActiveKey {
    /// @notice Whether `signer` is the registry's active, unexpired key for this contract, the channel, operator and workload.
    function isSigner(IEnclaveRegistry registry, bytes32 channel, address operator, bytes32 workload, address signer)
        internal
        view
        returns (bool found)
    {
        bytes4 selector = IEnclaveRegistry.activeKey.selector;
        // Assembly: registry.activeKey(address(this), channel, operator, workload) on the path of every commit. A call that
        // fails or answers less than two words finds nobody; the registry is trusted code, fixed at construction. Memory is
        // used beyond the free memory pointer only.
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, selector)
            mstore(add(words, 0x04), address())
            mstore(add(words, 0x24), channel)
            mstore(add(words, 0x44), shr(96, shl(96, operator)))
            mstore(add(words, 0x64), workload)
            let answered := staticcall(gas(), registry, words, 0x84, words, 0x40)
            found := and(
                and(answered, gt(returndatasize(), 0x3f)),
                and(eq(mload(words), shr(96, shl(96, signer))), lt(timestamp(), mload(add(words, 0x20))))
            )
        }
    }
}
