// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Der} from "./Der.sol";
import {X509Certificate} from "./X509Certificate.sol";
import {X509Signature} from "./X509Signature.sol";

/// @notice What is read of a revocation list; the issuer is keccak256 of its name's DER.
struct RevocationList {
    bytes32 tbsDigest; // SHA-256 of what is signed
    bytes32 issuer;
    uint64 thisUpdate; // unix seconds
    uint64 nextUpdate;
    uint256 number; // cRLNumber, which grows from list to list
    uint256[] serials; // in the list's order
    bytes32 r;
    bytes32 s;
}

/// @notice Version 2 certificate revocation lists (RFC 5280, section 5), whole ones only: a list that is partial, indirect or
/// a delta says so in a critical extension, and is refused.
library X509RevocationList {
    uint256 internal constant MAX_BYTES = 32_768;
    uint256 internal constant MAX_EXTENSIONS = 8;
    /// @dev SEQUENCE of a one-byte serial and a UTCTime: no entry is shorter, so this bounds memory before it is taken.
    uint256 private constant SHORTEST_ENTRY = 20;

    uint8 private constant EXTENSIONS_TAG = 0xa0;
    uint256 private constant CRL_NUMBER = 0x551d14 << 232 | 3;

    /// @notice More than MAX_BYTES.
    error RevocationListTooLong(uint256 maximum, uint256 actual);
    /// @notice Not version 2.
    error RevocationListVersionUnknown(uint256 version);
    /// @notice A list without a number cannot be told from an older one.
    error RevocationListNumberMissing();
    /// @notice A number above 20 octets (RFC 5280, 5.2.3).
    error RevocationListNumberInvalid(uint256 position);
    /// @notice nextUpdate is not after thisUpdate.
    error RevocationListDatesInvalid(uint64 thisUpdate, uint64 nextUpdate);

    /// @notice Takes a list apart. No signature is checked: see CertificateChain.
    function parse(bytes calldata der) internal pure returns (RevocationList memory list) {
        if (der.length > MAX_BYTES) revert RevocationListTooLong(MAX_BYTES, der.length);
        (uint256 position, uint256 end) = Der.read(der, 0, der.length, Der.SEQUENCE);
        Der.requireEnd(end, der.length);
        (uint256 tbs, uint256 tbsEnd) = Der.read(der, position, end, Der.SEQUENCE);
        list.tbsDigest = sha256(der[position:tbsEnd]);
        readSigned(der, tbs, tbsEnd, list);
        position = X509Signature.readAlgorithm(der, tbsEnd, end);
        (list.r, list.s) = X509Signature.readSignature(der, position, end);
    }

    function readSigned(bytes calldata der, uint256 position, uint256 end, RevocationList memory list) private pure {
        uint256 version;
        (version, position) = Der.readUint(der, position, end);
        if (version != 1) revert RevocationListVersionUnknown(version);
        position = X509Signature.readAlgorithm(der, position, end);
        (, uint256 nameEnd) = Der.read(der, position, end, Der.SEQUENCE);
        list.issuer = Der.digestOf(der, position, nameEnd);
        (list.thisUpdate, position) = Der.readTime(der, nameEnd, end);
        (list.nextUpdate, position) = Der.readTime(der, position, end);
        if (list.nextUpdate <= list.thisUpdate) revert RevocationListDatesInvalid(list.thisUpdate, list.nextUpdate);
        if (Der.isNext(der, position, end, Der.SEQUENCE)) {
            (uint256 start, uint256 listEnd) = Der.read(der, position, end, Der.SEQUENCE);
            list.serials = readEntries(der, start, listEnd);
            position = listEnd;
        }
        if (position == end) revert RevocationListNumberMissing();
        (uint256 outer, uint256 outerEnd) = Der.read(der, position, end, EXTENSIONS_TAG);
        Der.requireEnd(outerEnd, end);
        (position, end) = Der.read(der, outer, outerEnd, Der.SEQUENCE);
        Der.requireEnd(end, outerEnd);
        list.number = readNumber(der, position, end);
    }

    function readEntries(bytes calldata der, uint256 position, uint256 limit)
        private
        pure
        returns (uint256[] memory serials)
    {
        serials = new uint256[]((limit - position) / SHORTEST_ENTRY + 1);
        uint256 count;
        while (position < limit) {
            (uint256 inner, uint256 end) = Der.read(der, position, limit, Der.SEQUENCE);
            (serials[count], inner) = Der.readUint(der, inner, end);
            if (serials[count] == 0 || serials[count] >> 160 != 0) revert X509Certificate.SerialInvalid();
            ++count;
            (, inner) = Der.readTime(der, inner, end);
            if (inner < end) {
                (uint256 start, uint256 extensionsEnd) = Der.read(der, inner, end, Der.SEQUENCE);
                Der.requireEnd(extensionsEnd, end);
                // A reason or a date may follow; an entry about another issuer's certificate is critical.
                while (start < end) {
                    (, bool isCritical,, uint256 next) = X509Certificate.readExtension(der, start, end);
                    if (isCritical) revert X509Certificate.CriticalExtensionUnknown(start);
                    start = next;
                }
            }
            position = end;
        }
        // Assembly: shortens the array to what was read; memory that was taken stays taken.
        assembly ("memory-safe") {
            mstore(serials, count)
        }
    }

    function readNumber(bytes calldata der, uint256 position, uint256 limit) private pure returns (uint256 number) {
        bool found;
        uint256 count;
        while (position < limit) {
            (uint256 id, bool isCritical, uint256 start, uint256 end) =
                X509Certificate.readExtension(der, position, limit);
            if (++count > MAX_EXTENSIONS) revert X509Certificate.TooManyExtensions();
            if (isCritical) revert X509Certificate.CriticalExtensionUnknown(position);
            if (id == CRL_NUMBER) {
                if (found) revert X509Certificate.ExtensionRepeated(position);
                found = true;
                (number, start) = Der.readUint(der, start, end);
                Der.requireEnd(start, end);
                if (number >> 160 != 0) revert RevocationListNumberInvalid(position);
            }
            position = end;
        }
        if (!found) revert RevocationListNumberMissing();
    }
}
