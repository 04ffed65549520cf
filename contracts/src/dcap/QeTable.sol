// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EnclaveReport, ReportPins} from "./EnclaveReport.sol";
import {QeDescription, QeLevel} from "./QeIdentity.sol";
import {TcbStatus} from "./TcbStatus.sol";

/// @notice A QE identity as it is stored, packed without gaps: evaluation number 4 bytes, attributes 16 and mask 16, MISCSELECT
/// 4 and mask 4, signer 32, product 2, then each level: SVN 2, status 1, date 8, advisories 32.
library QeTable {
    uint256 private constant HEAD_BYTES = 78;
    uint256 private constant LEVEL_BYTES = 43;

    /// @notice The quoting enclave is by another signer.
    error QeSignerMismatch(bytes32 expected, bytes32 actual);
    /// @notice The quoting enclave is another product of its signer's.
    error QeProductMismatch(uint16 expected, uint16 actual);
    /// @notice The quoting enclave is older than any level.
    error QeLevelMissing(uint16 svn);

    function pack(QeDescription memory qe) internal pure returns (bytes memory table) {
        table = abi.encodePacked(
            qe.evaluationNumber,
            qe.pins.attributes,
            qe.pins.attributesMask,
            qe.pins.miscSelect,
            qe.pins.miscSelectMask,
            qe.mrSigner,
            qe.product
        );
        for (uint256 i = 0; i < qe.levels.length; ++i) {
            QeLevel memory level = qe.levels[i];
            table = abi.encodePacked(table, level.svn, uint8(level.status), level.date, level.advisories);
        }
    }

    function evaluationNumber(bytes memory table) internal pure returns (uint32) {
        return uint32(wordAt(table, 0) >> 224);
    }

    /// @notice Reverts unless the report is this quoting enclave's; returns its level.
    /// @param report 384 bytes
    function requireQe(bytes memory table, bytes calldata report) internal pure returns (QeLevel memory level) {
        EnclaveReport.requireNoDebug(report);
        EnclaveReport.requirePins(
            report,
            ReportPins(
                bytes16(bytes32(wordAt(table, 4))),
                bytes16(bytes32(wordAt(table, 20))),
                bytes4(bytes32(wordAt(table, 36))),
                bytes4(bytes32(wordAt(table, 40)))
            )
        );
        bytes32 signer = EnclaveReport.mrSigner(report);
        if (signer != bytes32(wordAt(table, 44))) revert QeSignerMismatch(bytes32(wordAt(table, 44)), signer);
        uint16 product = EnclaveReport.product(report);
        if (product != uint16(wordAt(table, 76) >> 240)) {
            revert QeProductMismatch(uint16(wordAt(table, 76) >> 240), product);
        }
        uint16 svn = EnclaveReport.svn(report);
        // Unchecked: offsets below the table's length.
        unchecked {
            for (uint256 place = HEAD_BYTES; place < table.length; place += LEVEL_BYTES) {
                uint256 head = wordAt(table, place);
                if (svn < uint16(head >> 240)) continue;
                level.svn = uint16(head >> 240);
                level.status = TcbStatus(uint8(head >> 232));
                level.date = uint64(head >> 168);
                level.advisories = bytes32(wordAt(table, place + 11));
                return level;
            }
        }
        revert QeLevelMissing(svn);
    }

    function wordAt(bytes memory table, uint256 place) private pure returns (uint256 word) {
        // Assembly: a word out of a byte array, which has a level at least; places are within the table.
        assembly ("memory-safe") {
            word := mload(add(add(table, 0x20), place))
        }
    }
}
