"""The CollateralRegistry contract with DCAP collateral: what a deployment has of it, and bringing what is newer.

Decided here: how collateral in dcap-qvl's form is taken apart for the contract, in which order, and that what the
contract has already is not sent again. Not decided here: whether it holds (the contract checks every signature),
where it comes from. Source: contracts/src/interfaces/ICollateralRegistry.sol; docs/spec/dcap-on-chain.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from wattest.attestation.chain_evidence import authority_id_of, root_id_of
from wattest.attestation.formats.collateral import Collateral, CollateralMalformed
from wattest.attestation.formats.der import X509_FAULTS
from wattest.attestation.formats.tcb_info import parse_tcb_info
from wattest.attestation.roots import TrustRoot
from wattest.chain.abi import load_abi
from wattest.chain.client import ChainClient, Receipt
from wattest.crypto.signer import Signer
from wattest.messages.channel_policy import CollateralKind
from wattest.twin.dcap_errors import CollateralNotNewer

LIST_STEP = 400
"""Entries of a revocation list stored by one transaction: about 25k gas each, within the limit of a transaction."""


@dataclass(frozen=True, slots=True)
class Brought:
    """One part that was sent, with its transaction's gas."""

    part: str
    gas_used: int


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """TCB info or QE identity as the contract has it; zeros where nothing is stored, times are unix seconds."""

    evaluation_number: int
    issued_at: int
    next_update: int


@dataclass(frozen=True, slots=True)
class StoredAuthority:
    """A CA (or the root) as the contract has it, with its newest revocation list; zeros where nothing is stored."""

    serial: int
    not_after: int
    is_revoked: bool
    list_number: int
    this_update: int
    next_update: int


@dataclass(frozen=True, slots=True)
class StoredSigner:
    """A certificate that signs TCB info or QE identity, as the contract has it; zeros where nothing is stored."""

    serial: int
    not_after: int
    is_revoked: bool


class CollateralRegistry:
    """The registry of collateral at one address of one chain."""

    def __init__(self, client: ChainClient, address: bytes) -> None:
        self.client = client
        self.address = address
        self.abi = load_abi("CollateralRegistry")

    def publish(
        self, signer: Signer, root: TrustRoot, collateral: Collateral, say: Callable[[str], None] = lambda _: None
    ) -> list[Brought]:
        """Bring what the contract does not have yet; parts that are not newer are passed over.

        Certificates go first, then revocation lists, then what signers say; ``say`` is told of each part as its turn
        comes, brought or not. Raises: CollateralMalformed; the contract's
        errors (``twin.dcap_errors``).
        """
        parts = _parts(root, collateral)
        top = parts.root_id
        brought: list[Brought] = []

        def bring(part: str, function: str, *arguments: object) -> None:
            say(part)
            try:
                receipt = self._send(signer, function, *arguments)
            except CollateralNotNewer:
                return
            brought.append(Brought(part, receipt.gas_used))

        bring("root", "submitRoot", parts.root)
        self._bring_list(bring, "root revocation list", top, top, collateral.root_ca_crl)
        bring("authority", "submitAuthority", top, parts.authority)
        self._bring_list(bring, "revocation list", top, parts.authority_id, collateral.pck_crl)
        for certificate in dict.fromkeys((parts.tcb_signer, parts.qe_signer)):
            bring("TCB signer", "submitSigner", top, certificate)
        for part, function, key, text, signature in (
            ("TCB info", "submitTcbInfo", parts.tcb_signer_id, collateral.tcb_info, collateral.tcb_info_signature),
            (
                "QE identity",
                "submitQeIdentity",
                parts.qe_signer_id,
                collateral.qe_identity,
                collateral.qe_identity_signature,
            ),
        ):
            if len(signature) != 64:
                raise CollateralMalformed(f"the signature of the {part} has {len(signature)} bytes, not 64", part)
            bring(part, function, top, key, text.encode("ascii"), signature[:32], signature[32:])
        return brought

    def tcb_info_of(self, root: bytes, fmspc: bytes, pce_id: bytes) -> StoredStatement:
        """The TCB info stored for a platform model."""
        return StoredStatement(*self._call("tcbInfoOf", root, fmspc, pce_id))

    def qe_identity_of(self, root: bytes) -> StoredStatement:
        """The QE identity stored in a trust domain."""
        return StoredStatement(*self._call("qeIdentityOf", root))

    def authority_of(self, root: bytes, authority: bytes) -> StoredAuthority:
        """A CA, or the root when both are the same."""
        return StoredAuthority(*self._call("authorityOf", root, authority))

    def signer_of(self, root: bytes, signer: bytes) -> StoredSigner:
        """A TCB signer."""
        return StoredSigner(*self._call("signerOf", root, signer))

    def is_revoked(self, root: bytes, authority: bytes, serial: int) -> bool:
        """Whether a list has ever named this certificate, or its CA."""
        return bool(self._call("isRevoked", root, authority, serial)[0])

    def stored_for(self, root: TrustRoot, collateral: Collateral) -> dict[CollateralKind, object]:
        """What the contract has of the same root, CA, platform model and TCB signers, by kind.

        Where TCB info and QE identity name two signers it is the one that ends first, of those that are stored.
        """
        parts = _parts(root, collateral)
        statement = parse_tcb_info(collateral.tcb_info)
        fmspc, pce_id = statement.fmspc or bytes(6), statement.pce_id or bytes(2)
        signers = [self.signer_of(parts.root_id, one) for one in {parts.tcb_signer_id, parts.qe_signer_id}]
        return {
            CollateralKind.Root: self.authority_of(parts.root_id, parts.root_id),
            CollateralKind.Authority: self.authority_of(parts.root_id, parts.authority_id),
            CollateralKind.TcbSigner: min(signers, key=_ends),
            CollateralKind.TcbInfo: self.tcb_info_of(parts.root_id, fmspc, pce_id),
            CollateralKind.QeIdentity: self.qe_identity_of(parts.root_id),
        }

    def _bring_list(self, bring: Callable[..., None], part: str, root: bytes, authority: bytes, crl: bytes) -> None:
        try:
            count = len(x509.load_der_x509_crl(crl))
        except X509_FAULTS as error:
            raise CollateralMalformed(f"the {part} is not a DER revocation list", part) from error
        for _ in range(max(1, -(-count // LIST_STEP))):
            bring(part, "submitRevocationList", root, authority, crl, LIST_STEP)

    def _send(self, signer: Signer, function: str, *arguments: object) -> Receipt:
        return self.client.send(signer, self.abi, self.address, function, *arguments)

    def _call(self, function: str, *arguments: object) -> tuple[Any, ...]:
        return self.client.call(self.abi, self.address, function, *arguments)


@dataclass(frozen=True, slots=True)
class _Parts:
    root: bytes
    root_id: bytes
    authority: bytes
    authority_id: bytes
    tcb_signer: bytes
    tcb_signer_id: bytes
    qe_signer: bytes
    qe_signer_id: bytes


def _ends(signer: StoredSigner) -> tuple[bool, bool, int]:
    return signer.not_after == 0, not signer.is_revoked, signer.not_after


def _parts(root: TrustRoot, collateral: Collateral) -> _Parts:
    top = x509.load_der_x509_certificate(root.certificate)
    root_id = root_id_of(top)
    found: list[bytes] = []
    for part, pem in (
        ("PCK revocation list's issuer chain", collateral.pck_crl_issuer_chain),
        ("TCB info's issuer chain", collateral.tcb_info_issuer_chain),
        ("QE identity's issuer chain", collateral.qe_identity_issuer_chain),
    ):
        try:
            leaf = x509.load_pem_x509_certificates(pem.encode())[0]  # at least one, or it raises
            found += [leaf.public_bytes(Encoding.DER), authority_id_of(root_id, leaf)]
        except X509_FAULTS as error:
            raise CollateralMalformed(f"the {part} cannot be read", part) from error
    return _Parts(root.certificate, root_id, *found)
