// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {JsonText} from "./JsonText.sol";
import {TcbStatus, TcbStatusText} from "./TcbStatus.sol";

/// @notice A platform that has at least these SVNs has this status, unless an earlier level fits.
struct TcbLevel {
    bytes16 components;
    uint16 pceSvn;
    TcbStatus status;
    uint64 date;
    bytes32 advisories;
}

/// @notice What Intel says of a platform model.
struct TcbDescription {
    uint64 issued;
    uint64 nextUpdate;
    bytes6 fmspc;
    bytes2 pceId;
    uint32 evaluationNumber;
    TcbLevel[] levels; // in the text's order
}

/// @notice The signed text of TCB info, version 3, id "SGX"; signature and dates are the caller's to check.
library TcbInfo {
    uint256 internal constant MAX_BYTES = 32_768;
    uint256 internal constant MAX_LEVELS = 64;

    /// @notice More than MAX_BYTES.
    error TcbInfoTooLong(uint256 maximum, uint256 actual);
    /// @notice More than MAX_LEVELS.
    error TooManyTcbLevels();

    /// @notice Takes the text apart.
    function parse(bytes calldata json) internal pure returns (TcbDescription memory tcb) {
        if (json.length > MAX_BYTES) revert TcbInfoTooLong(MAX_BYTES, json.length);
        uint256 end =
            JsonText.expect(json, JsonText.expect(json, 0, "{\"id\":\"SGX\",\"version\":3,", 24), "\"issueDate\":", 12);
        (tcb.issued, end) = JsonText.readTime(json, end);
        (tcb.nextUpdate, end) = JsonText.readTime(json, JsonText.expect(json, end, ",\"nextUpdate\":", 14));
        bytes32 value;
        (value, end) = JsonText.readHex(json, JsonText.expect(json, end, ",\"fmspc\":", 9), 6);
        tcb.fmspc = bytes6(value);
        (value, end) = JsonText.readHex(json, JsonText.expect(json, end, ",\"pceId\":", 9), 2);
        tcb.pceId = bytes2(value);
        uint256 number;
        end = JsonText.expect(
            json, JsonText.expect(json, end, ",\"tcbType\":0", 12), ",\"tcbEvaluationDataNumber\":", 27
        );
        (number, end) = JsonText.readUint(json, end, type(uint32).max);
        tcb.evaluationNumber = uint32(number);
        (tcb.levels, end) = readLevels(json, JsonText.expect(json, end, ",\"tcbLevels\":[", 14));
        end = JsonText.expect(json, end, "]}", 2);
        if (end != json.length) revert JsonText.JsonUnexpected(end);
    }

    function readLevels(bytes calldata json, uint256 position)
        private
        pure
        returns (TcbLevel[] memory levels, uint256 end)
    {
        TcbLevel[] memory found = new TcbLevel[](MAX_LEVELS);
        uint256 count;
        end = position;
        do {
            if (count > 0) end = JsonText.expect(json, end, ",", 1);
            if (count == MAX_LEVELS) revert TooManyTcbLevels();
            TcbLevel memory level = found[count++];
            (level.components, end) = readComponents(json, end);
            uint256 svn;
            (svn, end) = JsonText.readUint(json, JsonText.expect(json, end, ",\"pcesvn\":", 10), type(uint16).max);
            level.pceSvn = uint16(svn);
            (level.date, level.status, level.advisories, end) =
                TcbStatusText.read(json, JsonText.expect(json, end, "}", 1));
        } while (JsonText.isNext(json, end, ",", 1));
        levels = found;
        // Assembly: shortens the array to what was read; memory that was taken stays taken.
        assembly ("memory-safe") {
            mstore(levels, count)
        }
    }

    function readComponents(bytes calldata json, uint256 position)
        private
        pure
        returns (bytes16 components, uint256 end)
    {
        end = JsonText.expect(json, position, "{\"tcb\":{\"sgxtcbcomponents\":[", 28);
        uint256 packed;
        for (uint256 i = 0; i < 16; ++i) {
            end = i == 0 ? JsonText.expect(json, end, "{\"svn\":", 7) : JsonText.expect(json, end, ",{\"svn\":", 8);
            uint256 svn;
            (svn, end) = JsonText.readUint(json, end, type(uint8).max);
            packed = packed << 8 | svn;
            if (!JsonText.isNext(json, end, "}", 1)) {
                // What a component is called decides nothing.
                if (JsonText.isNext(json, end, ",\"category\":", 12)) end = JsonText.skipString(json, end + 12);
                if (JsonText.isNext(json, end, ",\"type\":", 8)) end = JsonText.skipString(json, end + 8);
            }
            end = JsonText.expect(json, end, "}", 1);
        }
        components = bytes16(uint128(packed));
        end = JsonText.expect(json, end, "]", 1);
    }
}
