"""``wattest operator run`` with a collateral service that comes and goes, on real parts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from node_community import Community, build_community, destroy, write_operator_files
from waiting import HANG_S

from wattest.attestation.endorsements import endorse, parse_endorsements
from wattest.chain.local_signer import LocalSigner
from wattest.chain.registry import EnclaveRegistry
from wattest.collateral.pccs_server import PccsServer
from wattest.keys.key_standing import sealing_workload

pytestmark = pytest.mark.e2e
DAY = 86_400


def registered_until(community: Community) -> int:
    registry = EnclaveRegistry(community.client(), community.contracts.registry)
    operator = LocalSigner(community.operator_key).address
    return registry.active_key(community.contracts.referee, community.channel.id, operator, sealing_workload())[1]


def test_renewed_while_it_can_be_and_refused_closed_after(tmp_path: Path) -> None:
    community = build_community(tmp_path, by_quote=True, is_registered=False)
    service = PccsServer(lambda _: [endorse(community.platform.collateral(community.client().now()))])
    try:
        community.process.stop()
        service.start()
        config = write_operator_files(community, tmp_path / "operator")
        table = f'[collateral]\nfile = "kept.json"\nurl = "{service.url}"\nclock_tolerance_s = 60\n'
        config.write_text(table + config.read_text())
        kept = config.parent / "kept.json"

        def run_once() -> tuple[int, list[str], list[dict[str, str]]]:
            done = subprocess.run(
                [sys.executable, "-m", "wattest.apps.cli", "operator", "run", "--config", str(config), "--once"],
                capture_output=True, text=True, timeout=HANG_S, check=False,
            )  # fmt: skip
            events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
            return done.returncode, events, [json.loads(at) for at in done.stderr.splitlines() if at[0] == "{"]

        def issued_at() -> int:
            return parse_endorsements(kept.read_bytes()).platform_statement().issued_at

        code, events, said = run_once()
        assert (code, events) == (0, ["key active"]), said
        assert said[0]["collateral"].startswith("collateral renewed")
        first, until = issued_at(), registered_until(community)

        service.stop()  # down; what is there still holds
        community.anvil.advance_to(first + 5 * DAY + 60)
        code, events, said = run_once()
        assert (code, "committed" in events) == (0, True), said
        texts = [line["collateral"] for line in said if "collateral" in line]
        assert any("was not renewed" in text for text in texts)
        assert any("can be used for" in text for text in texts)
        assert issued_at() == first

        community.anvil.advance_to(until - 9 * DAY)  # the renewal is due, and nothing holds any more
        code, events, said = run_once()
        assert (code, "key renewed" in events) == (6, False), said
        assert "CollateralUnusable" in {line.get("code") for line in said}
        assert registered_until(community) == until

        again = PccsServer(
            lambda _: [endorse(community.platform.collateral(community.client().now()))], port=service.port
        )
        with again:
            code, events, said = run_once()
        assert (code, "key renewed" in events) == (0, True), said
        assert registered_until(community) > until
        assert issued_at() > first
    finally:
        service.stop()
        destroy(community)
