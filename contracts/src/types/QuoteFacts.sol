// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Standing} from "./Collateral.sol";

/// @notice What a genuine quote says; bytes stand as the report has them.
struct QuoteFacts {
    bytes32 root;
    bytes32 platform;
    bytes32 measurement; // MRENCLAVE
    bytes32 signer; // MRSIGNER
    uint16 product;
    uint16 svn;
    bytes16 attributes;
    bytes4 miscSelect;
    bytes32 reportData; // first half
    bytes32 reportDataRest;
    Standing standing;
}
