"""Enclave keys where no appraiser exists: the keeper registers, renews and rotates by the quote alone."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from node_community import EPOCH_S, FIRST_PERIOD, build_community, destroy, write_operator_files
from node_keys import DAY, KeyRig
from waiting import HANG_S

from wattest.attestation.roots import parse_root
from wattest.chain.local_signer import LocalSigner
from wattest.operator.ingest import keep_block
from wattest.store.enclave_key import Cause, KeyState
from wattest.store.operator_store import SqliteOperatorStore

pytestmark = pytest.mark.e2e


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[KeyRig]:
    with ExitStack() as stack:
        yield KeyRig(tmp_path, stack, by_quote=True)


def bring(rig: KeyRig) -> None:
    """Somebody brings today's collateral on chain."""
    stranger = LocalSigner(b"\x61" * 32)
    rig.community.anvil.fund(stranger.address, 10**20)
    platform = rig.community.platform
    rig.verifier().collateral.publish(stranger, parse_root(platform.root_certificate), platform.collateral(rig.now))


def test_collateral_that_somebody_else_brings(rig: KeyRig) -> None:
    """Without it nothing is registered, and the reason says what to do; its end is told before the renewal."""
    (error,) = rig.operator.step().errors
    assert error.code == "ChainCollateralUnusable"
    assert error.fields["missing"] == ("Root", "Authority", "TcbInfo", "QeIdentity")
    assert "wattest chain collateral publish" in (error.hint or "")
    assert not rig.registry.registration_of(rig.binding, rig.operator.store.keys.keys(rig.channel)[0].address).is_known
    bring(rig)
    brought_at = rig.now
    report = rig.operator.step()
    report.raise_first()
    assert [(change.change, change.cause) for change in report.keys] == [("active", "first")]
    assert report.collateral == []
    rig.day_committed()
    first, until = rig.active(), rig.registered_until()

    rig.community.anvil.advance_to(brought_at + 5 * DAY + 7_200)  # a week's age is what the policy takes
    (warning,) = rig.operator.step().collateral
    assert warning.code == "ChainCollateralEnding"
    assert rig.operator.step().collateral == []  # said once
    rig.community.anvil.advance_to(brought_at + 8 * DAY)
    (warning,) = rig.operator.step().collateral
    assert (warning.code, "publish" in (warning.hint or "")) == ("ChainCollateralUnusable", True)
    rig.community.anvil.advance_to(until - 9 * DAY)  # the renewal is due, and refused closed
    report = rig.operator.step()
    assert "ChainCollateralUnusable" in {error.code for error in report.errors}
    assert rig.registered_until() == until
    bring(rig)
    report = rig.operator.step()
    report.raise_first()
    assert [change.change for change in report.keys] == ["renewed"]
    assert rig.registered_until() > until
    rig.day_committed()

    rig.store.keys.order(rig.channel, Cause.PLANNED, rig.now)
    report = rig.operator.step()
    report.raise_first()
    assert [change.change for change in report.keys] == ["active"]
    rig.operator.step().raise_first()
    assert rig.states() == [KeyState.REVOKED, KeyState.ACTIVE]
    rig.day_committed()
    *before, last = [rig.signer_of(batch) for batch in rig.commits()]
    assert (set(before), last) == ({first}, rig.active())


def test_the_command_sees_what_verifier_there_is(tmp_path: Path) -> None:
    """``wattest operator run`` brings its collateral, registers by its quote, and commits; nothing is configured."""
    community = build_community(tmp_path, by_quote=True, is_registered=False)
    try:
        community.process.stop()
        config = write_operator_files(community, tmp_path / "operator")
        command = [sys.executable, "-m", "wattest.apps.cli", "operator"]

        def operator(verb: str, *options: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*command, verb, "--config", str(config), *options],
                capture_output=True, text=True, timeout=HANG_S, check=False,
            )  # fmt: skip

        done = operator("run", "--once")
        assert (done.returncode, json.loads(done.stdout)["cause"]) == (0, "first"), done.stderr
        store = SqliteOperatorStore(config.parent / "data" / "operator.sqlite")
        for home in community.households:
            keep_block(store, community.duty, home.block(FIRST_PERIOD))
        store.close()
        community.anvil.advance_to(FIRST_PERIOD + EPOCH_S)
        done = operator("run", "--once")
        events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
        assert (done.returncode, events) == (0, ["sealed", "committed"]), done.stderr
        shown = json.loads(operator("status", "--json").stdout)["channels"][0]
        assert (shown["head_sequence"], shown["warnings"]) == (1, [])
        planned = operator("upgrade", "--dry-run")
        assert "the contract judges its quote" in planned.stdout
    finally:
        destroy(community)
