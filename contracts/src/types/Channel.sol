// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ParametersWord} from "./ParametersWord.sol";

/// @notice Open: statements, late imports, functions. Scheduled: meters, with a roster and a commit deadline.
enum ChannelKind {
    Open,
    Scheduled
}

/// @notice What a batch is judged by. Every batch keeps the version that held when it was committed; each module's terms belong
/// to the version, too. Times are seconds, amounts are wei of the chain's own coin and whole gwei.
/// @param epochS length of a period, from 60 s to 31 days; fixed for the life of the channel; zero in an open channel
/// @param commitDeadlineS a commit is due this long after the period's end; less than epochS; zero in an open channel
/// @param challengeWindowS this long after the commit the batch is final, unless a module holds it
/// @param exitDelayS least time from requestExit to withdraw
/// @param stakeWei S: burned when a batch is slashed; a module may set up to three times as much for an operator
/// @param catcherRewardWei R_catch: paid on top of S, to the catcher; at most S / 5
/// @param gasReserveWei part of the deposit kept free for answering, per open batch
struct ChannelParameters {
    uint24 epochS;
    uint24 commitDeadlineS;
    uint32 challengeWindowS;
    uint32 exitDelayS;
    uint88 stakeWei;
    uint88 catcherRewardWei;
    uint88 gasReserveWei;
}

/// @notice What every commit reads of a channel, in one storage slot.
/// @param kind open or scheduled
/// @param parametersVersion current version, from 1; zero means that there is no such channel
/// @param rosterCount entries due for periods that start before nextRosterFrom; zero: none may be committed
/// @param nextRosterCount entries due from nextRosterFrom on
/// @param nextRosterFrom start of the first period with nextRosterCount, unix seconds; zero before the first setting
/// @param epochS as in the current parameters
/// @param commitDeadlineS as in the current parameters
/// @param stakeGwei stakeWei of the current parameters, gwei
/// @param marginGwei catcherRewardWei + gasReserveWei of the current parameters, gwei: what a batch binds beyond its stake
struct ChannelHead {
    ChannelKind kind;
    uint16 parametersVersion;
    uint24 rosterCount;
    uint24 nextRosterCount;
    uint40 nextRosterFrom;
    uint24 epochS;
    uint24 commitDeadlineS;
    uint56 stakeGwei;
    uint56 marginGwei;
}

/// @notice A ChannelHead as its storage word, least significant field first: 2, 16, 21, 21, 40, 22, 22, 56, 56 bits. Solidity
/// would read and write the slot once for each field; a commit cannot afford that.
library ChannelHeads {
    uint256 private constant COUNT_MASK = (1 << 21) - 1;
    uint256 private constant SPAN_MASK = (1 << 22) - 1;
    uint256 private constant ROSTER = (1 << 100) - (1 << 18);
    uint256 private constant ROSTER_AND_KIND = ROSTER | 3;

    function isOpen(uint256 word) internal pure returns (bool) {
        return word & 3 == uint256(ChannelKind.Open);
    }

    function parametersVersion(uint256 word) internal pure returns (uint256) {
        return uint16(word >> 2);
    }

    /// @notice Entries due in a batch for the period that starts then; zero in an open channel.
    function rosterCountAt(uint256 word, uint256 periodStart) internal pure returns (uint256) {
        uint256 from = uint40(word >> 60);
        return (from != 0 && periodStart >= from ? word >> 39 : word >> 18) & COUNT_MASK;
    }

    function epochS(uint256 word) internal pure returns (uint256) {
        return word >> 100 & SPAN_MASK;
    }

    function commitDeadlineS(uint256 word) internal pure returns (uint256) {
        return word >> 122 & SPAN_MASK;
    }

    function stakeGwei(uint256 word) internal pure returns (uint256) {
        return uint56(word >> 144);
    }

    function marginGwei(uint256 word) internal pure returns (uint256) {
        return word >> 200;
    }

    function nextRosterFrom(uint256 word) internal pure returns (uint256) {
        return uint40(word >> 60);
    }

    /// @notice The word of a channel without parameters.
    function created(ChannelKind kind) internal pure returns (uint256) {
        return uint256(kind);
    }

    /// @notice The word with another version of the parameters, a word of ParametersWord. The caller keeps the version inside
    /// its 16 bits.
    function withParameters(uint256 word, uint256 version, uint256 parameters) internal pure returns (uint256) {
        uint256 spans = parameters & (1 << 44) - 1;
        return word & ROSTER_AND_KIND | version << 2 | spans << 100 | ParametersWord.stakeGwei(parameters) << 144
            | ParametersWord.marginGwei(parameters) << 200;
    }

    /// @notice The word with `count` entries due from `from` on; until then as many as now at `before`.
    function withRoster(uint256 word, uint256 before, uint256 count, uint256 from) internal pure returns (uint256) {
        return word & ~ROSTER | rosterCountAt(word, before) << 18 | count << 39 | from << 60;
    }

    /// @dev Casts and masks cut off the fields above: that is their purpose here.
    function unpack(uint256 word) internal pure returns (ChannelHead memory head) {
        head.kind = ChannelKind(word & 3);
        head.parametersVersion = uint16(word >> 2);
        head.rosterCount = uint24(word >> 18 & COUNT_MASK);
        head.nextRosterCount = uint24(word >> 39 & COUNT_MASK);
        head.nextRosterFrom = uint40(word >> 60);
        head.epochS = uint24(word >> 100 & SPAN_MASK);
        head.commitDeadlineS = uint24(word >> 122 & SPAN_MASK);
        head.stakeGwei = uint56(word >> 144);
        head.marginGwei = uint56(word >> 200);
    }
}
