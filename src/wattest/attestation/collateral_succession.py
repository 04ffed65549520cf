"""Collateral that takes the place of other collateral: it may not go back.

Decided here: which numbers and dates must not fall, and that only collateral for the same platforms follows. Not
decided here: whether either holds (``collateral_check``).

Invariants: an attacker on the way, or a service restored from an old backup, cannot undo a recovery that this machine
has already seen: numbers never fall from one file to the next. Issue dates count beside revocation list numbers, since
vendors have left the latter at one for years.
"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509

from wattest.attestation.collateral_age import dated_parts
from wattest.attestation.collateral_check import model_named_by
from wattest.attestation.endorsements import Endorsements
from wattest.attestation.formats.der import X509_FAULTS
from wattest.errors import VerificationError


class CollateralWentBack(VerificationError):
    """Collateral that is older than what is there, by number or by date."""


class CollateralForOthers(VerificationError):
    """Collateral for other platforms than what is there."""


def verify_succession(new: Endorsements, old: Endorsements) -> None:
    """Check that ``new`` may take the place of ``old``.

    Raises:
        CollateralForOthers: another TEE, FMSPC, CA or root.
        CollateralWentBack: an evaluation number, revocation list number or issue date below the old one.
        CollateralMalformed: either cannot be read.
    """
    expected, actual = model_named_by(old), model_named_by(new)
    if expected != actual:
        raise CollateralForOthers(
            "the collateral there is for other platforms",
            hint="write to another file",
            expected=str(expected),
            actual=str(actual),
        )
    before = dict(_marks(old))
    for name, mark in _marks(new):
        if mark < before.get(name, mark):
            raise CollateralWentBack(
                f"the {name} goes back",
                hint="the service answers with older collateral than it did before: keep what there is, ask another"
                " service",
                expected=before[name],
                actual=mark,
            )


def is_same(new: Endorsements, old: Endorsements) -> bool:
    """Whether both say the same, however their files spell it."""
    return new.digest == old.digest


def _marks(endorsements: Endorsements) -> Iterator[tuple[str, int]]:
    yield "TCB info's evaluation number", endorsements.platform_statement().evaluation_number
    yield "QE identity's evaluation number", endorsements.quoting_enclave_statement().evaluation_number
    for name, der in (
        ("PCK revocation list", endorsements.collateral.pck_crl),
        ("root revocation list", endorsements.collateral.root_ca_crl),
    ):
        number = _list_number(der)
        if number is not None:
            yield f"{name}'s number", number
    for part in dated_parts(endorsements):
        if not part.is_chain:
            yield f"{part.name}'s issue date", part.issued_at


def _list_number(der: bytes) -> int | None:
    try:
        return x509.load_der_x509_crl(der).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except X509_FAULTS:
        return None  # a list without a number; one that cannot be read fails by its dates
