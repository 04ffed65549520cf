// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What a reference to a batch or to an entry can be refused for
/// @notice Declared once, because the core refuses and whoever calls it (modules, Payouts) passes the refusal on. A proof with
/// too few or too many nodes reverts with MerkleRfc9162's NodeCountWrong, an entry's wrong path with its PathLengthWrong and
/// RootMismatch.
interface IBatchErrors {
    /// @notice The record is not that of a batch with this sequence in the operator's history.
    /// @custom:advice bring the record from the batch's BatchCommitted event, and its path in the history of that size
    error UnknownBatch(bytes32 channel, address operator, uint64 sequence);
    /// @notice The chain keeps the last eight sizes of an operator's history; the one named is older, or not reached yet.
    /// @custom:advice make the proof again, against the operator's last batch
    error HistoryStale(uint64 size, uint64 sequence);
    /// @notice Size, last header and peaks do not hash to what the chain keeps of the operator's history.
    /// @custom:advice take the last header's digest and the peaks from the BatchCommitted events
    error HistoryMismatch(bytes32 expected, bytes32 actual);
    /// @notice The header is not the one that the batch's record names.
    error HeaderMismatch(bytes32 expected, bytes32 actual);
    /// @notice The batch was slashed before.
    error BatchAlreadySlashed(uint64 sequence);
    /// @notice The batch is final.
    error BatchAlreadyFinal(uint64 sequence);
    /// @notice The batch is not final yet.
    /// @custom:advice wait until the challenge window is over and no module holds the batch
    error BatchNotFinal(uint64 sequence);
    /// @notice The channel does not grant this power (1 convict, 2 fine, 4 hold, 8 set stake) to the module.
    /// @custom:advice a channel names its modules when it is created; use one that names this module
    error PowerNotGranted(bytes32 channel, address module, uint8 power);
    /// @notice Every entry is 118 bytes.
    error EntryLengthInvalid(uint256 actual);
    /// @notice The batch has no entry at this index.
    error EntryIndexOutOfRange(uint32 entryIndex, uint32 entryCount);
    /// @notice The entry's version or kind is not the one that this call is about.
    error EntryKindMismatch(uint8 expected, uint8 actual);
}
