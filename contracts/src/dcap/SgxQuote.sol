// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Where the fields of an SGX quote of version 3 lie (docs/spec/evidence.md), as slices of calldata.
/// @dev On chain a quote ends after the authentication data: the certification data that follows is in no signature, and the
/// PCK certificate comes as DER beside it. The length at offset 432 is in no signature either, and is not looked at.
library SgxQuote {
    uint256 internal constant SIGNED_BYTES = 432;
    uint256 internal constant REPORT_BYTES = 384;
    uint256 internal constant MAX_AUTHENTICATION_BYTES = 1024;

    uint256 private constant REPORT = 48;
    uint256 private constant SIGNATURE = 436;
    uint256 private constant ATTESTATION_KEY = 500;
    uint256 private constant QE_REPORT = 564;
    uint256 private constant QE_SIGNATURE = 948;
    uint256 private constant AUTHENTICATION_LENGTH = 1012;
    uint256 private constant AUTHENTICATION = 1014;

    /// @dev Version 3, ECDSA P-256, TEE type 0: the header's first eight bytes, little-endian.
    bytes8 private constant HEADER = 0x0300020000000000;
    /// @dev 939a7233-f79c-4ca9-940a-0db3957f0607: Intel's quoting enclave.
    bytes16 private constant QE_VENDOR = 0x939a7233f79c4ca9940a0db3957f0607;
    uint256 private constant QE_VENDOR_AT = 12;

    /// @notice Fewer or more bytes than header, reports, signatures and authentication data have.
    error QuoteLengthInvalid(uint256 expected, uint256 actual);
    /// @notice Authentication data above MAX_AUTHENTICATION_BYTES.
    error AuthenticationDataTooLong(uint256 maximum, uint256 actual);
    /// @notice Not version 3 with a P-256 attestation key and an SGX enclave.
    error QuoteKindUnknown(bytes8 actual);
    /// @notice A quoting enclave of another vendor.
    error QeVendorUnknown(bytes16 actual);

    /// @notice Reverts unless `quote` is a whole version 3 quote without certification data. Every other function here needs
    /// this one first.
    function requireForm(bytes calldata quote) internal pure {
        if (quote.length < AUTHENTICATION) revert QuoteLengthInvalid(AUTHENTICATION, quote.length);
        uint256 size = uint8(quote[AUTHENTICATION_LENGTH]) | uint256(uint8(quote[AUTHENTICATION_LENGTH + 1])) << 8;
        if (size > MAX_AUTHENTICATION_BYTES) revert AuthenticationDataTooLong(MAX_AUTHENTICATION_BYTES, size);
        if (quote.length != AUTHENTICATION + size) revert QuoteLengthInvalid(AUTHENTICATION + size, quote.length);
        if (bytes8(word(quote, 0)) != HEADER) revert QuoteKindUnknown(bytes8(word(quote, 0)));
        bytes16 vendor = bytes16(word(quote, QE_VENDOR_AT));
        if (vendor != QE_VENDOR) revert QeVendorUnknown(vendor);
    }

    /// @notice SHA-256 of header and report: what the attestation key signs, and what "seen before" is asked by.
    function signedDigest(bytes calldata quote) internal pure returns (bytes32) {
        return sha256(part(quote, 0, SIGNED_BYTES));
    }

    function report(bytes calldata quote) internal pure returns (bytes calldata) {
        return part(quote, REPORT, REPORT_BYTES);
    }

    function qeReport(bytes calldata quote) internal pure returns (bytes calldata) {
        return part(quote, QE_REPORT, REPORT_BYTES);
    }

    function signature(bytes calldata quote) internal pure returns (bytes32 r, bytes32 s) {
        return (word(quote, SIGNATURE), word(quote, SIGNATURE + 32));
    }

    function attestationKey(bytes calldata quote) internal pure returns (bytes32 x, bytes32 y) {
        return (word(quote, ATTESTATION_KEY), word(quote, ATTESTATION_KEY + 32));
    }

    function qeSignature(bytes calldata quote) internal pure returns (bytes32 r, bytes32 s) {
        return (word(quote, QE_SIGNATURE), word(quote, QE_SIGNATURE + 32));
    }

    /// @notice SHA-256 of attestation key and authentication data: what the quoting enclave's report vouches for.
    function vouchedDigest(bytes calldata quote) internal pure returns (bytes32) {
        return sha256(bytes.concat(part(quote, ATTESTATION_KEY, 64), quote[AUTHENTICATION:]));
    }

    /// @dev Assembly, here and below: without the compiler's own bound, which requireForm has set before.
    function word(bytes calldata quote, uint256 position) private pure returns (bytes32 value) {
        assembly ("memory-safe") {
            value := calldataload(add(quote.offset, position))
        }
    }

    function part(bytes calldata quote, uint256 position, uint256 size) private pure returns (bytes calldata slice) {
        assembly ("memory-safe") {
            slice.offset := add(quote.offset, position)
            slice.length := size
        }
    }
}
