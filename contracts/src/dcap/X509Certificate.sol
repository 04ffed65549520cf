// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";
import {X509Signature} from "./X509Signature.sol";

/// @notice What is read of a certificate; names are keccak256 of their DER, so that comparing them compares every byte.
/// @dev `sgxStart` and `sgxEnd` are offsets of the SGX extension's value in the document, both 0 without one.
struct Certificate {
    bytes32 tbsDigest; // SHA-256 of what is signed
    uint256 serial;
    bytes32 issuer;
    bytes32 subject;
    uint64 notBefore; // unix seconds
    uint64 notAfter;
    bool isAuthority;
    bool hasPathLength;
    uint8 pathLength;
    uint16 keyUsage; // bit 15 is digitalSignature, bit 10 keyCertSign, bit 9 cRLSign
    bytes32 x;
    bytes32 y;
    bytes32 r;
    bytes32 s;
    uint256 sgxStart;
    uint256 sgxEnd;
}

/// @notice X.509 version 3 certificates with P-256 keys (RFC 5280), as much as DCAP's root, CAs, PCK and TCB signing
/// certificates have. What is not understood and critical is refused.
library X509Certificate {
    uint256 internal constant MAX_BYTES = 4096;
    uint256 internal constant MAX_EXTENSIONS = 16;
    uint16 internal constant DIGITAL_SIGNATURE = 1 << 15;
    uint16 internal constant KEY_CERT_SIGN = 1 << 10;
    uint16 internal constant CRL_SIGN = 1 << 9;

    uint8 private constant VERSION_TAG = 0xa0;
    uint8 private constant EXTENSIONS_TAG = 0xa3;
    /// @dev SEQUENCE { SEQUENCE { ecPublicKey, prime256v1 }, BIT STRING of an uncompressed point }, up to the point.
    bytes27 internal constant KEY_PREFIX = hex"3059301306072a8648ce3d020106082a8648ce3d03010703420004";
    uint256 private constant KEY_PREFIX_BYTES = 27;
    uint256 private constant KEY_BYTES = 91;

    /// @dev Object identifiers as readExtension gives them: left-aligned, the number of octets in the last byte.
    uint256 private constant BASIC_CONSTRAINTS = 0x551d13 << 232 | 3;
    uint256 private constant KEY_USAGE = 0x551d0f << 232 | 3;
    uint256 private constant SUBJECT_KEY_ID = 0x551d0e << 232 | 3;
    uint256 private constant AUTHORITY_KEY_ID = 0x551d23 << 232 | 3;
    uint256 private constant CRL_DISTRIBUTION_POINTS = 0x551d1f << 232 | 3;
    uint256 private constant SGX = 0x2a864886f84d010d01 << 184 | 9;
    /// @dev id-ce (2.5.29), below which all of RFC 5280's extensions are named.
    uint256 private constant STANDARD = 0x551d;
    uint256 private constant LONGEST_IDENTIFIER = 31;

    /// @notice More than MAX_BYTES.
    error CertificateTooLong(uint256 maximum, uint256 actual);
    /// @notice Not version 3.
    error CertificateVersionUnknown(uint256 version);
    /// @notice A serial number of zero or above 20 octets (RFC 5280, 4.1.2.2).
    error SerialInvalid();
    /// @notice The key is not an uncompressed P-256 point.
    error PublicKeyUnknown(uint256 position);
    /// @notice A critical extension that nothing here understands.
    error CriticalExtensionUnknown(uint256 position);
    /// @notice The same extension a second time.
    error ExtensionRepeated(uint256 position);
    /// @notice More than MAX_EXTENSIONS.
    error TooManyExtensions();
    /// @notice An extension whose value is not what its type says.
    error ExtensionMalformed(uint256 position);

    /// @notice Takes a certificate apart. No signature is checked: see CertificateChain.
    function parse(bytes calldata der) internal pure returns (Certificate memory certificate) {
        if (der.length > MAX_BYTES) revert CertificateTooLong(MAX_BYTES, der.length);
        (uint256 position, uint256 end) = Der.read(der, 0, der.length, Der.SEQUENCE);
        Der.requireEnd(end, der.length);
        (uint256 tbs, uint256 tbsEnd) = Der.read(der, position, end, Der.SEQUENCE);
        certificate.tbsDigest = sha256(der[position:tbsEnd]);
        readSigned(der, tbs, tbsEnd, certificate);
        position = X509Signature.readAlgorithm(der, tbsEnd, end);
        (certificate.r, certificate.s) = X509Signature.readSignature(der, position, end);
    }

    function readSigned(bytes calldata der, uint256 position, uint256 end, Certificate memory certificate)
        private
        pure
    {
        position = readVersion(der, position, end);
        (certificate.serial, position) = Der.readUint(der, position, end);
        if (certificate.serial == 0 || certificate.serial >> 160 != 0) revert SerialInvalid();
        position = X509Signature.readAlgorithm(der, position, end);
        (certificate.issuer, position) = readName(der, position, end);
        (uint256 inner, uint256 innerEnd) = Der.read(der, position, end, Der.SEQUENCE);
        (certificate.notBefore, inner) = Der.readTime(der, inner, innerEnd);
        (certificate.notAfter, inner) = Der.readTime(der, inner, innerEnd);
        Der.requireEnd(inner, innerEnd);
        (certificate.subject, position) = readName(der, innerEnd, end);
        position = readKey(der, position, end, certificate);
        (inner, innerEnd) = Der.read(der, position, end, EXTENSIONS_TAG);
        Der.requireEnd(innerEnd, end);
        (inner, end) = Der.read(der, inner, innerEnd, Der.SEQUENCE);
        Der.requireEnd(end, innerEnd);
        readExtensions(der, inner, end, certificate);
    }

    function readVersion(bytes calldata der, uint256 position, uint256 end) private pure returns (uint256) {
        (uint256 inner, uint256 innerEnd) = Der.read(der, position, end, VERSION_TAG);
        uint256 version;
        (version, inner) = Der.readUint(der, inner, innerEnd);
        Der.requireEnd(inner, innerEnd);
        if (version != 2) revert CertificateVersionUnknown(version);
        return innerEnd;
    }

    function readName(bytes calldata der, uint256 position, uint256 limit)
        private
        pure
        returns (bytes32 name, uint256 end)
    {
        (, end) = Der.read(der, position, limit, Der.SEQUENCE);
        name = Der.digestOf(der, position, end);
    }

    function readKey(bytes calldata der, uint256 position, uint256 limit, Certificate memory certificate)
        private
        pure
        returns (uint256 end)
    {
        end = position + KEY_BYTES;
        if (end > limit || bytes27(bytes32(Der.wordAt(der, position))) != KEY_PREFIX) {
            // Says what is wrong with the element itself, if anything is.
            Der.read(der, position, limit, Der.SEQUENCE);
            revert PublicKeyUnknown(position);
        }
        certificate.x = bytes32(Der.wordAt(der, position + KEY_PREFIX_BYTES));
        certificate.y = bytes32(Der.wordAt(der, position + KEY_PREFIX_BYTES + 32));
    }

    function readExtensions(bytes calldata der, uint256 position, uint256 limit, Certificate memory certificate)
        private
        pure
    {
        uint256 standard; // bit n: 2.5.29.n was there
        uint256[] memory others;
        uint256 count;
        while (position < limit) {
            (uint256 id, bool isCritical, uint256 start, uint256 end) = readExtension(der, position, limit);
            if (count == MAX_EXTENSIONS) revert TooManyExtensions();
            if (id >> 240 == STANDARD && id & 0xff == 3) {
                uint256 bit = 1 << (id >> 232 & 0xff);
                if (standard & bit != 0) revert ExtensionRepeated(position);
                standard |= bit;
            } else {
                if (others.length == 0) others = new uint256[](MAX_EXTENSIONS);
                // Identifiers are not 0, and a list of count entries never fills the array.
                uint256 i;
                for (; others[i] != 0; ++i) {
                    if (others[i] == id) revert ExtensionRepeated(position);
                }
                others[i] = id;
            }
            ++count;
            if (id == BASIC_CONSTRAINTS) {
                readBasicConstraints(der, start, end, certificate);
            } else if (id == KEY_USAGE) {
                certificate.keyUsage = readKeyUsage(der, start, end);
            } else if (id == SGX) {
                (certificate.sgxStart, certificate.sgxEnd) = (start, end);
            } else if (isCritical && id != SUBJECT_KEY_ID && id != AUTHORITY_KEY_ID && id != CRL_DISTRIBUTION_POINTS) {
                revert CriticalExtensionUnknown(position);
            }
            position = end;
        }
    }

    /// @notice An extension of a certificate or a revocation list: its object identifier, left-aligned with the number of
    /// octets in the last byte, and its value, which is always the extension's last element.
    function readExtension(bytes calldata der, uint256 position, uint256 limit)
        internal
        pure
        returns (uint256 id, bool isCritical, uint256 start, uint256 end)
    {
        (start, end) = Der.read(der, position, limit, Der.SEQUENCE);
        (uint256 name, uint256 nameEnd) = Der.read(der, start, end, Der.OBJECT_ID);
        // Unchecked: an element's content does not start behind its end, and the length is at most 31 where it counts.
        unchecked {
            uint256 length = nameEnd - name;
            if (length == 0 || length > LONGEST_IDENTIFIER) revert ExtensionMalformed(position);
            id = Der.wordAt(der, name) >> (256 - 8 * length) << (256 - 8 * length) | length;
        }
        start = nameEnd;
        if (Der.isNext(der, start, end, Der.BOOLEAN)) {
            (isCritical, start) = Der.readBool(der, start, end);
            // DER leaves a default value out.
            if (!isCritical) revert ExtensionMalformed(position);
        }
        uint256 valueEnd;
        (start, valueEnd) = Der.read(der, start, end, Der.OCTET_STRING);
        Der.requireEnd(valueEnd, end);
    }

    function readBasicConstraints(bytes calldata der, uint256 start, uint256 limit, Certificate memory certificate)
        private
        pure
    {
        (uint256 position, uint256 end) = Der.read(der, start, limit, Der.SEQUENCE);
        Der.requireEnd(end, limit);
        if (position == end) return; // not an authority
        (certificate.isAuthority, position) = Der.readBool(der, position, end);
        if (position < end) {
            uint256 length;
            (length, position) = Der.readUint(der, position, end);
            // A length limit only means something for authorities.
            if (!certificate.isAuthority || length > 255) revert ExtensionMalformed(start);
            (certificate.hasPathLength, certificate.pathLength) = (true, uint8(length));
        }
        Der.requireEnd(position, end);
    }

    function readKeyUsage(bytes calldata der, uint256 start, uint256 limit) private pure returns (uint16 usage) {
        (uint256 position, uint256 end) = Der.read(der, start, limit, Der.BIT_STRING);
        Der.requireEnd(end, limit);
        uint256 head = Der.wordAt(der, position);
        if (end - position < 2 || end - position > 3 || head >> 248 > 7) revert ExtensionMalformed(start);
        usage = end - position == 2 ? uint16(head >> 240 << 8) : uint16(head >> 232);
    }
}
