// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Open: statements, late imports, functions. Scheduled: meters, with a roster and a commit deadline.
enum ChannelKind {
    Open,
    Scheduled
}

/// @notice What a batch is judged by. Every batch keeps the version that held when it was committed.
/// Times are seconds, amounts are wei of the chain's own coin.
/// @param epochS length of a period, from 60 s to 31 days; fixed for the life of the channel; zero in an open channel
/// @param commitDeadlineS a commit is due this long after the period's end; less than epochS; zero in an open channel
/// @param challengeWindowS directed challenges are accepted this long after the commit; then the batch can be final
/// @param answerWindowS time to answer; the j-th challenge open at once has ceil(j / 4) times as much
/// @param exitDelayS least time from requestExit to withdraw
/// @param stakeWei S: burned when the batch is slashed
/// @param catcherRewardWei R_catch: paid on top of S, to the catcher; at most S / 5
/// @param gasReserveWei part of the deposit kept free for answering, per open batch
/// @param baseBondWei bond of the first challenge that is open; the j-th costs baseBondWei * (7 + j) / 8
/// @param answerGasCapWei most that an answer is reimbursed from the bond; at most baseBondWei
struct ChannelParameters {
    uint24 epochS;
    uint24 commitDeadlineS;
    uint32 challengeWindowS;
    uint32 answerWindowS;
    uint32 exitDelayS;
    uint88 stakeWei;
    uint88 catcherRewardWei;
    uint88 gasReserveWei;
    uint88 baseBondWei;
    uint88 answerGasCapWei;
}

/// @notice What every commit reads of a channel, in one storage slot.
/// @param kind open or scheduled
/// @param parametersVersion current version, from 1; zero means that there is no such channel
/// @param rosterCount entries due for periods that start before nextRosterFrom; zero: none may be committed
/// @param nextRosterCount entries due from nextRosterFrom on
/// @param nextRosterFrom start of the first period with nextRosterCount, unix seconds; zero before the first setting
/// @param epochS as in the current parameters
/// @param commitDeadlineS as in the current parameters
/// @param exposureWei stakeWei + catcherRewardWei + gasReserveWei of the current parameters
struct ChannelHead {
    ChannelKind kind;
    uint16 parametersVersion;
    uint24 rosterCount;
    uint24 nextRosterCount;
    uint40 nextRosterFrom;
    uint24 epochS;
    uint24 commitDeadlineS;
    uint96 exposureWei;
}

/// @notice A ChannelHead as its storage word, least significant field first. Solidity would read and write the slot once for
/// each field; a commit cannot afford that.
library ChannelHeads {
    function isOpen(uint256 word) internal pure returns (bool) {
        return uint8(word) == uint256(ChannelKind.Open);
    }

    function parametersVersion(uint256 word) internal pure returns (uint256) {
        return uint16(word >> 8);
    }

    /// @notice Entries due in a batch for the period that starts then; zero in an open channel.
    function rosterCountAt(uint256 word, uint256 periodStart) internal pure returns (uint256) {
        uint256 from = uint40(word >> 72);
        return from != 0 && periodStart >= from ? uint24(word >> 48) : uint24(word >> 24);
    }

    function epochS(uint256 word) internal pure returns (uint256) {
        return uint24(word >> 112);
    }

    function commitDeadlineS(uint256 word) internal pure returns (uint256) {
        return uint24(word >> 136);
    }

    function exposureWei(uint256 word) internal pure returns (uint256) {
        return word >> 160;
    }

    function pack(ChannelHead memory head) internal pure returns (uint256) {
        return uint256(head.kind) | uint256(head.parametersVersion) << 8 | uint256(head.rosterCount) << 24
            | uint256(head.nextRosterCount) << 48 | uint256(head.nextRosterFrom) << 72 | uint256(head.epochS) << 112
            | uint256(head.commitDeadlineS) << 136 | uint256(head.exposureWei) << 160;
    }

    /// @dev Casts cut off the fields above: that is their purpose here.
    function unpack(uint256 word) internal pure returns (ChannelHead memory head) {
        head.kind = ChannelKind(uint8(word));
        head.parametersVersion = uint16(word >> 8);
        head.rosterCount = uint24(word >> 24);
        head.nextRosterCount = uint24(word >> 48);
        head.nextRosterFrom = uint40(word >> 72);
        head.epochS = uint24(word >> 112);
        head.commitDeadlineS = uint24(word >> 136);
        head.exposureWei = uint96(word >> 160);
    }
}
