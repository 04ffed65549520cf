"""Certificate-chain faults: the PCK chain that the quote carries, and the chain that signs collateral."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from evidence_world import (
    ACCEPTED,
    AT,
    DAY,
    STRANGE_KEY,
    Fault,
    Parts,
    forged,
    own,
    refused,
    replaced,
    stranger,
    with_collateral,
    with_endorsing,
)

from wattest.attestation.formats.collateral import Collateral
from wattest.enclave.simulator.pki import CPU_SVN, FMSPC, PCE_ID, PCE_SVN, pem_chain, sign_raw, unsafe_reissue
from wattest.enclave.simulator.sgx_extension import SGX_EXTENSION_OID, PlatformFacts, encode_sgx_extension

_SGX_OID = x509.ObjectIdentifier(SGX_EXTENSION_OID)
_LONG_AGO = (datetime.fromtimestamp(AT - 30 * DAY, UTC), datetime.fromtimestamp(AT - DAY, UTC))
_LATER = (datetime.fromtimestamp(AT + DAY, UTC), datetime.fromtimestamp(AT + 30 * DAY, UTC))
_Chain = tuple[x509.Certificate, ...]


def faults() -> Iterator[Fault]:
    """All of them."""
    yield from _leaf()
    yield from _authority()
    yield from _whole_chain()
    yield from _extension()
    yield from _signing_chain("tcb_info", "TCB info")
    yield from _signing_chain("qe_identity", "QE identity")


def _chain(make: Callable[[], _Chain]) -> Callable[[Parts], Parts]:
    return lambda parts: dataclasses.replace(parts, quoting=dataclasses.replace(parts.quoting, chain=make()))


def _usage(*, sign: bool = False, certify: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(sign, False, False, False, False, certify, certify, False, False)


def _again(which: str, **changes: object) -> Callable[[], x509.Certificate]:
    """One of the platform's certificates, issued again by its own issuer with something changed."""

    @cache
    def make() -> x509.Certificate:
        pki = own().pki
        issuer = {"pck": pki.platform_ca_key}.get(which, pki.root_key)
        return unsafe_reissue(getattr(pki, which), issuer, **changes)  # type: ignore[arg-type]

    return make


def _leaf_chain(make: Callable[[], x509.Certificate]) -> Callable[[Parts], Parts]:
    return _chain(lambda: (make(), own().pki.platform_ca, own().pki.root))


def _authority_chain(make: Callable[[], x509.Certificate]) -> Callable[[Parts], Parts]:
    return _chain(lambda: (own().pki.pck, make(), own().pki.root))


def _other_name() -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "wattest simulator, someone else")])


@cache
def _p384_leaf() -> x509.Certificate:
    key = ec.derive_private_key(11, ec.SECP384R1()).public_key()
    return unsafe_reissue(own().pki.pck, own().pki.platform_ca_key, public_key=key)


@cache
def _foreign_leaf() -> x509.Certificate:
    return unsafe_reissue(own().pki.pck, STRANGE_KEY)


@cache
def _foreign_authority() -> x509.Certificate:
    return unsafe_reissue(own().pki.platform_ca, STRANGE_KEY)


def _leaf() -> Iterator[Fault]:
    yield Fault(
        "leaf expired",
        "the PCK certificate has expired",
        _leaf_chain(_again("pck", window=_LONG_AGO)),
        forged("certificate_expired"),
    )
    yield Fault(
        "leaf not yet valid",
        "the PCK certificate is not yet valid",
        _leaf_chain(_again("pck", window=_LATER)),
        forged("certificate_not_yet_valid"),
    )
    yield Fault(
        "leaf of another issuer name",
        "the PCK certificate names an issuer that is not in the chain",
        _leaf_chain(lambda: unsafe_reissue(own().pki.pck, own().pki.platform_ca_key, issuer=_other_name())),
        forged("certificate_chain"),
    )
    yield Fault(
        "leaf signed by a stranger",
        "the PCK certificate is signed by a key that is not the CA's",
        _leaf_chain(_foreign_leaf),
        forged("certificate_chain"),
    )
    yield Fault(
        "leaf signature altered",
        "a bit of the PCK certificate's signature is turned over",
        _leaf_chain(_altered_leaf),
        forged("certificate_chain"),
    )
    yield Fault(
        "leaf that is an authority",
        "the PCK certificate has the CA flag",
        _leaf_chain(_again("pck", replaced=(x509.BasicConstraints(True, None),))),
        forged("certificate_chain"),
    )
    yield Fault(
        "leaf that may only certify",
        "the PCK certificate's key usage is certifying alone, which nobody asks of a leaf",
        _leaf_chain(_again("pck", replaced=(_usage(certify=True),))),
        ACCEPTED,
    )
    yield Fault(
        "leaf on another curve",
        "the PCK certificate's key is on P-384",
        _leaf_chain(_p384_leaf),
        forged("qe_report_signature"),
    )
    yield Fault(
        "leaf of another key",
        "the PCK certificate certifies another key",
        _leaf_chain(_again("pck", public_key=STRANGE_KEY.public_key())),
        forged("qe_report_signature"),
    )
    yield Fault(
        "leaf with a critical extension",
        "the PCK certificate has a critical extension that nobody knows",
        _leaf_chain(_critical_leaf),
        forged("certificate_malformed"),
    )
    yield Fault(
        "leaf revoked",
        "the PCK certificate is on the CA's list",
        with_endorsing(revoke_pck=True),
        forged("certificate_revoked"),
    )


@cache
def _altered_leaf() -> x509.Certificate:
    der = bytearray(own().pki.pck.public_bytes(Encoding.DER))
    der[-5] ^= 1
    return x509.load_der_x509_certificate(bytes(der))


@cache
def _critical_leaf() -> x509.Certificate:
    pki = own().pki
    builder = x509.CertificateBuilder().subject_name(pki.pck.subject).issuer_name(pki.pck.issuer)
    builder = builder.public_key(pki.pck_key.public_key()).serial_number(pki.pck.serial_number)
    builder = builder.not_valid_before(pki.pck.not_valid_before_utc).not_valid_after(pki.pck.not_valid_after_utc)
    for extension in pki.pck.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
    return builder.add_extension(unknown, True).sign(pki.platform_ca_key, hashes.SHA256(), ecdsa_deterministic=True)


def _authority() -> Iterator[Fault]:
    chain = forged("certificate_chain")
    yield Fault(
        "CA expired",
        "the platform CA's certificate has expired",
        _authority_chain(_again("platform_ca", window=_LONG_AGO)),
        forged("certificate_expired"),
    )
    yield Fault(
        "CA not yet valid",
        "the platform CA's certificate is not yet valid",
        _authority_chain(_again("platform_ca", window=_LATER)),
        forged("certificate_not_yet_valid"),
    )
    yield Fault(
        "CA without CA flag",
        "the platform CA's certificate lacks the CA flag",
        _authority_chain(_again("platform_ca", replaced=(x509.BasicConstraints(False, None),))),
        chain,
    )
    yield Fault(
        "CA without basic constraints",
        "the platform CA's certificate has no basic constraints",
        _authority_chain(_again("platform_ca", without=(x509.BasicConstraints.oid,))),
        chain,
    )
    yield Fault(
        "CA without the right to certify",
        "the platform CA's key usage is signing alone",
        _authority_chain(_again("platform_ca", replaced=(_usage(sign=True),))),
        chain,
    )
    yield Fault(
        "CA of another issuer name",
        "the platform CA's certificate names an issuer that is not in the chain",
        _authority_chain(lambda: unsafe_reissue(own().pki.platform_ca, own().pki.root_key, issuer=_other_name())),
        chain,
    )
    yield Fault(
        "CA signed by a stranger",
        "the platform CA's certificate is signed by a key that is not the root's",
        _authority_chain(_foreign_authority),
        chain,
    )
    yield Fault(
        "CA revoked",
        "the platform CA is on the root's list",
        with_endorsing(revoke_platform_ca=True),
        forged("certificate_revoked"),
    )
    yield Fault(
        "path too long",
        "a further CA stands between leaf and platform CA, whose path length is zero",
        _chain(_too_long),
        chain,
    )


@cache
def _too_long() -> _Chain:
    pki = own().pki
    between = unsafe_reissue(
        pki.platform_ca, pki.platform_ca_key, issuer=pki.platform_ca.subject, public_key=STRANGE_KEY.public_key()
    )
    leaf = unsafe_reissue(pki.pck, STRANGE_KEY)
    return leaf, between, pki.platform_ca, pki.root


def _whole_chain() -> Iterator[Fault]:
    chain = forged("certificate_chain")
    yield Fault(
        "other root of the same name",
        "quote and collateral are another platform's, whose root has the same name",
        lambda parts: dataclasses.replace(parts, platform=stranger()),
        forged("other_root"),
    )
    yield Fault(
        "other root trusted",
        "the trusted root is another of the same name",
        lambda parts: dataclasses.replace(parts, root=stranger().root_certificate),
        forged("other_root"),
    )
    yield Fault(
        "other root in the chain",
        "the chain ends in another root of the same name; leaf and CA are right",
        _chain(lambda: (own().pki.pck, own().pki.platform_ca, stranger().pki.root)),
        ACCEPTED,
    )
    yield Fault(
        "root missing", "the chain ends with the platform CA", _chain(lambda: own().pki.pck_chain[:2]), ACCEPTED
    )
    yield Fault("CA missing", "the chain lacks the platform CA", _chain(lambda: (own().pki.pck, own().pki.root)), chain)
    yield Fault("leaf alone", "the chain is the PCK certificate alone", _chain(lambda: (own().pki.pck,)), chain)
    yield Fault("no certificate", "the certification data holds no certificate", _chain(lambda: ()), chain)
    yield Fault(
        "extra certificate",
        "an unrelated certificate stands at the end of the chain",
        _chain(lambda: (*own().pki.pck_chain, stranger().pki.tcb_signing)),
        ACCEPTED,
    )
    yield Fault(
        "CA and root swapped",
        "root and platform CA stand in the wrong order",
        _chain(lambda: (own().pki.pck, own().pki.root, own().pki.platform_ca)),
        ACCEPTED,
    )
    yield Fault("order reversed", "the chain begins with the root", _chain(lambda: own().pki.pck_chain[::-1]), chain)
    yield Fault(
        "another platform's leaf",
        "the PCK certificate is another platform's under another root",
        _chain(lambda: stranger().pki.pck_chain),
        forged("other_root"),
    )
    yield Fault(
        "signing certificate as leaf",
        "the chain is the one that signs TCB info",
        _chain(lambda: (own().pki.tcb_signing, own().pki.root)),
        forged("certificate_malformed"),
    )
    yield Fault("chain not PEM", "the certification data is no PEM", replaced(pck_certificate_chain="junk"), chain)


def _with_extension(**facts: object) -> Callable[[Parts], Parts]:
    usual = PlatformFacts(
        ppid=own().pki.ppid,
        cpu_svn=CPU_SVN,
        pce_svn=PCE_SVN,
        pce_id=PCE_ID,
        fmspc=FMSPC,
        platform_instance_id=bytes(16),
    )
    encoded = encode_sgx_extension(dataclasses.replace(usual, **facts))  # type: ignore[arg-type]
    return _leaf_chain(_again("pck", replaced=(x509.UnrecognizedExtension(_SGX_OID, encoded),)))


def _raw_extension(value: bytes) -> Callable[[Parts], Parts]:
    return _leaf_chain(_again("pck", replaced=(x509.UnrecognizedExtension(_SGX_OID, value),)))


def _extension() -> Iterator[Fault]:
    malformed = forged("certificate_malformed")
    yield Fault(
        "leaf without SGX extension",
        "the PCK certificate lacks the SGX extension",
        _leaf_chain(_again("pck", without=(_SGX_OID,))),
        malformed,
    )
    yield Fault("SGX extension empty", "the SGX extension is an empty sequence", _raw_extension(b"\x30\x00"), malformed)
    yield Fault("SGX extension no DER", "the SGX extension is no DER", _raw_extension(b"\xff" * 40), malformed)
    yield Fault(
        "certificate of another FMSPC",
        "the PCK certificate's FMSPC is not the TCB info's",
        _with_extension(fmspc=bytes(6)),
        forged("fmspc_mismatch"),
    )
    yield Fault(
        "certificate of another PCE",
        "the PCK certificate's PCE id is not the TCB info's",
        _with_extension(pce_id=b"\x01\x00"),
        refused("pce_id"),
    )
    yield Fault(
        "certificate below the level",
        "one of the PCK certificate's component SVNs is below every level",
        _with_extension(cpu_svn=CPU_SVN[:15] + b"\x04"),
        forged("no_tcb_level"),
    )
    yield Fault(
        "certificate of an older PCE",
        "the PCK certificate's PCE SVN is below every level",
        _with_extension(pce_svn=10),
        forged("no_tcb_level"),
    )
    yield Fault(
        "FMSPC too short", "the PCK certificate's FMSPC has five bytes", _with_extension(fmspc=FMSPC[:5]), malformed
    )
    yield Fault(
        "PPID too short",
        "the PCK certificate's PPID has four bytes",
        _with_extension(ppid=bytes(4)),
        refused("certificate_malformed"),
    )


def _signing_chain(part: str, words: str) -> Iterator[Fault]:
    """Faults of the chain under which TCB info or QE identity is signed."""
    chain = f"{part}_issuer_chain"

    def put(make: Callable[[], _Chain]) -> Callable[[Parts], Parts]:
        return with_collateral(lambda collateral: dataclasses.replace(collateral, **{chain: pem_chain(*make())}))  # type: ignore[arg-type]

    def signing(**changes: object) -> Callable[[Parts], Parts]:
        return put(lambda: (_again("tcb_signing", **changes)(), own().pki.root))

    name = f"{words} chain"
    broken, unnamed = forged("certificate_chain"), forged("certificate_chain", "collateral_signer")
    yield Fault(
        f"{name}: expired",
        f"the certificate that signs the {words} has expired",
        signing(window=_LONG_AGO),
        forged("certificate_expired"),
    )
    yield Fault(
        f"{name}: not yet valid",
        f"the certificate that signs the {words} is not yet valid",
        signing(window=_LATER),
        forged("certificate_not_yet_valid"),
    )
    yield Fault(
        f"{name}: of another issuer name",
        f"the certificate that signs the {words} names another issuer",
        put(lambda: (unsafe_reissue(own().pki.tcb_signing, own().pki.root_key, issuer=_other_name()), own().pki.root)),
        unnamed,
    )
    yield Fault(
        f"{name}: signed by a stranger",
        f"the certificate that signs the {words} is not by the root",
        put(lambda: (unsafe_reissue(own().pki.tcb_signing, STRANGE_KEY), own().pki.root)),
        broken,
    )
    yield Fault(
        f"{name}: other root",
        f"the chain of the {words} is another root's of the same name",
        put(lambda: (stranger().pki.tcb_signing, stranger().pki.root)),
        broken,
    )
    yield Fault(
        f"{name}: may not sign",
        f"the certificate that signs the {words} may only certify",
        signing(replaced=(_usage(certify=True),)),
        refused("collateral_signer"),
    )
    yield Fault(
        f"{name}: of another key",
        f"the certificate that signs the {words} certifies another key",
        signing(public_key=STRANGE_KEY.public_key()),
        forged(f"{part}_signature"),
    )
    yield Fault(f"{name}: empty", f"the chain of the {words} is empty", replaced(**{chain: ""}), unnamed)
    yield Fault(
        f"{name}: root alone", f"the chain of the {words} is the root alone", put(lambda: (own().pki.root,)), unnamed
    )
    yield Fault(
        f"{name}: leaf alone",
        f"the chain of the {words} lacks the root",
        put(lambda: (own().pki.tcb_signing,)),
        ACCEPTED,
    )
    yield Fault(
        f"{name}: the PCK's",
        f"the {words} is signed by the PCK, under the PCK's chain",
        _signed_by_pck(part),
        refused("collateral_signer"),
    )
    yield Fault(
        f"{name}: revoked",
        f"the certificate that signs the {words} is on the root's list",
        with_endorsing(revoke_tcb_signing=True),
        forged("certificate_revoked"),
    )


def _signed_by_pck(part: str) -> Callable[[Parts], Parts]:
    def change(collateral: Collateral) -> Collateral:
        pki = own().pki
        signature = sign_raw(pki.pck_key, getattr(collateral, part).encode())
        chain = pem_chain(*pki.pck_chain)
        return dataclasses.replace(collateral, **{f"{part}_signature": signature, f"{part}_issuer_chain": chain})  # type: ignore[arg-type]

    return with_collateral(change)
