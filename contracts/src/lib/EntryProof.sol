// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBatchErrors} from "../interfaces/IBatchErrors.sol";
import {BatchHeader} from "../types/BatchHeader.sol";
import {EntryInclusion} from "../types/BatchRecord.sol";
import {MerkleRfc9162} from "./MerkleRfc9162.sol";

/// @notice Whether an entry lies in a batch, and the fields that contracts read of one (docs/spec/records.md).
library EntryProof {
    uint256 internal constant ENTRY_BYTES = 118;
    uint8 internal constant KIND_SIGNED_DEVICE_BLOCK = 1;
    uint8 internal constant KIND_STATEMENT = 18;

    /// @notice Reverts unless `entry` is the one at its index under the header's root; a wrong path reverts with the errors of
    /// MerkleRfc9162 (PathLengthWrong, RootMismatch).
    function requireIncluded(BatchHeader calldata header, EntryInclusion calldata entry) internal pure {
        if (entry.payload.length != ENTRY_BYTES) revert IBatchErrors.EntryLengthInvalid(entry.payload.length);
        if (entry.index >= header.entryCount) {
            revert IBatchErrors.EntryIndexOutOfRange(entry.index, header.entryCount);
        }
        MerkleRfc9162.verifyInclusion(
            header.root, MerkleRfc9162.leafHash(entry.salt, entry.payload), entry.index, header.entryCount, entry.path
        );
    }

    function version(bytes calldata payload) internal pure returns (uint8) {
        return uint8(payload[0]);
    }

    function kind(bytes calldata payload) internal pure returns (uint8) {
        return uint8(payload[1]);
    }

    /// @notice Blinded meter, or the job id of a statement.
    function subject(bytes calldata payload) internal pure returns (bytes32) {
        return bytes32(payload[2:34]);
    }

    function periodStart(bytes calldata payload) internal pure returns (uint64) {
        return uint64(bytes8(payload[34:42]));
    }

    function periodEnd(bytes calldata payload) internal pure returns (uint64) {
        return uint64(bytes8(payload[42:50]));
    }

    /// @notice Series root, or a statement's result digest.
    function result(bytes calldata payload) internal pure returns (bytes32) {
        return bytes32(payload[54:86]);
    }

    function evidence(bytes calldata payload) internal pure returns (bytes32) {
        return bytes32(payload[86:118]);
    }
}
