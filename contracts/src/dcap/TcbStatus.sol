// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";
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
        end = JsonText.expect(json, position, ",\"tcbDate\":", 11);
        (date, end) = JsonText.readTime(json, end);
        uint256 start = JsonText.expect(json, end, ",\"tcbStatus\":", 13);
        end = JsonText.skipString(json, start);
        status = statusOf(Der.digestOf(json, start + 1, end - 1), start);
        if (JsonText.isNext(json, end, ",", 1)) {
            start = JsonText.expect(json, end, ",\"advisoryIDs\":", 15);
            end = skipList(json, start);
            advisories = Der.digestOf(json, start, end);
        }
        end = JsonText.expect(json, end, "}", 1);
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
        end = JsonText.expect(json, position, "[", 1);
        if (JsonText.isNext(json, end, "]", 1)) return end + 1;
        uint256 count;
        do {
            if (count > 0) end = JsonText.expect(json, end, ",", 1);
            if (++count > MAX_ADVISORIES) revert TooManyAdvisories();
            end = JsonText.skipString(json, end);
        } while (JsonText.isNext(json, end, ",", 1));
        end = JsonText.expect(json, end, "]", 1);
    }
}
