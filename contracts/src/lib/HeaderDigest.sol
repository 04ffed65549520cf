// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchHeader, BatchHeaderHash} from "../types/BatchHeader.sol";

/// @notice The EIP-712 digest of a header under a Referee's domain, for contracts that are not that Referee: the same bytes as
/// its headerDigest, without a call.
library HeaderDigest {
    bytes32 private constant DOMAIN_TYPE_HASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME_HASH = keccak256("wattest");
    bytes32 private constant VERSION_HASH = keccak256("1");

    function under(BatchHeader calldata header, address referee) internal view returns (bytes32) {
        bytes32 domain = keccak256(abi.encode(DOMAIN_TYPE_HASH, NAME_HASH, VERSION_HASH, block.chainid, referee));
        return keccak256(abi.encodePacked(bytes2(0x1901), domain, BatchHeaderHash.structHash(header)));
    }
}
