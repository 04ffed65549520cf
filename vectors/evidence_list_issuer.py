"""Faults in the chain that the collateral brings for the PCK revocation list; dcap-qvl never looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from cryptography import x509
from evidence_world import ACCEPTED, AT, DAY, STRANGE_KEY, Expected, Fault, own, refused, replaced, stranger

from wattest.enclave.simulator.pki import pem_chain, unsafe_reissue

_LONG_AGO = (datetime.fromtimestamp(AT - 30 * DAY, UTC), datetime.fromtimestamp(AT - DAY, UTC))
_LATER = (datetime.fromtimestamp(AT + DAY, UTC), datetime.fromtimestamp(AT + 30 * DAY, UTC))
MALFORMED, WRONG, CHAIN = (
    refused("collateral_malformed"),
    refused("wrong_revocation_list"),
    refused("certificate_chain"),
)
OTHER_ROOT = refused("other_root")


def faults() -> Iterator[Fault]:
    """All of them."""
    for name, differs, chain, expected in (*_texts(), *_chains(), *_certificates()):
        yield Fault(
            f"PCK list's issuer chain {name}",
            f"the issuer chain of the PCK revocation list {differs}",
            replaced(pck_crl_issuer_chain=chain),
            expected,
        )


def _texts() -> Iterator[tuple[str, str, str, Expected]]:
    pki = own().pki
    sound = pem_chain(pki.platform_ca, pki.root)
    yield ("empty", "is empty", "", MALFORMED)
    yield ("blank", "is a line of blanks", "   \n", MALFORMED)
    yield ("no PEM", "is no PEM", "none", MALFORMED)
    yield ("cut", "ends in the middle of its second certificate", sound[:-100], MALFORMED)
    yield ("with blank lines", "has blank lines around it", f"\n\n{sound}\n\n", ACCEPTED)


def _chains() -> Iterator[tuple[str, str, str, Expected]]:
    pki, other = own().pki, stranger().pki
    ca, root, foreign_ca, foreign_root = pki.platform_ca, pki.root, other.platform_ca, other.root
    yield (
        "of a stranger",
        "is another CA's, under another root, of the same names",
        pem_chain(foreign_ca, foreign_root),
        OTHER_ROOT,
    )
    yield ("with a stranger's root", "ends in another root of the same name", pem_chain(ca, foreign_root), OTHER_ROOT)
    yield (
        "with a stranger's root besides",
        "has another root after its own",
        pem_chain(ca, root, foreign_root),
        OTHER_ROOT,
    )
    yield ("of a stranger's CA", "begins with another CA of the same name", pem_chain(foreign_ca, root), WRONG)
    yield ("of the TCB signer", "begins with the TCB signing certificate", pem_chain(pki.tcb_signing, root), WRONG)
    yield ("of the root alone", "is the root alone", pem_chain(root), WRONG)
    yield ("upside down", "begins with the root", pem_chain(root, ca), WRONG)
    yield ("without the root", "is the CA alone", pem_chain(ca), ACCEPTED)


def _certificates() -> Iterator[tuple[str, str, str, Expected]]:
    pki = own().pki

    def again(key: Callable[[], object] | None = None, **changes: object) -> str:
        signer = pki.root_key if key is None else key()
        return pem_chain(unsafe_reissue(pki.platform_ca, signer, **changes), pki.root)  # type: ignore[arg-type]

    no_authority = x509.BasicConstraints(ca=False, path_length=None)
    yield (
        "certified by a stranger",
        "has the CA's key and name, certified by another key",
        again(lambda: STRANGE_KEY),
        CHAIN,
    )
    yield (
        "of no authority",
        "has the CA's key and name in a certificate without the CA flag",
        again(replaced=(no_authority,)),
        CHAIN,
    )
    yield (
        "expired",
        "has a certificate of the CA that has expired",
        again(window=_LONG_AGO),
        refused("certificate_expired"),
    )
    yield (
        "not yet valid",
        "has a certificate of the CA that is not valid yet",
        again(window=_LATER),
        refused("certificate_not_yet_valid"),
    )
    yield (
        "certified again",
        "has another certificate of the CA, with the same key and name",
        again(replaced=(x509.BasicConstraints(ca=True, path_length=0),)),
        ACCEPTED,
    )
