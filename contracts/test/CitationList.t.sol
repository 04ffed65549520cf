// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CitationList} from "../src/lib/CitationList.sol";
import {Tree} from "./support/Tree.sol";
import {World} from "./support/World.sol";
import {vm} from "./support/Vm.sol";

/// @notice The root over cited header digests against RFC 9162's definition.
contract CitationListTest is World {
    function testFuzz_CitationRootMatchesTheDefinition(bytes32 seed, uint8 count) public pure {
        uint256 n = between(count, 1, 70);
        bytes32[] memory items = new bytes32[](n);
        for (uint256 i = 0; i < n; ++i) {
            items[i] = keccak256(abi.encode(seed, i));
        }
        bytes32 expected = Tree.sha256Root(items, 0, n);
        vm.assertEq(CitationList.root(items), expected);
    }
}
