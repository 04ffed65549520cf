// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Bytes kept as the code of an account that can do nothing: a word costs less to write than a storage slot, and all
/// words together cost one cold access to read.
library CodeStore {
    /// @dev PUSH2 size, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN: returns what follows it as code.
    uint256 private constant CREATION = 0x61000080600a3d393df3;
    uint256 private constant CREATION_BYTES = 10;
    /// @dev Code starts with a STOP, so that nobody can run what follows.
    uint256 private constant STOP_BYTES = 1;
    /// @dev Limit of code (EIP-170), less the STOP.
    uint256 internal constant MAX_BYTES = 24_575;

    /// @notice More than MAX_BYTES, or the account could not be made.
    error CodeStoreFailed(uint256 length);

    /// @notice Stores `data` for good; returns the account that holds it.
    function write(bytes memory data) internal returns (address account) {
        if (data.length > MAX_BYTES) revert CodeStoreFailed(data.length);
        uint256 creation = CREATION | (data.length + STOP_BYTES) << 56;
        bytes memory code = abi.encodePacked(bytes10(uint80(creation)), bytes1(0), data);
        // Assembly: there is no other way to create an account from code that is not a contract's.
        assembly ("memory-safe") {
            account := create(0, add(code, 0x20), mload(code))
        }
        if (account == address(0)) revert CodeStoreFailed(data.length);
    }

    /// @notice What `write` stored.
    function read(address account) internal view returns (bytes memory data) {
        uint256 size = account.code.length - STOP_BYTES;
        data = new bytes(size);
        // Assembly: copies code after its first byte; the array has room for it.
        assembly ("memory-safe") {
            extcodecopy(account, add(data, 0x20), STOP_BYTES, size)
        }
    }
}
