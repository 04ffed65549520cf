"""TCB levels: every status of platform, quoting enclave and TDX module, alone and together; domains to start anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from evidence_world import (
    ACCEPTED,
    POLICY,
    TDX,
    Expected,
    Fault,
    Parts,
    forged,
    refused,
    signed_again,
    with_endorsing,
    with_report,
)

from wattest.enclave.simulator.collateral import TEE_TCB_SVN

NAMED = (
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
)
# The status of the whole when the quoting enclave or the module is OutOfDate; Intel's rule for the QE and the module.
WHEN_OUT_OF_DATE = {
    "UpToDate": "OutOfDate",
    "SWHardeningNeeded": "OutOfDate",
    "ConfigurationNeeded": "OutOfDateConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded": "OutOfDateConfigurationNeeded",
    "OutOfDate": "OutOfDate",
    "OutOfDateConfigurationNeeded": "OutOfDateConfigurationNeeded",
}


def allowing(*statuses: str, advisories: str = "") -> str:
    """The policy with statuses allowed."""
    return POLICY + "".join(
        f'[[tcb]]\nstatus = "{status}"\nadvisories = [{advisories}]\nuntil = 2027-01-01\n' for status in statuses
    )


def faults() -> Iterator[Fault]:
    """All of them."""
    yield from _platform()
    yield from _quoting_enclave()
    yield from _module()
    yield from _relaunch()


def _platform() -> Iterator[Fault]:
    for status in NAMED:
        yield Fault(
            f"platform {status}",
            f"the platform's TCB level has the status {status}",
            with_endorsing(tcb_status=status),
            refused("tcb_status", status=status),
        )
    yield Fault(
        "platform Revoked",
        "the platform's TCB level is revoked",
        with_endorsing(tcb_status="Revoked"),
        forged("tcb_revoked"),
    )
    yield Fault(
        "platform status unknown",
        "the platform's TCB level has a status that nobody knows",
        with_endorsing(tcb_status="Splendid"),
        forged("unknown_tcb_status"),
    )
    yield Fault(
        "platform status empty",
        "the platform's TCB level has an empty status",
        with_endorsing(tcb_status=""),
        forged("unknown_tcb_status"),
    )
    yield Fault(
        "no matching level",
        "every TCB level asks for more than the platform has",
        with_endorsing(minimum_component_svn=6),
        forged("no_tcb_level"),
    )
    yield Fault(
        "lower level OutOfDate",
        "the platform misses the first TCB level and meets the second, which is out of date",
        with_endorsing(minimum_component_svn=6, lower_status="OutOfDate"),
        refused("tcb_status", status="OutOfDate"),
    )
    yield Fault(
        "lower level Revoked",
        "the platform misses the first TCB level and meets the second, which is revoked",
        with_endorsing(minimum_component_svn=6, lower_status="Revoked"),
        forged("tcb_revoked"),
    )
    yield Fault(
        "one component below",
        "the first TCB level asks for one more in the last of the sixteen components",
        signed_again("tcb_info", lambda info: _first(info)["sgxtcbcomponents"][15].update(svn=6)),
        forged("no_tcb_level"),
    )
    yield Fault(
        "PCE SVN below",
        "the first TCB level asks for one more of the provisioning enclave",
        signed_again("tcb_info", lambda info: _first(info).update(pcesvn=12)),
        forged("no_tcb_level"),
    )
    yield Fault(
        "TDX component below",
        "the first TCB level asks for one more of what TDX counts",
        with_endorsing(minimum_tdx_svn=3),
        forged("no_tcb_level"),
        TDX,
    )
    yield Fault(
        "advisories with UpToDate",
        "advisories are named at an UpToDate level",
        with_endorsing(advisories=("INTEL-SA-00615",)),
        ACCEPTED,
    )


def _quoting_enclave() -> Iterator[Fault]:
    for status, expected in (
        ("OutOfDate", refused("tcb_status", "tcb_status", status="OutOfDate")),
        ("ConfigurationNeeded", refused("tcb_status")),
        ("OutOfDateConfigurationNeeded", refused("tcb_status")),
        ("SWHardeningNeeded", forged("unknown_tcb_status")),  # not among an enclave's own
        ("ConfigurationAndSWHardeningNeeded", forged("unknown_tcb_status")),
    ):
        yield Fault(
            f"QE {status}",
            f"the quoting enclave's level has the status {status}",
            with_endorsing(qe_status=status),
            expected,
        )
    yield Fault(
        "QE Revoked",
        "the quoting enclave's level is revoked",
        with_endorsing(qe_status="Revoked"),
        forged("tcb_revoked"),
    )
    yield Fault(
        "QE status unknown",
        "the quoting enclave's level has a status that nobody knows",
        with_endorsing(qe_status="Splendid"),
        forged("unknown_tcb_status"),
    )
    yield Fault(
        "QE below minimum",
        "every level of the QE identity asks for a newer quoting enclave",
        with_endorsing(qe_minimum_svn=9),
        forged("qe_below_minimum"),
    )
    for status, merged in WHEN_OUT_OF_DATE.items():
        if status != "UpToDate":
            yield Fault(
                f"QE OutOfDate under {status}",
                f"the quoting enclave is out of date, and the platform has the status {status}: the worse wins",
                with_endorsing(qe_status="OutOfDate", tcb_status=status),
                refused("tcb_status", "tcb_status", status=merged),
            )
    yield Fault(
        "QE OutOfDate, only the platform's status allowed",
        "the policy allows the platform's SWHardeningNeeded; the quoting enclave's OutOfDate is worse",
        _all(policy=allowing("SWHardeningNeeded"), tcb_status="SWHardeningNeeded", qe_status="OutOfDate"),
        refused("tcb_status", "tcb_status", status="OutOfDate"),
    )
    yield Fault(
        "QE OutOfDate allowed",
        "the policy allows OutOfDate until a date",
        _all(policy=allowing("OutOfDate"), qe_status="OutOfDate"),
        Expected(True, True, "OutOfDate", ("accepted",)),
    )
    yield Fault(
        "QE OutOfDate allowed, but not its advisory",
        "the policy allows OutOfDate without advisories, and the quoting enclave's level names one",
        _all(policy=allowing("OutOfDate"), qe_status="OutOfDate", qe_advisories=("INTEL-SA-00615",)),
        refused("advisories", "advisories", status="OutOfDate"),
    )
    yield Fault(
        "Revoked cannot be outweighed",
        "platform and quoting enclave are revoked, and the policy allows OutOfDate",
        _all(policy=allowing("OutOfDate"), qe_status="Revoked", tcb_status="OutOfDate"),
        forged("tcb_revoked"),
    )


def _module() -> Iterator[Fault]:
    yield Fault(
        "module OutOfDate",
        "the TDX module is out of date",
        with_endorsing(module_status="OutOfDate"),
        refused("tcb_status", status="OutOfDate"),
        TDX,
    )
    yield Fault(
        "module OutOfDate under ConfigurationNeeded",
        "the TDX module is out of date, and the platform needs configuration",
        with_endorsing(module_status="OutOfDate", tcb_status="ConfigurationNeeded"),
        refused("tcb_status", status="OutOfDateConfigurationNeeded"),
        TDX,
    )
    yield Fault(
        "module Revoked",
        "the TDX module is revoked",
        with_endorsing(module_status="Revoked"),
        forged("tcb_revoked"),
        TDX,
    )
    yield Fault(
        "module status unknown",
        "the TDX module's level has a status that nobody knows",
        with_endorsing(module_status="Splendid"),
        forged("unknown_tcb_status"),
        TDX,
    )
    yield Fault(
        "module below minimum",
        "every level of the TDX module asks for a newer one",
        with_endorsing(module_minimum_svn=6),
        forged("tdx_module"),
        TDX,
    )
    yield Fault(
        "module not described",
        "the TCB info describes another version of the TDX module",
        signed_again("tcb_info", lambda info: info["tdxModuleIdentities"][0].update(id="TDX_09")),  # type: ignore[index]
        forged("tdx_module"),
        TDX,
    )
    yield Fault(
        "module of another signer",
        "the TCB info describes a TDX module of another signer",
        signed_again("tcb_info", lambda info: info["tdxModuleIdentities"][0].update(mrsigner="11" * 48)),  # type: ignore[index]
        forged("tdx_module"),
        TDX,
    )
    yield Fault(
        "module with other attributes",
        "the TCB info describes a TDX module with an attribute that this one has not",
        signed_again("tcb_info", lambda info: info["tdxModuleIdentities"][0].update(attributes="01" + "00" * 7)),  # type: ignore[index]
        forged("tdx_module"),
        TDX,
    )


def _relaunch() -> Iterator[Fault]:
    """Body 1.5 tells with what the domain was started, and what the platform runs by now."""
    older, now = bytes([5, 1, 1, *[0] * 13]), TEE_TCB_SVN

    def started_on(old: bytes, new: bytes, **fields: object) -> Callable[[Parts], Parts]:
        report, endorse = with_report(tee_tcb_svn=old, extension=new + bytes(48)), with_endorsing(**fields)
        return lambda parts: endorse(report(parts))

    for lower, status in (
        ("OutOfDate", "TDRelaunchAdvised"),
        ("OutOfDateConfigurationNeeded", "TDRelaunchAdvisedConfigurationNeeded"),
    ):
        yield Fault(
            f"started under {lower}",
            f"the trust domain was started under a level that is {lower} by now; the platform itself is up to date",
            started_on(older, now, lower_status=lower),
            refused("tcb_status", status=status),
            ("tdx-5",),
        )
    yield Fault(
        "second TEE TCB SVN too old",
        "what the platform runs by now is below every level",
        with_report(extension=older + bytes(48)),
        forged("no_tcb_level"),
        ("tdx-5",),
    )


def _first(info: dict[str, object]) -> dict:  # type: ignore[type-arg]
    return info["tcbLevels"][0]["tcb"]  # type: ignore[index,no-any-return]


def _all(policy: str, **fields: object) -> Callable[[Parts], Parts]:
    """Statuses and the policy that speaks of them: two fields, for one question."""
    endorse = with_endorsing(**fields)

    def change(parts: Parts) -> Parts:
        return dataclasses.replace(endorse(parts), policy=policy)

    return change
