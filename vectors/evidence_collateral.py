"""Faults in collateral: revocation lists, TCB info and QE identity; dates, signatures, kinds and missing parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import evidence_list_issuer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from evidence_world import (
    ACCEPTED,
    AT,
    DAY,
    NOW,
    POLICY,
    SGX,
    STRANGE_KEY,
    TDX,
    Expected,
    Fault,
    Parts,
    forged,
    iso,
    own,
    refused,
    replaced,
    signed_again,
    stranger,
    unreadable,
    with_collateral,
    with_endorsing,
)

from wattest.attestation.formats.collateral import Collateral
from wattest.enclave.simulator.collateral import revocation_list
from wattest.enclave.simulator.pki import sign_raw


def faults() -> Iterator[Fault]:
    """All of them."""
    yield from _revocation_lists()
    yield from evidence_list_issuer.faults()
    yield from _statement("tcb_info", "TCB info", "tcb_info_signature")
    yield from _statement("qe_identity", "QE identity", "qe_identity_signature")
    yield from _tcb_info()
    yield from _kinds()
    yield from _time()


def _listed(issuer: x509.Certificate, key: ec.EllipticCurvePrivateKey, issued: int, days: int, *serials: int) -> bytes:
    begins = datetime.fromtimestamp(issued, UTC)
    return revocation_list(issuer, key, begins, begins + timedelta(days=days), list(serials))


def _lists(**make: Callable[[], bytes]) -> Callable[[Parts], Parts]:
    return with_collateral(lambda plain: dataclasses.replace(plain, **{name: each() for name, each in make.items()}))  # type: ignore[arg-type]


def _flipped(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _revocation_lists() -> Iterator[Fault]:
    pki, other = own().pki, stranger().pki
    wrong, expired = forged("wrong_revocation_list"), forged("collateral_expired")

    yield Fault(
        "PCK list expired",
        "the PCK revocation list has expired",
        _lists(pck_crl=lambda: _listed(pki.platform_ca, pki.platform_ca_key, AT - 5 * DAY, 4)),
        expired,
    )
    yield Fault(
        "PCK list from the future",
        "the PCK revocation list was issued after the time of appraisal",
        _lists(pck_crl=lambda: _listed(pki.platform_ca, pki.platform_ca_key, AT + DAY, 30)),
        refused("collateral_from_future"),
    )
    yield Fault(
        "PCK list of another CA's name",
        "the PCK revocation list is issued in the signing certificate's name",
        _lists(pck_crl=lambda: _listed(pki.tcb_signing, pki.platform_ca_key, NOW, 30)),
        wrong,
    )
    yield Fault(
        "PCK list of another CA of the same name",
        "the PCK revocation list is another platform CA's of the same name",
        _lists(pck_crl=lambda: _listed(other.platform_ca, other.platform_ca_key, NOW, 30)),
        forged("certificate_chain"),
    )
    yield Fault(
        "PCK list altered",
        "a bit of the PCK revocation list's signature is turned over",
        with_collateral(lambda plain: dataclasses.replace(plain, pck_crl=_flipped(plain.pck_crl, -5))),
        forged("certificate_chain"),
    )
    yield Fault(
        "PCK list missing", "the PCK revocation list is empty", replaced(pck_crl=b""), forged("collateral_malformed")
    )
    yield Fault(
        "PCK list no list",
        "the PCK revocation list is a certificate",
        replaced(pck_crl=own().root_certificate),
        forged("collateral_malformed"),
    )
    yield Fault(
        "PCK list truncated",
        "the PCK revocation list ends in its middle",
        with_collateral(lambda plain: dataclasses.replace(plain, pck_crl=plain.pck_crl[:100])),
        forged("collateral_malformed"),
    )
    yield Fault(
        "root list as PCK list",
        "the root's revocation list is passed as the PCK's",
        with_collateral(lambda plain: dataclasses.replace(plain, pck_crl=plain.root_ca_crl)),
        wrong,
    )
    yield Fault(
        "root list expired",
        "the root's revocation list has expired",
        _lists(root_ca_crl=lambda: _listed(pki.root, pki.root_key, AT - 5 * DAY, 4)),
        expired,
    )
    yield Fault(
        "root list from the future",
        "the root's revocation list was issued after the time of appraisal",
        _lists(root_ca_crl=lambda: _listed(pki.root, pki.root_key, AT + DAY, 30)),
        refused("collateral_from_future"),
    )
    yield Fault(
        "root list old",
        "the root's revocation list is 300 days old, and has not expired",
        _lists(root_ca_crl=lambda: _listed(pki.root, pki.root_key, AT - 300 * DAY, 365)),
        ACCEPTED,
    )
    yield Fault(
        "root list of another root of the same name",
        "the root's revocation list is another root's of the same name",
        _lists(root_ca_crl=lambda: _listed(other.root, other.root_key, NOW, 365)),
        forged("other_root"),
    )
    yield Fault(
        "root list altered",
        "a bit of the root's revocation list's signature is turned over",
        with_collateral(lambda plain: dataclasses.replace(plain, root_ca_crl=_flipped(plain.root_ca_crl, -5))),
        forged("other_root"),
    )
    yield Fault(
        "root list missing",
        "the root's revocation list is empty",
        replaced(root_ca_crl=b""),
        forged("other_root", "collateral_malformed"),
    )
    yield Fault(
        "PCK list as root list",
        "the PCK revocation list is passed as the root's",
        with_collateral(lambda plain: dataclasses.replace(plain, root_ca_crl=plain.pck_crl)),
        forged("other_root"),
    )
    yield Fault(
        "unrelated revocation",
        "the PCK revocation list names another certificate",
        _lists(pck_crl=lambda: _listed(pki.platform_ca, pki.platform_ca_key, NOW, 30, 4711)),
        ACCEPTED,
    )


def _statement(part: str, words: str, fault: str) -> Iterator[Fault]:
    """What TCB info and QE identity have in common."""
    signature = f"{part}_signature"
    yield Fault(
        f"{words} altered",
        f"a date in the {words} is another than was signed",
        with_collateral(
            lambda plain: dataclasses.replace(plain, **{part: getattr(plain, part).replace("2026-01", "2026-02")})
        ),
        forged(fault),
    )
    yield Fault(
        f"{words} with a blank",
        f"the {words} has a blank that was not signed",
        with_collateral(lambda plain: dataclasses.replace(plain, **{part: getattr(plain, part) + " "})),
        forged(fault),
    )
    yield Fault(
        f"{words} unsigned", f"the signature of the {words} is zeros", replaced(**{signature: bytes(64)}), forged(fault)
    )
    yield Fault(
        f"{words} signature missing",
        f"the signature of the {words} is empty",
        replaced(**{signature: b""}),
        forged("signature_length"),
    )
    yield Fault(
        f"{words} signature too long",
        f"the signature of the {words} has 65 bytes",
        with_collateral(lambda plain: dataclasses.replace(plain, **{signature: getattr(plain, signature) + b"\0"})),
        forged(fault),
    )
    yield Fault(
        f"{words} signed by a stranger",
        f"the {words} is signed by another key than its chain certifies",
        _signed_by(part, STRANGE_KEY),
        forged(fault),
    )
    yield Fault(
        f"{words} signature altered",
        f"a bit of the signature of the {words} is turned over",
        with_collateral(
            lambda plain: dataclasses.replace(plain, **{signature: _flipped(getattr(plain, signature), 40)})
        ),
        forged(fault),
    )
    yield Fault(
        f"{words} expired",
        f"the {words} has expired",
        signed_again(part, lambda value: value.update(nextUpdate=iso(AT - 1))),
        forged("collateral_expired"),
    )
    yield Fault(
        f"{words} in its last second",
        f"the {words} expires at the time of appraisal",
        signed_again(part, lambda value: value.update(nextUpdate=iso(AT))),
        ACCEPTED,
    )
    yield Fault(
        f"{words} from the future",
        f"the {words} was issued a second after the time of appraisal",
        signed_again(part, lambda value: value.update(issueDate=iso(AT + 1))),
        forged("collateral_from_future"),
    )
    yield Fault(
        f"{words} too old",
        f"the {words} is eight days old, and the policy takes seven",
        signed_again(part, lambda value: value.update(issueDate=iso(AT - 8 * DAY))),
        refused("collateral_too_old"),
    )
    yield Fault(
        f"{words} of another version",
        f"the {words} says version 1",
        signed_again(part, lambda value: value.update(version=1)),
        forged("collateral_of_other_kind"),
    )
    yield Fault(
        f"{words} without levels",
        f"the {words} has no TCB level",
        signed_again(part, lambda value: value.update(tcbLevels=[])),
        forged(*(["no_tcb_level"] if part == "tcb_info" else []), "collateral_malformed"),
    )
    yield Fault(
        f"{words} without dates",
        f"the {words} has no issue date",
        signed_again(part, lambda value: value.pop("issueDate")),
        forged("collateral_malformed"),
    )
    yield Fault(
        f"{words} with an odd date",
        f"the issue date of the {words} is no date",
        signed_again(part, lambda value: value.update(issueDate="soon")),
        forged("collateral_malformed"),
    )
    yield Fault(
        f"{words} no object", f"the {words} is a JSON list", replaced(**{part: "[]"}), forged("collateral_malformed")
    )
    yield Fault(f"{words} empty", f"the {words} is empty", replaced(**{part: ""}), forged("collateral_malformed"))
    yield Fault(
        f"{words} not ASCII",
        f"the {words} has a letter that is not ASCII",
        with_collateral(lambda plain: dataclasses.replace(plain, **{part: getattr(plain, part) + "\u00e9"})),
        unreadable("CollateralMalformed"),
    )
    yield Fault(
        f"{words} below the policy's number",
        f"the evaluation number of the {words} is below the policy's floor",
        _floor(part),
        refused("evaluation_number"),
    )


def _floor(part: str) -> Callable[[Parts], Parts]:
    """Number 19 in one part under a policy that asks for 20: one field of the collateral, and the policy that asks."""
    lower = signed_again(part, lambda value: value.update(tcbEvaluationDataNumber=19))
    return lambda parts: dataclasses.replace(lower(parts), policy="minimum_tcb_evaluation_number = 20\n" + POLICY)


def _signed_by(part: str, key: ec.EllipticCurvePrivateKey) -> Callable[[Parts], Parts]:
    def change(plain: Collateral) -> Collateral:
        return dataclasses.replace(plain, **{f"{part}_signature": sign_raw(key, getattr(plain, part).encode())})

    return with_collateral(change)


def _tcb_info() -> Iterator[Fault]:
    yield Fault(
        "TCB info of another FMSPC",
        "the TCB info is for another platform model",
        with_endorsing(fmspc=bytes(6)),
        forged("fmspc_mismatch"),
    )
    yield Fault(
        "TCB info of another PCE",
        "the TCB info is for another provisioning enclave",
        with_endorsing(pce_id=b"\x01\x00"),
        refused("pce_id"),
    )
    yield Fault(
        "TCB info with fifteen components",
        "the first TCB level names fifteen component SVNs",
        signed_again("tcb_info", lambda info: info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"].pop()),
        forged("collateral_malformed"),
    )  # type: ignore[index]
    yield Fault(
        "TCB info without PCE SVN",
        "the first TCB level names no PCE SVN",
        signed_again("tcb_info", lambda info: info["tcbLevels"][0]["tcb"].pop("pcesvn")),
        forged("collateral_malformed"),
    )  # type: ignore[index]
    yield Fault(
        "TCB info with a negative SVN",
        "a component SVN is negative",
        signed_again("tcb_info", lambda info: info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][0].update(svn=-1)),
        forged("collateral_malformed"),
    )  # type: ignore[index]
    yield Fault(
        "TCB info without TDX components",
        "the first TCB level names no TDX component",
        signed_again("tcb_info", lambda info: info["tcbLevels"][0]["tcb"].pop("tdxtcbcomponents")),
        forged("collateral_malformed"),
        TDX,
    )  # type: ignore[index]
    yield Fault(
        "TCB info without a TDX module",
        "the TCB info describes no TDX module",
        signed_again("tcb_info", lambda info: (info.pop("tdxModule"), info.pop("tdxModuleIdentities"))),
        forged("tdx_module", "collateral_malformed"),
        TDX,
    )


def _kinds() -> Iterator[Fault]:
    other = forged("collateral_of_other_kind")
    misfit = forged("collateral_of_other_kind", "collateral_malformed")  # nor does the rest fit the id
    for name, part, value, kinds, expected in (
        ("TCB info says TDX", "tcb_info", "TDX", SGX, misfit),
        ("TCB info says SGX", "tcb_info", "SGX", TDX, misfit),
        ("QE identity says TD_QE", "qe_identity", "TD_QE", SGX, other),
        ("QE identity says QE", "qe_identity", "QE", TDX, other),
        ("QE identity says QVE", "qe_identity", "QVE", SGX + TDX, other),
        ("TCB info says nothing", "tcb_info", "", SGX + TDX, other),
    ):
        yield Fault(
            name, f"the id of the {part.replace('_', ' ')} is '{value}'", _identified(part, value), expected, kinds
        )
    yield Fault(
        "TCB info of version 2",
        "the TCB info says version 2, which dcap-qvl takes for SGX",
        signed_again("tcb_info", lambda info: info.update(version=2)),
        refused("collateral_of_other_kind"),
        SGX,
    )
    yield Fault(
        "TCB info of version 2",
        "the TCB info says version 2",
        signed_again("tcb_info", lambda info: info.update(version=2)),
        other,
        TDX,
    )


def _identified(part: str, value: str) -> Callable[[Parts], Parts]:
    return signed_again(part, lambda content: content.update(id=value))


def _time() -> Iterator[Fault]:
    def at(moment: int) -> Callable[[Parts], Parts]:
        return lambda parts: dataclasses.replace(parts, at=moment)

    too_old = Expected(True, False, "UpToDate", ("collateral_too_old",) * 3)
    yield Fault(
        "appraised before issue",
        "the time of appraisal is a second before the collateral was issued",
        at(NOW - 1),
        forged("collateral_from_future"),
    )
    yield Fault("appraised at issue", "the time of appraisal is the collateral's own", at(NOW), ACCEPTED)
    yield Fault(
        "appraised on the seventh day", "the collateral is seven days old to the second", at(NOW + 7 * DAY), ACCEPTED
    )
    yield Fault(
        "appraised after the seventh day",
        "the collateral is seven days and a second old",
        at(NOW + 7 * DAY + 1),
        too_old,
    )
    yield Fault(
        "appraised after expiry",
        "the collateral has expired",
        at(NOW + 31 * DAY),
        forged("collateral_expired", *["collateral_too_old"] * 3),
    )
    yield Fault("appraised in 1970", "the time of appraisal is zero", at(0), forged("collateral_from_future"))
