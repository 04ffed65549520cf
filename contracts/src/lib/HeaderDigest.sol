// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BatchHeader, BatchHeaderHash} from "../types/BatchHeader.sol";

/// @notice The EIP-712 digest of a header under a Referee's domain (docs/spec/header.md).
library HeaderDigest {
    bytes32 private constant DOMAIN_TYPE_HASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant NAME_HASH = keccak256("wattest");
    bytes32 private constant VERSION_HASH = keccak256("1");

    /// @notice The domain's separator on this chain.
    function domainOf(address referee) internal view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPE_HASH, NAME_HASH, VERSION_HASH, block.chainid, referee));
    }

    function under(BatchHeader calldata header, address referee) internal view returns (bytes32) {
        return inDomain(header, domainOf(referee));
    }

    function inDomain(BatchHeader calldata header, bytes32 domain) internal pure returns (bytes32 digest) {
        bytes32 hash = BatchHeaderHash.structHash(header);
        // Assembly: 66 bytes hashed where memory is free, on the path of every commit.
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, hex"1901")
            mstore(add(words, 0x02), domain)
            mstore(add(words, 0x22), hash)
            digest := keccak256(words, 0x42)
        }
    }
}
