"""A month's settlement by commands: planned, refused in words, killed at every step, paid."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import pytest
from node_community import EPOCH_S, seed
from settling_community import FIRST_DATE, SettlingCommunity, settling_community

from wattest.io.crash_points import SETTLING_CRASH_POINTS

pytestmark = pytest.mark.e2e
TWO_DAYS = ("--from", FIRST_DATE, "--days", "2")
SEALING_POINTS = (
    "settlement.planned",
    "batch.collected",
    "enclave.released",
    "batch.sealed",
    "bundle.written",
    "settlement.sealed",
    "bundles.synced",
    "bundle.named",
    "batch.stored",
    "batch.committing",
    "transaction.recorded",
    "commit.mined",
    "batch.committed",
    "settlement.noted",
    "root.mined",
)
"""What a statement passes on its way, in order; two of them more than once, so that each start gets further."""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SettlingCommunity]:
    with settling_community(tmp_path_factory.mktemp("settle")) as made:
        made.write_terms()
        yield made


def test_out_of_order(town: SettlingCommunity) -> None:
    refused = town.settle("--terms", "terms.toml", *TWO_DAYS, "--json", "--yes")
    assert (refused.returncode, json.loads(refused.stderr)["error"]) == (7, "NothingSettledHere")
    town.commit_day(0)
    town.commit_day(1)
    early = town.settle("--terms", "terms.toml", *TWO_DAYS, "--yes", "--json")
    assert (early.returncode, json.loads(early.stderr)["error"]) == (5, "PeriodNotFinal")
    month = town.settle("--terms", "terms.toml", "--month", "2023-11", "--yes", "--json")
    assert json.loads(month.stderr)["error"] == "PeriodNotOver"
    town.write_terms("stranger.toml", key=seed("stranger"))
    town.pass_windows()
    for name, error, code in (("stranger.toml", "TermsUnsigned", 4), ("deployment.json", "TermsFileInvalid", 3)):
        wrong = town.settle("--terms", name, *TWO_DAYS, "--yes", "--json")
        assert (wrong.returncode, json.loads(wrong.stderr)["error"]) == (code, error)
    town.write_terms("short.toml", days=(0, 1))
    short = town.settle("--terms", "short.toml", *TWO_DAYS, "--yes", "--json")
    assert json.loads(short.stderr)["error"] == "TermsUnsigned"
    assert town.states() == []


def test_the_plan_comes_first(town: SettlingCommunity) -> None:
    shown = town.settle("--terms", "terms.toml", *TWO_DAYS, "--dry-run")
    assert shown.returncode == 0
    assert "3 households over 2 batches, 1 to 2" in shown.stderr
    asked = town.settle("--terms", "terms.toml", *TWO_DAYS)
    assert asked.returncode == 7
    assert "nothing was settled" in asked.stderr
    assert town.states() == []


def test_killed_at_every_step_and_settled_once(town: SettlingCommunity) -> None:
    """Each start gets one boundary further and is killed there; the last one ends."""
    headers = set()
    for point in SEALING_POINTS:
        killed = town.settle("--terms", "terms.toml", *TWO_DAYS, "--yes", fault=point)
        assert killed.returncode == -signal.SIGKILL, (point, killed.stderr)
        store = town.store()
        batch = store.find_batch(town.statements.id, 1)
        store.close()
        if batch is not None and batch.header_digest is not None:
            headers.add(batch.header_digest)
    done = town.settle("--continue", "--json")
    assert done.returncode == 0, done.stderr
    (settled,) = json.loads(done.stdout)["settlements"]
    assert (settled["state"], settled["sequence"], settled["households"]) == ("posted", 1, 3)
    assert len(headers) == 1
    pending = town.contracts.payouts.pending_root_of(town.distribution)
    assert (pending.sequence, pending.total) == (1, settled["payout_total"])
    again = town.settle("--terms", "terms.toml", *TWO_DAYS, "--yes", "--json")
    assert json.loads(again.stdout)["settlements"][0]["state"] == "posted"
    other = town.settle("--terms", "terms.toml", "--from", FIRST_DATE, "--days", "1", "--yes", "--json")
    assert (other.returncode, json.loads(other.stderr)["error"]) == (5, "SettledAlready")


def test_activated_once_it_is_final_and_funded(town: SettlingCommunity) -> None:
    town.community.anvil.advance_to(town.community.client().now() + 8 * EPOCH_S)
    short = town.settle("--continue", "--json")
    assert short.returncode == 5
    error = json.loads(short.stderr.splitlines()[-1])
    assert error["error"] == "EscrowShort"
    assert f"--amount {error['fields']['missing']}" in error["hint"]
    town.fund(error["fields"]["missing"])
    for point in ("activation.mined", "settlement.noted"):
        killed = town.settle("--continue", fault=point)
        assert killed.returncode == -signal.SIGKILL, (point, killed.stderr)
    town.run_operator()
    assert town.states() == ["activated"]
    account = town.contracts.payouts.account_of(town.distribution)
    assert (account.active_sequence, account.active_total) == (1, error["fields"]["expected"])
    assert town.settle("--continue").returncode == 0
    assert "done: what is owed can be claimed" in town.settle("--status").stdout


def test_every_point_of_settling_is_visited() -> None:
    assert set(SETTLING_CRASH_POINTS) <= {*SEALING_POINTS, "activation.mined"}
