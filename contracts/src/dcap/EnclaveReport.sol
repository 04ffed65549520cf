// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";

/// @notice Which attributes a report must have; bytes stand as the report has them (little-endian numbers). A bit that is 0 in
/// a mask may be either way.
struct ReportPins {
    bytes16 attributes; // flags 8, XFRM 8
    bytes16 attributesMask;
    bytes4 miscSelect;
    bytes4 miscSelectMask;
}

/// @notice Fields of an SGX report, which is 384 bytes of calldata, and what a report may never or must always say.
library EnclaveReport {
    /// @dev In the first byte of the flags.
    uint8 private constant INIT = 0x01;
    uint8 private constant DEBUG = 0x02;
    uint8 private constant PROVISION_KEY = 0x10;
    uint8 private constant EINITTOKEN_KEY = 0x20;

    /// @notice A report is 384 bytes.
    error ReportLengthInvalid(uint256 actual);
    /// @notice The enclave can be read and changed from outside.
    error EnclaveInDebugMode();
    /// @notice The enclave was never initialised, so that nothing can have run in it.
    error EnclaveNotInitialised();
    /// @notice The enclave can derive the platform's provisioning key.
    error EnclaveHasProvisionKey();
    /// @notice The enclave can derive the launch key.
    error EnclaveHasLaunchKey();
    /// @notice Attributes other than pinned.
    error AttributesMismatch(bytes16 expected, bytes16 actual);
    /// @notice MISCSELECT other than pinned.
    error MiscSelectMismatch(bytes4 expected, bytes4 actual);

    /// @notice Reverts unless there is a whole report. Every other function here needs this one first, or a slice of that length.
    function requireLength(bytes calldata report) internal pure {
        if (report.length != 384) revert ReportLengthInvalid(report.length);
    }

    function cpuSvn(bytes calldata report) internal pure returns (bytes16) {
        return bytes16(bytes32(Der.wordAt(report, 0)));
    }

    function miscSelect(bytes calldata report) internal pure returns (bytes4) {
        return bytes4(bytes32(Der.wordAt(report, 16)));
    }

    function attributes(bytes calldata report) internal pure returns (bytes16) {
        return bytes16(bytes32(Der.wordAt(report, 48)));
    }

    function mrEnclave(bytes calldata report) internal pure returns (bytes32) {
        return bytes32(Der.wordAt(report, 64));
    }

    function mrSigner(bytes calldata report) internal pure returns (bytes32) {
        return bytes32(Der.wordAt(report, 128));
    }

    function product(bytes calldata report) internal pure returns (uint16) {
        return swapped(Der.wordAt(report, 256) >> 240);
    }

    function svn(bytes calldata report) internal pure returns (uint16) {
        return swapped(Der.wordAt(report, 258) >> 240);
    }

    function reportData(bytes calldata report) internal pure returns (bytes32 high, bytes32 low) {
        return (bytes32(Der.wordAt(report, 320)), bytes32(Der.wordAt(report, 352)));
    }

    /// @notice Reverts unless the enclave is initialised and not in debug mode; no pins can allow otherwise.
    function requireNoDebug(bytes calldata report) internal pure {
        uint8 flags = uint8(Der.wordAt(report, 48) >> 248);
        if (flags & DEBUG != 0) revert EnclaveInDebugMode();
        if (flags & INIT == 0) revert EnclaveNotInitialised();
    }

    /// @notice As requireNoDebug, and neither of the platform's own keys: for every enclave but Intel's.
    function requireProduction(bytes calldata report) internal pure {
        requireNoDebug(report);
        uint8 flags = uint8(Der.wordAt(report, 48) >> 248);
        if (flags & PROVISION_KEY != 0) revert EnclaveHasProvisionKey();
        if (flags & EINITTOKEN_KEY != 0) revert EnclaveHasLaunchKey();
    }

    /// @notice Reverts unless the report's attributes and MISCSELECT are as pinned, where the masks look.
    function requirePins(bytes calldata report, ReportPins memory pins) internal pure {
        bytes16 actual = attributes(report) & pins.attributesMask;
        bytes16 expected = pins.attributes & pins.attributesMask;
        if (actual != expected) revert AttributesMismatch(expected, actual);
        bytes4 actualMisc = miscSelect(report) & pins.miscSelectMask;
        bytes4 expectedMisc = pins.miscSelect & pins.miscSelectMask;
        if (actualMisc != expectedMisc) revert MiscSelectMismatch(expectedMisc, actualMisc);
    }

    /// @dev A little-endian number of two bytes.
    function swapped(uint256 value) private pure returns (uint16) {
        return uint16(value << 8 | value >> 8);
    }
}
