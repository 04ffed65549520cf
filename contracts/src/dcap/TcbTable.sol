// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TcbDescription, TcbLevel} from "./TcbInfo.sol";
import {TcbStatus} from "./TcbStatus.sol";

/// @notice TCB info as it is stored: evaluation number 4 bytes, then two words a level, in the text's order:
/// components 16 bytes, PCE SVN 2, status 1, nothing 5, date 8; and the advisories.
library TcbTable {
    uint256 private constant HEAD_BYTES = 4;
    uint256 private constant LEVEL_BYTES = 64;
    /// @dev In each of the 16 lanes of two bytes: the lower byte, and the bit above it.
    uint256 private constant LOW = 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
    uint256 private constant GUARD = 0x0100010001000100010001000100010001000100010001000100010001000100;

    /// @notice No level fits the platform.
    error TcbLevelMissing(bytes16 components, uint16 pceSvn);

    function pack(TcbDescription memory tcb) internal pure returns (bytes memory table) {
        table = new bytes(HEAD_BYTES + LEVEL_BYTES * tcb.levels.length);
        put(table, 0, uint256(tcb.evaluationNumber) << 224);
        for (uint256 i = 0; i < tcb.levels.length; ++i) {
            TcbLevel memory level = tcb.levels[i];
            uint256 head = uint256(uint128(level.components)) << 128 | uint256(level.pceSvn) << 112
                | uint256(level.status) << 104 | level.date;
            put(table, HEAD_BYTES + LEVEL_BYTES * i, head);
            put(table, HEAD_BYTES + LEVEL_BYTES * i + 32, uint256(level.advisories));
        }
    }

    function evaluationNumber(bytes memory table) internal pure returns (uint32) {
        return uint32(wordAt(table, 0) >> 224);
    }

    /// @notice The first level whose SVNs the platform has, each of the 16 components and the PCE's; reverts without one.
    function levelOf(bytes memory table, bytes16 components, uint16 pceSvn)
        internal
        pure
        returns (TcbLevel memory level)
    {
        uint256 guarded = spread(uint128(components)) | GUARD;
        // Unchecked: offsets below the table's length; a lane with its guard bit is above any lane without.
        unchecked {
            for (uint256 place = HEAD_BYTES; place < table.length; place += LEVEL_BYTES) {
                uint256 head = wordAt(table, place);
                if (pceSvn < uint16(head >> 112)) continue;
                // A lane keeps its guard bit if the platform's component is at least the level's.
                if ((guarded - spread(head >> 128)) & GUARD != GUARD) continue;
                level.components = bytes16(uint128(head >> 128));
                level.pceSvn = uint16(head >> 112);
                level.status = TcbStatus(uint8(head >> 104));
                level.date = uint64(head);
                level.advisories = bytes32(wordAt(table, place + 32));
                return level;
            }
        }
        revert TcbLevelMissing(components, pceSvn);
    }

    /// @dev 16 bytes into the lower bytes of 16 lanes, in order.
    function spread(uint256 value) private pure returns (uint256) {
        value = (value | value << 64) & 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
        value = (value | value << 32) & 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
        value = (value | value << 16) & 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
        return (value | value << 8) & LOW;
    }

    function wordAt(bytes memory table, uint256 place) private pure returns (uint256 word) {
        // Assembly: a word out of a byte array; places are within the table.
        assembly ("memory-safe") {
            word := mload(add(add(table, 0x20), place))
        }
    }

    function put(bytes memory table, uint256 place, uint256 word) private pure {
        // Assembly: a word into a byte array; places are within the table.
        assembly ("memory-safe") {
            mstore(add(add(table, 0x20), place), word)
        }
    }
}
