// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnclaveRegistry} from "./IEnclaveRegistry.sol";

/// @title The smallest whole: a text hashed and signed in an enclave, judged by a contract
interface IFirstLight {
    /// @notice The contract's answer; `signer` is zero if no key can be recovered from the signature.
    event TextJudged(
        bytes32 indexed textDigest, address indexed signer, bytes32 indexed channel, address referee, bool accepted
    );

    /// @notice Says yes iff a key that is active in the channel signed keccak256("wattest/first-light/1" || textDigest), and
    /// logs it. Never reverts on a bad signature: it says no. What a yes is worth is what the channel's policy is worth.
    /// @param textDigest the 32-byte digest of the text that the enclave made
    /// @param signature 65 bytes r||s||v, s low
    function verify(address referee, bytes32 channel, bytes32 textDigest, bytes calldata signature)
        external
        returns (bool accepted);

    /// @notice The same answer without a log.
    function check(address referee, bytes32 channel, bytes32 textDigest, bytes calldata signature)
        external
        view
        returns (bool accepted, address signer);

    function registry() external view returns (IEnclaveRegistry);
}
