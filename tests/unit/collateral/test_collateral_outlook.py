"""Which stored dates end a platform's collateral on chain, and how often an operator is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from wattest.attestation.endorsements import endorse
from wattest.attestation.roots import parse_root
from wattest.chain.collateral_registry import StoredAuthority, StoredSigner, StoredStatement
from wattest.collateral.chain_collateral import ChainCollateralUnusable, StoredLife, stored_life
from wattest.collateral.collateral_outlook import CollateralOutlook
from wattest.enclave.simulator.pki import SimulatedPki
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import TransportError
from wattest.messages.channel_policy import CollateralKind
from wattest.store.enclave_key import PreparedRegistration

NOW, DAY = 1_790_000_000, 86_400
PLATFORM = SimulatedPlatform(SimulatedPki.create(bytes(range(32)), NOW))
ROOT = parse_root(PLATFORM.root_certificate)
COLLATERAL = endorse(PLATFORM.collateral(NOW)).collateral
YEAR = 365 * DAY
LISTED = StoredAuthority(1, NOW + 10 * YEAR, False, 1, NOW, NOW + 30 * DAY)
SAID = StoredStatement(20, NOW, NOW + 30 * DAY)
WHOLE: dict[CollateralKind, Any] = {
    CollateralKind.Root: replace(LISTED, next_update=NOW + YEAR),
    CollateralKind.Authority: LISTED,
    CollateralKind.TcbSigner: StoredSigner(1, NOW + 10 * YEAR, False),
    CollateralKind.TcbInfo: SAID,
    CollateralKind.QeIdentity: SAID,
}


def life(age_s: int = 7 * DAY, **changed: Any) -> StoredLife:
    registry: Any = type(
        "Stored", (), {"stored_for": lambda *_: WHOLE | {CollateralKind[k]: v for k, v in changed.items()}}
    )
    return stored_life(registry(), ROOT, COLLATERAL, age_s)


@pytest.mark.parametrize(
    ("age_s", "changed", "until", "first"),
    [
        (7 * DAY, {}, NOW + 7 * DAY, "QeIdentity"),
        (0, {}, NOW + 30 * DAY - 1, "QeIdentity"),
        (7 * DAY, {"TcbInfo": replace(SAID, issued_at=NOW - DAY)}, NOW + 6 * DAY, "TcbInfo"),
        (7 * DAY, {"Authority": replace(LISTED, this_update=NOW - DAY)}, NOW + 6 * DAY, "RevocationList"),
        (7 * DAY, {"Root": replace(LISTED, next_update=NOW + DAY)}, NOW + DAY - 1, "RootRevocationList"),
        (
            7 * DAY,
            {"Root": replace(LISTED, this_update=NOW - YEAR)},
            NOW + 7 * DAY,
            "QeIdentity",
        ),  # its age is not asked
        (7 * DAY, {"Authority": replace(LISTED, not_after=NOW + DAY)}, NOW + DAY - 1, "Authority"),
        (7 * DAY, {"TcbSigner": StoredSigner(1, NOW + DAY, False)}, NOW + DAY - 1, "TcbSigner"),
        (7 * DAY, {"TcbSigner": StoredSigner(0, 0, False)}, NOW + 7 * DAY, "QeIdentity"),  # it signed nothing there
    ],
)
def test_what_ends_first(age_s: int, changed: dict[str, Any], until: int, first: str) -> None:
    found = life(age_s, **changed)
    assert (found.usable_until, found.ends_first) == (until, first)
    found.require(until)
    with pytest.raises(ChainCollateralUnusable) as caught:
        found.require(until + 1)
    assert caught.value.fields["ends_first"] == first


@pytest.mark.parametrize(
    ("changed", "missing"),
    [
        ({"TcbInfo": StoredStatement(0, 0, 0)}, ("TcbInfo",)),
        ({"Authority": StoredAuthority(0, 0, False, 0, 0, 0)}, ("Authority",)),
        ({"Authority": StoredAuthority(1, NOW + YEAR, False, 0, 0, 0)}, ("RevocationList",)),
        ({"Root": StoredAuthority(1, NOW + YEAR, False, 0, 0, 0)}, ("RootRevocationList",)),
        ({"TcbSigner": StoredSigner(1, NOW + YEAR, True)}, ("TcbSigner",)),
    ],
)
def test_what_is_missing(changed: dict[str, Any], missing: tuple[str, ...]) -> None:
    found = life(**changed)
    assert found.missing == missing
    with pytest.raises(ChainCollateralUnusable, match="no collateral"):
        found.require(NOW)


def test_a_revoked_authority_is_no_matter_of_dates() -> None:
    with pytest.raises(ChainCollateralUnusable, match="revoked") as caught:
        life(Authority=replace(LISTED, is_revoked=True)).require(NOW)
    assert "publish" not in (caught.value.hint or "")


def test_a_trouble_is_said_once_a_day_and_again_when_it_changes() -> None:
    channel, ends = b"\x01" * 32, [NOW + DAY]
    known: Any = type("Known", (PreparedRegistration,), {})(channel, 1, b"", "", None, b"", b"", b"")
    failing: list[TransportError] = []

    def endorsements(_: int) -> bytes:
        if failing:
            raise failing[0]
        return b""

    outlook = CollateralOutlook(endorsements, lambda _: StoredLife((), (), ends[0], "TcbInfo"))
    start = NOW - NOW % DAY
    ends[0] = start + DAY

    def said(at: int) -> list[str]:
        return [found.code for found in outlook.look(channel, known, at)]

    assert said(start) == ["ChainCollateralEnding"]
    assert said(start + 60) == said(start + 3_600) == said(start + 8 * 3_600) == []
    failing.append(TransportError("the service is down", retryable=True))
    assert said(start + 10 * 3_600) == ["TransportError"]
    failing.clear()
    assert said(start + DAY + 1) == ["ChainCollateralUnusable"]
    ends[0] = start + 9 * DAY
    assert said(start + DAY + 3_700) == []
    ends[0] = start + 2 * DAY
    assert said(start + DAY + 7_400) == ["ChainCollateralEnding"]
    assert outlook.look(b"\x02" * 32, None, start) == []  # nothing is registered there yet
