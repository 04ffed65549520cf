// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReportPins} from "./EnclaveReport.sol";
import {JsonText} from "./JsonText.sol";
import {TcbStatus, TcbStatusText} from "./TcbStatus.sol";

/// @notice From this SVN on (and below the one before it) a quoting enclave has this status.
struct QeLevel {
    uint16 svn;
    TcbStatus status;
    uint64 date;
    bytes32 advisories;
}

/// @notice What Intel says its quoting enclave is.
struct QeDescription {
    uint64 issued;
    uint64 nextUpdate;
    uint32 evaluationNumber;
    ReportPins pins;
    bytes32 mrSigner;
    uint16 product;
    QeLevel[] levels; // SVNs descending
}

/// @notice The signed text of a QE identity, version 2, id "QE"; signature and dates are the caller's to check.
library QeIdentity {
    uint256 internal constant MAX_BYTES = 8192;
    uint256 internal constant MAX_LEVELS = 32;

    /// @notice More than MAX_BYTES.
    error QeIdentityTooLong(uint256 maximum, uint256 actual);
    /// @notice More than MAX_LEVELS.
    error TooManyQeLevels();
    /// @notice SVNs must fall from level to level.
    error QeLevelsNotDescending(uint256 position);

    /// @notice Takes the text apart.
    function parse(bytes calldata json) internal pure returns (QeDescription memory qe) {
        if (json.length > MAX_BYTES) revert QeIdentityTooLong(MAX_BYTES, json.length);
        uint256 end =
            JsonText.expect(json, JsonText.expect(json, 0, "{\"id\":\"QE\",\"version\":2,", 23), "\"issueDate\":", 12);
        (qe.issued, end) = JsonText.readTime(json, end);
        (qe.nextUpdate, end) = JsonText.readTime(json, JsonText.expect(json, end, ",\"nextUpdate\":", 14));
        uint256 number;
        end = JsonText.expect(json, end, ",\"tcbEvaluationDataNumber\":", 27);
        (number, end) = JsonText.readUint(json, end, type(uint32).max);
        qe.evaluationNumber = uint32(number);
        end = readPins(json, end, qe.pins);
        (qe.mrSigner, end) = JsonText.readHex(json, JsonText.expect(json, end, ",\"mrsigner\":", 12), 32);
        (number, end) = JsonText.readUint(json, JsonText.expect(json, end, ",\"isvprodid\":", 13), type(uint16).max);
        qe.product = uint16(number);
        (qe.levels, end) = readLevels(json, JsonText.expect(json, end, ",\"tcbLevels\":[", 14));
        end = JsonText.expect(json, end, "]}", 2);
        if (end != json.length) revert JsonText.JsonUnexpected(end);
    }

    function readPins(bytes calldata json, uint256 position, ReportPins memory pins)
        private
        pure
        returns (uint256 end)
    {
        bytes32 value;
        (value, end) = JsonText.readHex(json, JsonText.expect(json, position, ",\"miscselect\":", 14), 4);
        pins.miscSelect = swapped(bytes4(value));
        (value, end) = JsonText.readHex(json, JsonText.expect(json, end, ",\"miscselectMask\":", 18), 4);
        pins.miscSelectMask = swapped(bytes4(value));
        (value, end) = JsonText.readHex(json, JsonText.expect(json, end, ",\"attributes\":", 14), 16);
        pins.attributes = bytes16(value);
        (value, end) = JsonText.readHex(json, JsonText.expect(json, end, ",\"attributesMask\":", 18), 16);
        pins.attributesMask = bytes16(value);
    }

    /// @dev The text has MISCSELECT as a number, most significant byte first, the report least significant first.
    function swapped(bytes4 value) private pure returns (bytes4) {
        return bytes4(bytes.concat(value[3], value[2], value[1], value[0]));
    }

    function readLevels(bytes calldata json, uint256 position)
        private
        pure
        returns (QeLevel[] memory levels, uint256 end)
    {
        QeLevel[] memory found = new QeLevel[](MAX_LEVELS);
        uint256 count;
        end = position;
        do {
            if (count > 0) end = JsonText.expect(json, end, ",", 1);
            if (count == MAX_LEVELS) revert TooManyQeLevels();
            uint256 svn;
            (svn, end) =
                JsonText.readUint(json, JsonText.expect(json, end, "{\"tcb\":{\"isvsvn\":", 17), type(uint16).max);
            if (count > 0 && svn >= found[count - 1].svn) revert QeLevelsNotDescending(count);
            QeLevel memory level = found[count++];
            level.svn = uint16(svn);
            (level.date, level.status, level.advisories, end) =
                TcbStatusText.read(json, JsonText.expect(json, end, "}", 1));
        } while (JsonText.isNext(json, end, ",", 1));
        levels = found;
        // Assembly: shortens the array to what was read; memory that was taken stays taken.
        assembly ("memory-safe") {
            mstore(levels, count)
        }
    }
}
