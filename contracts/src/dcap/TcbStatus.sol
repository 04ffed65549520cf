// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {JsonText} from "./JsonText.sol";

/// @notice Intel's words for a level.
enum TcbStatus {
    UpToDate,
    SWHardeningNeeded,
    ConfigurationNeeded,
    ConfigurationAndSWHardeningNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,
    Revoked
}

/// @notice The end of a level, which TCB info and QE identity have in common: date, status, advisories.
library TcbStatusText {
    uint256 internal constant MAX_ADVISORIES = 64;

    /// @notice A status that is none of TcbStatus.
    error TcbStatusUnknown(uint256 position);
    /// @notice More than MAX_ADVISORIES.
    error TooManyAdvisories();

    /// @notice From `,"tcbDate":` to the level's closing brace; `advisories` is keccak256 of the list's JSON text, 0 without one.
    function read(bytes calldata json, uint256 position)
        internal
        pure
        returns (uint64 date, TcbStatus status, bytes32 advisories, uint256 end)
    {
        end = JsonText.expect(json, position, ",\"tcbDate\":");
        (date, end) = JsonText.readTime(json, end);
        uint256 start = JsonText.expect(json, end, ",\"tcbStatus\":");
        end = JsonText.skipString(json, start);
        status = statusOf(keccak256(json[start + 1:end - 1]), start);
        if (JsonText.isNext(json, end, ",")) {
            start = JsonText.expect(json, end, ",\"advisoryIDs\":");
            end = skipList(json, start);
            advisories = keccak256(json[start:end]);
        }
        end = JsonText.expect(json, end, "}");
    }

    function statusOf(bytes32 digest, uint256 position) private pure returns (TcbStatus) {
        if (digest == keccak256("UpToDate")) return TcbStatus.UpToDate;
        if (digest == keccak256("SWHardeningNeeded")) return TcbStatus.SWHardeningNeeded;
        if (digest == keccak256("ConfigurationNeeded")) return TcbStatus.ConfigurationNeeded;
        if (digest == keccak256("ConfigurationAndSWHardeningNeeded")) {
            return TcbStatus.ConfigurationAndSWHardeningNeeded;
        }
        if (digest == keccak256("OutOfDate")) return TcbStatus.OutOfDate;
        if (digest == keccak256("OutOfDateConfigurationNeeded")) return TcbStatus.OutOfDateConfigurationNeeded;
        if (digest == keccak256("Revoked")) return TcbStatus.Revoked;
        revert TcbStatusUnknown(position);
    }

    function skipList(bytes calldata json, uint256 position) private pure returns (uint256 end) {
        end = JsonText.expect(json, position, "[");
        if (JsonText.isNext(json, end, "]")) return end + 1;
        uint256 count;
        do {
            if (count > 0) end = JsonText.expect(json, end, ",");
            if (++count > MAX_ADVISORIES) revert TooManyAdvisories();
            end = JsonText.skipString(json, end);
        } while (JsonText.isNext(json, end, ","));
        end = JsonText.expect(json, end, "]");
    }
}
