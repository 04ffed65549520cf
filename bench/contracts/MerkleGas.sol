// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";
import {MerkleRfc9162} from "wattest/lib/MerkleRfc9162.sol";

/// @notice What one inclusion proof costs in gas, the call and its input left out; each reverts for a proof that does
/// not hold.
contract MerkleGas {
    error Refused();

    function ours(bytes32 root, bytes32 leaf, uint32 index, uint32 size, bytes32[] calldata path)
        external
        view
        returns (uint256 used)
    {
        uint256 before = gasleft();
        MerkleRfc9162.verifyInclusion(root, leaf, index, size, path);
        used = before - gasleft();
    }

    function openZeppelin(bytes32 root, bytes32 leaf, bytes32[] calldata path) external view returns (uint256 used) {
        uint256 before = gasleft();
        if (!MerkleProof.verifyCalldata(path, root, leaf)) revert Refused();
        used = before - gasleft();
    }
}
