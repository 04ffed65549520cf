"""What a policy may demand of platforms and trust domains: models, floors of SVNs, values of registers.

Each demand stands beside one that the same evidence meets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from evidence_world import ACCEPTED, ALL, POLICY, SGX, TDX, Expected, Fault, Parts, refused

from wattest.attestation.formats.quote import TdReport
from wattest.enclave.simulator.pki import FMSPC

REGISTERS = {
    "mr_seam": "MRSEAM",
    "mr_config_id": "MRCONFIGID",
    "mr_owner": "MROWNER",
    "mr_owner_config": "MROWNERCONFIG",
}
QE_SVN, PCE_SVN = 8, 11  # as the simulated platform has them


def faults() -> Iterator[Fault]:
    """All of them."""
    yield from _models()
    yield from _floors()
    yield from _registers()


def _demanding(line: str) -> Callable[[Parts], Parts]:
    return lambda parts: dataclasses.replace(parts, policy=f"{line}\n{POLICY}")


def _models() -> Iterator[Fault]:
    model, other = FMSPC.hex(), "00906ed50000"
    not_allowed, denied = refused("fmspc_not_allowed"), refused("fmspc_denied")
    cases: tuple[tuple[str, str, str, Expected], ...] = (
        ("model allowed", "allows its FMSPC", f'allowed_fmspcs = ["{other}", "{model}"]', ACCEPTED),
        ("model not allowed", "allows another FMSPC alone", f'allowed_fmspcs = ["{other}"]', not_allowed),
        ("no model allowed", "allows no FMSPC at all", "allowed_fmspcs = []", not_allowed),
        ("model denied", "denies its FMSPC", f'denied_fmspcs = ["{other}", "{model}"]', denied),
        ("another model denied", "denies another FMSPC", f'denied_fmspcs = ["{other}"]', ACCEPTED),
        (
            "model neither allowed nor denied",
            "allows another FMSPC and denies a third",
            f'allowed_fmspcs = ["{other}"]\ndenied_fmspcs = ["000000000000"]',
            not_allowed,
        ),
    )
    for name, differs, line, expected in cases:
        yield Fault(name, f"the policy {differs}", _demanding(line), expected, ALL)


def _floors() -> Iterator[Fault]:
    for key, code, whose, svn in (
        ("minimum_qe_svn", "qe_svn", "quoting enclave", QE_SVN),
        ("minimum_pce_svn", "pce_svn", "provisioning enclave", PCE_SVN),
    ):
        yield Fault(
            f"{whose} at the policy's floor",
            f"the policy asks for the {whose}'s own SVN",
            _demanding(f"{key} = {svn}"),
            ACCEPTED,
        )
        yield Fault(
            f"{whose} below the policy's floor",
            f"the policy asks for one SVN more than the {whose} has",
            _demanding(f"{key} = {svn + 1}"),
            refused(code),
        )


def _registers() -> Iterator[Fault]:
    for key, register in REGISTERS.items():
        other = "5a" * 48
        for name, differs, values, expected in (
            ("listed", "lists the domain's {0} and another", [other, None], ACCEPTED),
            ("not listed", "lists another {0} alone", [other], refused(key)),
            ("list empty", "lists no {0} at all", [], refused(key)),
        ):
            yield Fault(
                f"{register} {name}", f"the policy {differs.format(register)}", _listing(key, values), expected, TDX
            )
        yield Fault(
            f"{register} without a domain",
            f"the policy lists an {register}, which an enclave does not have",
            _demanding(f'{key} = ["{other}"]'),
            ACCEPTED,
            SGX,
        )


def _listing(key: str, values: list[str | None]) -> Callable[[Parts], Parts]:
    def change(parts: Parts) -> Parts:
        assert isinstance(parts.report, TdReport)
        actual: bytes = getattr(parts.report, key)
        listed = ", ".join(f'"{actual.hex() if value is None else value}"' for value in values)
        return _demanding(f"{key} = [{listed}]")(parts)

    return change
