"""A month's settlement by commands: planned, refused in words, killed at every step, paid."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator

import pytest
from node_community import EPOCH_S, seed
from settling_community import FIRST_DATE, SettlingCommunity, settling_community

from wattest.io.crash_points import SETTLING_CRASH_POINTS
from wattest.io.files import write_key_file

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
    total = error["fields"]["expected"]
    assert f"--to {total}" in error["hint"]
    pay = ("--rpc", town.community.anvil.url, "--key-file", "manager.key")
    write_key_file(town.folder / "manager.key", seed("manager"))
    write_key_file(town.folder / "poor.key", town.community.operator_key)
    poor = town.command("payouts", "fund", "--to", str(total), *pay[:3], "poor.key", "--json")
    assert (poor.returncode, json.loads(poor.stderr)["error"]) == (5, "TokensShort")
    assert town.said("payouts", "fund", "--to", str(total), *pay)["added"] == total
    assert town.said("payouts", "fund", "--to", str(total), *pay)["added"] == 0
    for point in ("activation.mined", "settlement.noted"):
        killed = town.settle("--continue", fault=point)
        assert killed.returncode == -signal.SIGKILL, (point, killed.stderr)
    town.run_operator()
    assert town.states() == ["activated"]
    account = town.contracts.payouts.account_of(town.distribution)
    assert (account.active_sequence, account.active_total) == (1, error["fields"]["expected"])
    assert town.settle("--continue").returncode == 0
    assert "done: what is owed can be claimed" in town.settle("--status").stdout


def issue(town: SettlingCommunity, *arguments: str) -> subprocess.CompletedProcess[str]:
    return town.command("receipt", "issue", "--config", "operator.toml", "--policy", "policy.toml", *arguments)


def test_receipts_are_issued_once_and_hold(town: SettlingCommunity) -> None:
    homes = [f"homes/{member.name}" for member in town.members]
    done = issue(town, *homes[:1], "--out", "receipts", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["written"] == [f"receipts/flat-0-{FIRST_DATE}.json"]
    rest = issue(town, *homes, "--out", "receipts", "--statement", "1", "--json")
    assert rest.returncode == 0, rest.stderr
    assert json.loads(rest.stdout)["kept"] == [f"receipts/flat-0-{FIRST_DATE}.json"]
    files = [f"receipts/{member.name}-{FIRST_DATE}.json" for member in town.members]
    assert all((town.folder / file).stat().st_mode & 0o077 == 0 for file in files)
    verified = town.command(
        "receipt", "verify", *files, "--deployment", "deployment.json", "--rpc", town.community.anvil.url, "--json"
    )
    assert verified.returncode == 0, verified.stdout
    assert [one["valid"] for one in json.loads(verified.stdout)] == [True] * 3
    offline = town.command("receipt", "verify", files[0], "--deployment", "deployment.json", "--json")
    assert (offline.returncode, json.loads(offline.stdout)["valid"]) == (8, None)
    (town.folder / files[1]).write_bytes((town.folder / files[2]).read_bytes())
    taken = issue(town, *homes, "--out", "receipts", "--json")
    assert (taken.returncode, json.loads(taken.stderr.splitlines()[-1])["error"]) == (7, "ReceiptFileTaken")
    (town.folder / files[1]).unlink()
    assert issue(town, *homes, "--out", "receipts").returncode == 0


def test_everybody_s_receipts_by_a_watcher_s_key(town: SettlingCommunity) -> None:
    write_key_file(town.folder / "watcher.key", town.community.extra["watcher_reader_seed"])
    everybody = ("--members", "members.toml", "--reader-key", "watcher.key")
    done = issue(town, *everybody, "--out", "all", "--month", "2023-11", "--json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["written"]) == 3
    for member in town.members:
        name = f"{member.name}-{FIRST_DATE}.json"
        assert (town.folder / "all" / name).read_bytes() == (town.folder / "receipts" / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("homes/flat-0", "--statement", "2"), 7, "SettlementUnknown"),
        (("homes/flat-0", "--month", "2023-12"), 7, "SettlementUnknown"),
        (("homes/mixed",), 7, "HouseholdFolderMixed"),
        (("homes/stranger",), 4, "HouseholdNotSettled"),
        (("homes/nowhere",), 3, "FileUnreadable"),
        (("--members", "members.toml", "--reader-key", "homes/flat-0/reader.key"), 4, "ReaderKeyForeign"),
    ],
)
def test_receipts_that_are_not_issued(
    town: SettlingCommunity, arguments: tuple[str, ...], code: int, error: str
) -> None:
    homes = town.folder / "homes"
    if not (homes / "mixed").exists():
        shutil.copytree(homes / "flat-0", homes / "mixed")
        shutil.copy(homes / "flat-1" / "reader.key", homes / "mixed")
        made = town.command("meter", "new-key", "homes/stranger")
        assert made.returncode == 0, made.stderr
    refused = issue(town, *arguments, "--out", f"none-{error}-{code}", "--json")
    assert (refused.returncode, json.loads(refused.stderr.splitlines()[-1])["error"]) == (code, error)


def test_a_policy_that_is_another_s(town: SettlingCommunity) -> None:
    (town.folder / "other.toml").write_text((town.folder / "policy.toml").read_text() + "# another\n")
    arguments = ("homes/flat-0", "--out", "none", "--policy", "other.toml", "--json")
    refused = town.command("receipt", "issue", "--config", "operator.toml", *arguments)
    assert (refused.returncode, json.loads(refused.stderr.splitlines()[-1])["error"]) == (7, "PolicyTextMissing")


def test_a_household_reads_its_bill(town: SettlingCommunity) -> None:
    file = f"receipts/flat-0-{FIRST_DATE}.json"
    book = ("--deployment", "deployment.json", "--rpc", town.community.anvil.url)
    shown = town.command("receipt", "show", file, *book, "--members", "members.toml", "--zone", "Europe/Vienna")
    assert shown.returncode == 0, shown.stderr
    text = shown.stdout
    for words in (
        "household   flat-0",
        "period      2023-11-14 to 2023-11-16 (Europe/Vienna)",
        "exactly 2023-11-14 01:00 (CET) to 2023-11-16 01:00 (CET)",
        "fed in      172.800 kWh, of it 96.000 to neighbours",
        "you receive",
        "your meter signed every reading that was billed",
        "All of it was checked, and holds.",
    ):
        assert words in text, text
    value = json.loads(town.command("receipt", "show", file, *book, "--json").stdout)
    assert (value["valid"], value["household"], value["first_day"]) == (True, None, "2023-11-14")
    assert sum(line["amount_cents"] for line in value["lines"]) == value["total_cents"] < 0
    bare = town.command("receipt", "show", file, "--members", "homes/flat-1")
    assert bare.returncode == 8
    assert "Nothing of this was checked" in bare.stdout
    assert "household   meter " in bare.stdout
    offline = town.command("receipt", "show", file, *book[:2], "--json")
    assert (offline.returncode, json.loads(offline.stdout)["valid"]) == (8, None)


def test_what_is_owed_is_claimed_once(town: SettlingCommunity) -> None:
    pay = ("--rpc", town.community.anvil.url, "--key-file", "manager.key")
    file, other = (f"receipts/flat-{at}-{FIRST_DATE}.json" for at in (0, 1))
    first = town.said("payouts", "claim", file, *pay)["claims"][0]
    account = town.contracts.payouts.account_of(town.distribution)
    assert first["paid"] == account.paid_amount == account.active_total
    assert town.said("payouts", "claim", file, *pay)["claims"][0]["paid"] == 0
    nothing = town.command("payouts", "claim", other, *pay, "--json")
    assert (nothing.returncode, json.loads(nothing.stderr)["error"]) == (5, "NothingOwedHere")
    (shown,) = town.said("payouts", "show", *pay[:2])["distributions"]
    assert (shown["paid"], shown["active_statement"], shown["waiting_statement"]) == (first["paid"], 1, None)


def test_a_distribution_is_made_once(town: SettlingCommunity) -> None:
    pay = ("--rpc", town.community.anvil.url, "--key-file", "manager.key")
    channels = ("--statement-channel", town.statements.id.hex(), "--metering-channel", town.community.channel.id.hex())
    made = [town.said("payouts", "create", *channels, "--operator", "0x" + "11" * 20, *pay) for _ in range(2)]
    assert [one["created"] for one in made] == [True, False]
    assert made[0]["distribution"] in {one.id.hex() for one in town.deployment.distributions}
    other = ("--operator", "0x" + "11" * 20, "--delay-hours", "48")
    differs = town.command("payouts", "create", *channels, *other, *pay, "--json")
    assert (differs.returncode, json.loads(differs.stderr)["error"]) == (5, "DistributionDiffers")


def test_every_point_of_settling_is_visited() -> None:
    assert set(SETTLING_CRASH_POINTS) <= {*SEALING_POINTS, "activation.mined"}
