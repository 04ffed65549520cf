// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {IEnclaveRegistry} from "../interfaces/IEnclaveRegistry.sol";
import {IReferee} from "../interfaces/IReferee.sol";
import {BatchHeader, BatchHeaderHash} from "../types/BatchHeader.sol";
import {BatchRecord, BatchRecordHash, BatchState} from "../types/BatchRecord.sol";
import {ChannelHead, ChannelHeads, ChannelParameters} from "../types/Channel.sol";
import {DirectedChallenge} from "../types/DirectedChallenge.sol";
import {OperatorExtra, OperatorHead, OperatorHeads} from "../types/Operator.sol";

/// @notice All storage of the Referee, and the questions that every part of it asks.
/// Later systems (audits, witnesses, reputation, controller, membership) add their storage in contracts of their own
/// that name a Referee; a new Referee replaces this one, and channels move to it by choice of their managers.
abstract contract RefereeState is IReferee, EIP712 {
    struct QueuedParameters {
        uint64 appliesAt;
        ChannelParameters parameters;
    }

    /// @dev A word of OperatorHeads; a struct, so that a commit finds its place once.
    struct HeadSlot {
        uint256 word;
    }

    /// @inheritdoc IReferee
    IEnclaveRegistry public immutable registry;

    /// @dev Words of ChannelHeads.
    mapping(bytes32 channel => uint256 word) internal _channels;
    mapping(bytes32 channel => address) internal _managers;
    mapping(bytes32 channel => mapping(uint16 version => ChannelParameters)) internal _parameters;
    mapping(bytes32 channel => QueuedParameters) internal _queued;

    mapping(bytes32 channel => mapping(address operator => HeadSlot)) internal _heads;
    mapping(bytes32 channel => mapping(address operator => OperatorExtra)) internal _extras;

    /// @dev Keys are batchKey(channel, operator, sequence).
    mapping(bytes32 batch => bytes32 recordDigest) internal _records;
    mapping(bytes32 batch => uint32) internal _openChallenges;
    mapping(bytes32 batch => mapping(uint32 entryIndex => DirectedChallenge)) internal _challenges;
    mapping(bytes32 batch => bool) internal _convicted;

    /// @inheritdoc IReferee
    mapping(address account => uint256 amountWei) public owed;
    /// @inheritdoc IReferee
    uint256 public burned;

    constructor(IEnclaveRegistry registry_) EIP712("wattest", "1") {
        registry = registry_;
    }

    function _channel(bytes32 channel) internal view returns (ChannelHead memory) {
        return ChannelHeads.unpack(_channels[channel]);
    }

    function _head(bytes32 channel, address operator) internal view returns (OperatorHead memory) {
        return OperatorHeads.unpack(_heads[channel][operator].word);
    }

    function _setHead(bytes32 channel, address operator, OperatorHead memory head) internal {
        _heads[channel][operator].word = OperatorHeads.pack(head);
    }

    /// @dev keccak256(abi.encode(channel, operator, sequence)).
    function _batchKey(bytes32 channel, address operator, uint256 sequence) internal pure returns (bytes32 key) {
        // Assembly: twice on the path of every commit. It writes only beyond the free memory pointer; the mask drops what
        // the compiler does not promise about the bits above an address.
        assembly ("memory-safe") {
            let words := mload(0x40)
            mstore(words, channel)
            mstore(add(words, 0x20), shr(96, shl(96, operator)))
            mstore(add(words, 0x40), sequence)
            key := keccak256(words, 0x60)
        }
    }

    function _digest(BatchHeader calldata header) internal view returns (bytes32) {
        return _hashTypedDataV4(BatchHeaderHash.structHash(header));
    }

    /// @dev Reverts unless `record` is the current preimage of the batch's slot; returns the slot's key.
    function _requireRecord(bytes32 channel, address operator, uint64 sequence, BatchRecord calldata record)
        internal
        view
        returns (bytes32 batch)
    {
        batch = _batchKey(channel, operator, sequence);
        if (_records[batch] != BatchRecordHash.digestOf(record)) revert UnknownBatch(channel, operator, sequence);
    }

    /// @dev The same, and that `header` is the header that was committed.
    function _requireHeader(BatchHeader calldata header, BatchRecord calldata record)
        internal
        view
        returns (bytes32 batch)
    {
        batch = _requireRecord(header.channel, header.operator, header.sequence, record);
        bytes32 digest = _digest(header);
        if (digest != record.headerDigest) revert HeaderMismatch(record.headerDigest, digest);
    }

    /// @dev Final is a question about the clock, never a stored state.
    function _isFinal(bytes32 channel, bytes32 batch, BatchRecord memory record) internal view returns (bool) {
        if (record.state != BatchState.Committed) return false;
        uint256 closesAt = uint256(record.committedAt) + _parameters[channel][record.parametersVersion].challengeWindowS;
        return block.timestamp >= closesAt && _openChallenges[batch] == 0;
    }
}
