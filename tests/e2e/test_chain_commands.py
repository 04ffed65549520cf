"""``wattest chain collateral``, ``policy`` and ``revoke`` against contracts on anvil, as the command line runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from quote_world import DAY, MEASUREMENT, SIGNER, WORKLOAD, QuoteWorld, build_world, policy_text, secret

from wattest.apps.cli import run
from wattest.chain.anvil import Anvil
from wattest.collateral.chain_collateral import stored_life
from wattest.enclave.simulator.collateral import CollateralOptions
from wattest.io.files import write_key_file
from wattest.messages.channel_policy import CollateralKind
from wattest.receipt.deployment import Deployment
from wattest.twin.dcap_errors import CollateralRevoked, EnclaveUnwanted

pytestmark = pytest.mark.e2e
HARDENING = CollateralOptions(tcb_status="SWHardeningNeeded", advisories=("INTEL-SA-00615",))


@dataclass
class Desk:
    """A world with the files that its people give to the command line."""

    world: QuoteWorld
    folder: Path
    capsys: pytest.CaptureFixture[str]
    told: str = ""

    def file(self, name: str, content: bytes) -> str:
        (self.folder / name).write_bytes(content)
        return str(self.folder / name)

    def ask(self, *words: str, who: str = "", book: str = "deployment.json") -> tuple[int, Any, Any]:
        """Exit code, what was printed and what was complained of, as JSON."""
        key = ("--key-file", str(self.folder / f"{who}.key")) if who else ()
        where = ("--deployment", str(self.folder / book), "--rpc", self.world.anvil.url)
        code = run(["chain", *words, *key, *where, "--json"])
        out, err = self.capsys.readouterr()
        self.told, brace, complaint = err.partition("{")  # progress, then at most an error
        return code, json.loads(out) if out else None, json.loads(brace + complaint) if brace else {}

    def done(self, *words: str, who: str = "") -> Any:
        code, value, complaint = self.ask(*words, who=who)
        assert code == 0, complaint
        return value

    def refused(self, *words: str, who: str = "", book: str = "deployment.json") -> tuple[int, str]:
        code, value, complaint = self.ask(*words, who=who, book=book)
        assert value is None
        return code, complaint["error"]

    @property
    def channel(self) -> tuple[str, str]:
        return "--channel", "0x" + self.world.channel.id.hex()

    @property
    def root(self) -> tuple[str, str]:
        return "--root", str(self.folder / "root.der")

    def policy(self, more: str, *words: str) -> tuple[str, ...]:
        file = self.file("policy.toml", policy_text(more=more))
        return "policy", "set", file, *self.channel, *self.root, "--workload", WORKLOAD.hex(), *words


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Desk]:
    with Anvil.create(tmp_path / "chain", genesis_timestamp_s=1_800_000_000, block_time_s=1) as anvil:
        world = build_world(anvil, tmp_path)
        contracts, client = world.contracts, world.client
        book = Deployment(
            chain_id=client.chain_id,
            genesis_hash=client.block(0).hash,
            deployed_at_block=0,
            referee=world.referee,
            challenges=contracts.referee.challenges.address,
            fraud_proofs=contracts.referee.fraud_proofs.address,
            registry=contracts.registry.address,
            verifier=world.verifier.address,
            payouts=contracts.payouts.address,
            first_light=contracts.first_light.address,
            token=contracts.token.address,
            appraisers=(),
            threshold=0,
            collateral=world.collateral.address,
            trust_roots=(world.platform.root_certificate,),
            channels=(world.channel,),
        )
        desk = Desk(world, tmp_path, capsys)
        desk.file("deployment.json", book.to_bytes())
        by_appraisers = replace(book, collateral=bytes(20), appraisers=(world.stranger.address,), threshold=1)
        desk.file("appraisers.json", by_appraisers.to_bytes())
        desk.file("root.der", world.platform.root_certificate)
        for who in ("manager", "stranger"):
            write_key_file(tmp_path / f"{who}.key", secret(who))
        yield desk


def test_collateral_and_a_policy_that_waits(desk: Desk) -> None:
    world = desk.world
    file = desk.file("collateral.json", world.platform.collateral(world.client.now()).to_json())
    nothing = desk.done("collateral", "show", file, *desk.root)
    assert set(nothing) == {"Root", "Authority", "TcbSigner", "TcbInfo", "QeIdentity"}
    assert not any(value for fields in nothing.values() for value in fields.values())
    brought = desk.done("collateral", "publish", file, *desk.root, who="stranger")["brought"]
    assert {one["part"] for one in brought} >= {"root", "authority", "TCB signer", "TCB info", "QE identity"}
    assert desk.done("collateral", "publish", file, *desk.root, who="stranger") == {"brought": []}
    assert desk.told.splitlines() == [
        "root", "root revocation list", "authority", "revocation list", "TCB signer", "TCB info", "QE identity"
    ]  # fmt: skip
    there = desk.done("collateral", "show", file, *desk.root)
    assert desk.told == ""
    assert there["TcbSigner"]["not_after"] > world.client.now()
    assert there["QeIdentity"]["evaluation_number"] == 20
    assert there["Root"]["is_revoked"] is False

    show = "policy", "show", *desk.channel
    assert desk.done(*show)["version"] == 0
    assert desk.refused(*desk.policy(""), who="stranger") == (5, "NotPolicyManager")
    first = desk.done(*desk.policy(""), who="manager")
    assert (first["done"], desk.done(*show)["digest"]) == ("set", first["digest"])
    for verb in ("apply", "cancel"):
        assert desk.refused("policy", verb, *desk.channel, who="manager") == (5, "PolicyNotQueued")

    looser = "maximum_collateral_age_days = 30\n"
    queued = desk.done(*desk.policy(looser), who="manager")
    assert (queued["done"], queued["ready_at"] > world.client.now()) == ("queued", True)
    assert desk.refused("policy", "apply", *desk.channel, who="manager") == (5, "PolicyNotReady")
    assert desk.refused("policy", "cancel", *desk.channel, who="stranger") == (5, "NotPolicyManager")
    cancelled = desk.done("policy", "cancel", *desk.channel, who="manager")
    assert (cancelled["done"], cancelled["digest"]) == ("cancelled", queued["digest"])
    assert desk.refused("policy", "apply", *desk.channel, who="manager") == (5, "PolicyNotQueued")

    desk.done(*desk.policy(looser), who="manager")
    world.anvil.advance_to(world.client.now() + 2 * DAY)
    assert desk.done("policy", "apply", *desk.channel, who="manager")["digest"] == queued["digest"]
    held = desk.done(*show)
    assert (held["version"], held["max_collateral_age_s"]) == (2, 30 * DAY)
    assert [one["event"] for one in held["changes"]] == [
        "PolicySet", "PolicyQueued", "PolicyCancelled", "PolicyQueued", "PolicySet",
    ]  # fmt: skip


def test_what_a_manager_does_at_once_and_anybody_after(desk: Desk) -> None:
    world = desk.world
    world.publish()
    hardening = desk.file("hardening.json", world.platform.collateral(world.client.now(), HARDENING).to_json())
    platform = world.platform.platform_id.hex()
    more = f'platforms = ["{platform}"]\n[[tcb]]\nstatus = "SWHardeningNeeded"\nadvisories = ["INTEL-SA-00615"]\n'
    withdraw = "policy", "withdraw", *desk.channel
    assert desk.refused(*withdraw, "--platform", platform, who="manager") == (5, "PolicyMissing")
    desk.done(*desk.policy(more, "--collateral", hardening), who="manager")
    first = world.request()
    world.register(first)  # brings the certificate
    second = world.request()
    world.register(second)  # brings its facts

    tighten = "policy", "tighten", *desk.channel
    assert desk.refused(*tighten, who="manager") == (3, "NothingToTighten")
    assert desk.refused(*tighten, "--collateral-days", "8", who="manager") == (5, "LimitLoosened")
    assert desk.refused(*tighten, "--days", "20", who="stranger") == (5, "NotPolicyManager")
    desk.done(*tighten, "--days", "20", "--evaluation-number", "20", who="manager")
    held = desk.done("policy", "show", *desk.channel)
    assert (held["max_registration_s"], held["min_evaluation_number"]) == (20 * DAY, 20)
    assert held["max_collateral_age_s"] == 7 * DAY  # was not named

    operator = "--operator", "0x" + world.operator.address.hex()
    key_of = {one: ("--key", "0x" + one.enclave_key.hex()) for one in (first, second)}
    revoke = "revoke", *desk.channel, *operator
    assert desk.refused(*revoke, *key_of[second], who="stranger") == (5, "NothingAgainst")
    assert desk.refused(*revoke, "--key", "0x" + "12" * 20, who="stranger") == (5, "KeyNeverRegistered")
    assert desk.refused(*revoke, "--key", "0x12", who="stranger") == (3, "HexInvalid")
    assert desk.refused(*revoke, *key_of[second], who="stranger", book="appraisers.json") == (7, "QuotesNotJudged")

    enclave = "--measurement", MEASUREMENT.hex()
    assert desk.refused(*withdraw, who="manager") == (3, "WithdrawalAmbiguous")
    assert desk.refused(*withdraw, *enclave, "--platform", platform, who="manager") == (3, "WithdrawalAmbiguous")
    assert desk.refused(*withdraw, "--platform", platform, "--workload", platform, who="manager") == (
        3, "WithdrawalAmbiguous",
    )  # fmt: skip
    for absent in (
        ("--measurement", SIGNER.hex()),
        ("--signer", SIGNER.hex()),
        (*enclave, "--workload", SIGNER.hex()),
        ("--status", "OutOfDate"),
        ("--platform", SIGNER.hex()),
    ):
        assert desk.refused(*withdraw, *absent, who="manager") == (5, "NothingToWithdraw"), absent
    assert desk.refused(*withdraw, *enclave, who="stranger") == (5, "NotPolicyManager")
    for there in (("--status", "SWHardeningNeeded"), (*enclave, "--workload", WORKLOAD.hex())):
        assert len(desk.done(*withdraw, *there, who="manager")["withdrawn"]) == 1
        assert desk.refused(*withdraw, *there, who="manager") == (5, "NothingToWithdraw")
    with pytest.raises(EnclaveUnwanted):
        world.register(world.request())
    desk.done(*withdraw, "--platform", platform, who="manager")
    assert [one["event"] for one in desk.done("policy", "show", *desk.channel)["changes"]] == [
        "PolicySet", "LimitsTightened", "StatusWithdrawn", "ReferenceWithdrawn", "PlatformWithdrawn",
    ]  # fmt: skip

    revoked = desk.done(*revoke, *key_of[second], who="stranger")
    assert revoked["revoked_at_block"] > revoked["registered_at_block"]
    assert not world.is_active(second.enclave_key)
    # A key that is revoked is active no more, and the policy wants nothing of its enclave for other workloads anyway.
    assert desk.refused(*revoke, *key_of[second], who="stranger") == (5, "WorkloadNotActive")


def test_a_key_whose_registration_brought_the_certificate_is_revoked_by_a_list(desk: Desk) -> None:
    world = desk.world
    world.publish()
    world.set_policy()
    request = world.request()
    world.register(request)
    world.anvil.advance_to(world.client.now() + 60)
    revoke = (
        "revoke", *desk.channel, "--operator", world.operator.address.hex(), "--key", request.enclave_key.hex(),
    )  # fmt: skip
    assert desk.refused(*revoke, who="stranger") == (5, "NothingAgainst")
    lists = world.platform.collateral(world.client.now(), CollateralOptions(revoke_pck=True))
    desk.done("collateral", "publish", desk.file("c.json", lists.to_json()), *desk.root, who="stranger")
    desk.done(*revoke, who="stranger")
    assert not world.is_active(request.enclave_key)


def test_a_revoked_signer_of_levels_is_seen_where_a_registration_is_refused_for_it(desk: Desk) -> None:
    world = desk.world
    world.publish()
    world.set_policy()
    collateral = world.platform.collateral(world.client.now())
    life = stored_life(world.collateral, world.root, collateral, 0)
    assert life.is_usable(world.client.now())
    world.anvil.advance_to(world.client.now() + 60)
    lists = world.platform.collateral(world.client.now(), CollateralOptions(revoke_tcb_signing=True))
    with pytest.raises(CollateralRevoked):  # the list is stored, then nothing that the signer says
        world.collateral.publish(world.stranger, world.root, lists)
    life = stored_life(world.collateral, world.root, collateral, 0)
    assert life.missing == (CollateralKind.TcbSigner.name,)
    with pytest.raises(CollateralRevoked):
        world.register(world.request())
