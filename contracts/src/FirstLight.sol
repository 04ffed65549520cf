// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IEnclaveRegistry} from "./interfaces/IEnclaveRegistry.sol";
import {IFirstLight} from "./interfaces/IFirstLight.sol";
import {Secp256k1Signature} from "./lib/Secp256k1Signature.sol";

/// @title First light: was this text signed in a registered enclave?
contract FirstLight is IFirstLight {
    /// @inheritdoc IFirstLight
    IEnclaveRegistry public immutable registry;

    constructor(IEnclaveRegistry registry_) {
        registry = registry_;
    }

    /// @inheritdoc IFirstLight
    function verify(address referee, bytes32 channel, bytes32 textDigest, bytes calldata signature)
        external
        returns (bool accepted)
    {
        address signer;
        (accepted, signer) = check(referee, channel, textDigest, signature);
        emit TextJudged(textDigest, signer, channel, referee, accepted);
    }

    /// @inheritdoc IFirstLight
    function check(address referee, bytes32 channel, bytes32 textDigest, bytes calldata signature)
        public
        view
        returns (bool accepted, address signer)
    {
        signer = Secp256k1Signature.tryRecover(
            keccak256(abi.encodePacked("wattest/first-light/1", textDigest)), signature
        );
        accepted = registry.isActiveKey(referee, channel, signer);
    }
}
