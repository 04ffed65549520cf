"""Hand-over and standby: who may, what goes over, and that a crash at any point leaves at most one that signs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from enclave_community import MEASUREMENT, Community, LocalEnclave, secret
from enclave_peers import NOW, meet, peer_settings, permit

from wattest.crypto.secp256k1 import Secp256k1PrivateKey, recover_address
from wattest.enclave.host.client import ChainHead, SealedBatch
from wattest.enclave.host.peer import HandOver, hand_over
from wattest.enclave.measured.errors import (
    CitationRefused,
    HandOverRefused,
    HeadMismatch,
    IdentityConflict,
    PayoutsBroken,
    PeriodOverlaps,
    PhaseRefused,
    RequestInvalid,
    StateWriteFailed,
)
from wattest.enclave.measured.sealed_state import MAX_PREDECESSORS
from wattest.enclave.measured.stop_points import StopPoints
from wattest.enclave.simulator.platform import SimulatedPlatform
from wattest.errors import WattestError
from wattest.messages.channel import ChannelIdentity
from wattest.messages.hand_over_permit import PermitKind, PermitRefused, SignedPermit
from wattest.metering.series_block import parse_series_block
from wattest.sealing.bundle import open_block
from wattest.sealing.wrapped_keys import unwrap_series_key

Platforms = tuple[SimulatedPlatform, SimulatedPlatform]
COMMUNITY = Community(3)
UPGRADED = b"\x0b" * 32


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Platforms:
    folder = tmp_path_factory.mktemp("platforms")
    return SimulatedPlatform.create(folder / "a", NOW), SimulatedPlatform.create(folder / "b", NOW)


class Crash(BaseException):
    """The process ends here; nothing catches it, as nothing survives a crash."""


class CrashingFaults(StopPoints):
    """Stops a service that is no debug enclave's, at the n-th point that it reaches."""

    def __init__(self) -> None:
        super().__init__(debug=False)
        self.left: int | None = None

    def reach(self, point: str) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Crash(point)


class World:
    """Two state folders on two platforms; enclaves that can be started again over them."""

    def __init__(self, platforms: Platforms, folder: Path, *, upgraded: bool = False) -> None:
        self.platforms = platforms
        self.folder = folder
        self.measurements = (MEASUREMENT, UPGRADED if upgraded else MEASUREMENT)
        self.faults = (CrashingFaults(), CrashingFaults())
        self.restart()

    def restart(self) -> None:
        """Both processes, from what is on disk."""
        for fault in self.faults:
            fault.left = None
        self.giver, self.taker = (
            LocalEnclave(platform, self.folder / name, measurement=measurement, faults=faults)
            for platform, name, measurement, faults in zip(
                self.platforms, ("giver", "taker"), self.measurements, self.faults, strict=True
            )
        )

    def permit(self, kind: PermitKind = PermitKind.HAND_OVER, **changed: object) -> SignedPermit:
        fields: dict[str, Any] = {"to_measurement": self.measurements[1], **changed}
        return permit(COMMUNITY, self.platforms[1], kind, **fields)

    def hand_over(
        self,
        signed: SignedPermit | None = None,
        *,
        channel: ChannelIdentity | None = None,
        head: ChainHead | None = None,
    ) -> HandOver:
        """As two hosts on one machine would."""
        ours, theirs = (
            peer_settings(COMMUNITY, each, self.platforms, measurements=self.measurements, channel=channel)
            for each in self.platforms
        )
        return hand_over(self.giver, ours, self.taker, theirs, signed or self.permit(), head)

    def phases(self) -> tuple[str, ...]:
        return tuple(
            next(each.phase for each in enclave.describe().identities if each.channel == COMMUNITY.channel.id)
            for enclave in (self.giver, self.taker)
        )


@pytest.fixture
def world(platforms: Platforms, tmp_path: Path) -> World:
    """The giver has an active key without a batch; the taker waits."""
    world = World(platforms, tmp_path)
    world.giver.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
    world.taker.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
    return world


def test_an_upgrade_carries_everything_but_the_key(platforms: Platforms, tmp_path: Path) -> None:
    world = World(platforms, tmp_path, upgraded=True)
    for channel in (COMMUNITY.channel, COMMUNITY.open_channel):
        world.giver.create_identity(COMMUNITY.binding(channel), channel)
        world.taker.prepare_successor(COMMUNITY.binding(channel), channel)
    days = [world.giver.seal(COMMUNITY.seal_job(0))]
    days.append(world.giver.seal(COMMUNITY.seal_job(1, COMMUNITY.head(days[0]))))
    old = next(each for each in world.giver.describe().identities if each.channel == COMMUNITY.channel.id)
    paid = world.giver.seal(COMMUNITY.statement_job(days[:1], old))
    assert world.hand_over().sequence == 2
    signed = world.permit(channel=COMMUNITY.open_channel.id)
    assert world.hand_over(signed, channel=COMMUNITY.open_channel).sequence == 1
    new = world.taker.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
    world.taker.create_identity(COMMUNITY.binding(COMMUNITY.open_channel), COMMUNITY.open_channel)
    assert new.storage_key == old.storage_key
    assert new.address != old.address
    third = world.taker.seal(COMMUNITY.seal_job(2, COMMUNITY.head(days[1])))
    assert (third.header.sequence, third.header.previous) == (3, COMMUNITY.head(days[1]).digest)
    assert recover_address(third.header.digest(COMMUNITY.domain), third.signature) == new.address
    assert paid.payouts is not None
    with pytest.raises(PayoutsBroken):
        world.taker.seal(COMMUNITY.statement_job(days[1:], new, COMMUNITY.head(paid)))
    again = COMMUNITY.statement_job([days[1], third], new, COMMUNITY.head(paid), paid.payouts.listed)
    settled = world.taker.seal(again)
    assert settled.header.sequence == 2
    assert settled.payouts is not None
    repeated = COMMUNITY.statement_job(days[:1], new, COMMUNITY.head(settled), settled.payouts.listed)
    with pytest.raises(PeriodOverlaps):
        world.taker.seal(repeated)


def test_meters_go_on_where_they_stood(platforms: Platforms, tmp_path: Path, world: World) -> None:
    """An absent meter repeats its last state: the successor knows it, a fresh key at the same head does not."""
    first = world.giver.seal(COMMUNITY.seal_job(0))
    world.hand_over()
    sealed = world.taker.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first), absent=frozenset({0})))
    alone = LocalEnclave(platforms[0], tmp_path / "alone")
    alone.create_identity(COMMUNITY.binding(), COMMUNITY.channel, COMMUNITY.head(first))
    blank = alone.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first), absent=frozenset({0})))
    reader = COMMUNITY.readers[0]

    def last_interval_end(batch: SealedBatch) -> int:
        index = list(batch.member_of).index(0)
        header, name = batch.header, batch.entries[index][2:34]
        wrapped = batch.wrapped_keys[index][reader.public_key]
        key = unwrap_series_key(reader, wrapped, header.channel, header.sequence, index, name)
        block = parse_series_block(open_block(key, header.channel, header.sequence, name, batch.blocks[index]))
        return 0 if block.previous is None else block.previous.last_interval_end

    assert last_interval_end(sealed) == first.header.period_end
    assert last_interval_end(blank) == 0


def test_a_giver_signs_nothing_more(world: World) -> None:
    first = world.giver.seal(COMMUNITY.seal_job(0))
    world.hand_over()
    with pytest.raises(PhaseRefused):
        world.giver.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first)))
    with pytest.raises(PhaseRefused):
        world.giver.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
    with pytest.raises(PhaseRefused):
        world.giver.first_light("more")
    with pytest.raises(PhaseRefused):
        world.giver.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
    released = world.giver.last_release(COMMUNITY.channel.id)
    assert released is not None
    assert released.header == first.header
    assert world.giver.seal(COMMUNITY.seal_job(0)).signature == first.signature  # the same one again
    world.restart()
    with pytest.raises(PhaseRefused):
        world.giver.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first)))


def test_a_job_begun_before_is_not_signed_after(world: World) -> None:
    job = COMMUNITY.seal_job(0)
    world.giver._ask(
        "seal.begin",
        {
            "channel": COMMUNITY.channel.id, "head_sequence": 0, "head_digest": bytes(32),
            "period_start": job.period_start, "period_end": job.period_end,
            "members": job.members.to_bytes(), "meter_keys": b"".join(job.meter_keys),
        },
    )  # fmt: skip
    world.giver._ask("seal.add", {"blocks": list(job.blocks)})
    world.hand_over()
    with pytest.raises(PhaseRefused):
        world.giver._ask("batch.finish", {})
    assert world.giver.last_release(COMMUNITY.channel.id) is None


def test_a_taker_signs_nothing_before(world: World) -> None:
    with pytest.raises(PhaseRefused):
        world.taker.seal(COMMUNITY.seal_job(0))
    with pytest.raises(PhaseRefused):
        world.taker.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
    with pytest.raises(PhaseRefused):
        world.taker.activate_standby(COMMUNITY.channel.id, ChainHead())
    again = world.taker.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
    assert again == world.taker.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
    with pytest.raises(IdentityConflict):
        world.taker.prepare_successor(COMMUNITY.binding(operator=b"\x09" * 20), COMMUNITY.channel)
    with pytest.raises(RequestInvalid):
        world.taker.prepare_successor(COMMUNITY.binding(), COMMUNITY.open_channel)
    with pytest.raises(PhaseRefused):
        world.giver.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)


@pytest.mark.parametrize(
    "changed",
    [
        {"from_measurement": b"\x01" * 32},
        {"to_measurement": b"\x01" * 32},
        {"to_platform": b"\x01" * 32},
        {"operator": b"\x01" * 20},
        {"channel": b"\x01" * 32},
        {"valid_until": NOW},
        {"signer": Secp256k1PrivateKey.from_seed(secret("host"))},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_only_what_the_manager_permits(world: World, changed: dict[str, object]) -> None:
    with pytest.raises(PermitRefused):
        world.hand_over(world.permit(**changed))  # type: ignore[arg-type]
    assert world.phases() == ("active", "awaiting")


def test_a_giver_alone_refuses_too(world: World) -> None:
    """A taker whose host found another permit for it does not get past the giver's."""
    ours, theirs = (peer_settings(COMMUNITY, each, world.platforms) for each in world.platforms)
    for other in (
        world.permit(to_platform=b"\x01" * 32),
        world.permit(PermitKind.STANDBY),
        world.permit(to_measurement=UPGRADED),
    ):
        with pytest.raises((PermitRefused, HandOverRefused)):
            meet(world.taker, theirs, "take", world.giver, ours, "give", signed=world.permit(), server_permit=other)
    assert world.phases() == ("active", "awaiting")


def test_the_same_successor_only(platforms: Platforms, tmp_path: Path, world: World) -> None:
    world.hand_over()
    late = World(platforms, tmp_path)
    late.taker = LocalEnclave(platforms[1], tmp_path / "late")
    late.taker.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
    with pytest.raises(HandOverRefused):
        late.hand_over()
    with pytest.raises(HandOverRefused):
        world.hand_over()
    with pytest.raises(HandOverRefused):
        late.hand_over(late.permit(PermitKind.STANDBY))


def test_which_head_goes_over(world: World) -> None:
    first = world.giver.seal(COMMUNITY.seal_job(0))
    second = world.giver.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first)))
    with pytest.raises(HeadMismatch):
        world.hand_over(head=ChainHead())
    with pytest.raises(HeadMismatch):
        world.hand_over(head=ChainHead(2, first.header.previous))
    assert world.phases() == ("active", "awaiting")
    assert world.hand_over(head=COMMUNITY.head(first)).sequence == 1
    with pytest.raises(PeriodOverlaps):
        world.taker.seal(COMMUNITY.seal_job(0, COMMUNITY.head(first)))
    anew = world.taker.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first)))
    assert anew.header.sequence == second.header.sequence
    with pytest.raises(HeadMismatch):
        world.taker.seal(COMMUNITY.seal_job(2, COMMUNITY.head(second)))


def test_a_rolled_back_giver_meets_the_chain(world: World) -> None:
    first = world.giver.seal(COMMUNITY.seal_job(0))
    shutil.copytree(world.folder / "giver", world.folder / "copy")
    world.hand_over()
    second = world.taker.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first)))
    shutil.rmtree(world.folder / "giver")
    (world.folder / "copy").rename(world.folder / "giver")
    world.restart()
    with pytest.raises(HeadMismatch):
        world.giver.seal(COMMUNITY.seal_job(2, COMMUNITY.head(second)))


def test_a_crash_at_any_point_leaves_at_most_one_that_signs(platforms: Platforms, tmp_path: Path) -> None:
    """Every step between the hosts and every point inside the writes, at either end; then on from what is on disk."""
    seen = set()
    inside = [(end, point) for end in (0, 1) for point in range(3)]
    for name, (step, end, point) in enumerate(
        [(step, None, None) for step in range(1, 8)] + [(None, end, point) for end, point in inside]
    ):
        world = World(platforms, tmp_path / str(name))
        world.giver.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
        world.taker.prepare_successor(COMMUNITY.binding(), COMMUNITY.channel)
        first = world.giver.seal(COMMUNITY.seal_job(0))
        ours, theirs = (peer_settings(COMMUNITY, each, platforms) for each in platforms)
        if end is not None:
            world.faults[end].left = point

        def crash(now: int, step: int | None = step) -> None:
            if now == step:
                raise Crash

        signed = world.permit()
        crashed = False
        try:
            meet(world.taker, theirs, "take", world.giver, ours, "give", signed=signed, after_step=crash)
        except Crash:
            crashed = True
        world.restart()
        assert crashed == (point != 2)  # two points are in a write: behind them nothing is left to stop at
        seen.add(world.phases())
        assert world.phases() in (("active", "awaiting"), ("handed_over", "awaiting"), ("handed_over", "active"))
        if world.phases()[1] == "awaiting":
            assert world.hand_over().sequence == 1
        assert world.phases() == ("handed_over", "active")
        assert world.taker.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first))).header.sequence == 2
    assert len(seen) == 3


def test_a_state_that_cannot_be_written_does_not_leave(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StateWriteFailed):
        world.hand_over()
    monkeypatch.undo()
    assert world.phases() == ("active", "awaiting")
    assert world.hand_over().sequence == 0


@pytest.mark.parametrize("kind", list(PermitKind))
@pytest.mark.parametrize("too_much", ["keys", "meters"])
def test_what_cannot_be_sent_costs_the_giver_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch, too_much: str, kind: PermitKind
) -> None:
    first = world.giver.seal(COMMUNITY.seal_job(0))
    if too_much == "keys":
        identities = world.giver.service._identities
        state = identities.get(COMMUNITY.channel.id)
        keys = tuple(bytes((number,)) * 20 for number in range(1, MAX_PREDECESSORS + 1))
        identities.save(replace(state, heritage=replace(state.heritage, predecessors=keys)))
    else:
        monkeypatch.setattr("wattest.enclave.measured.hand_over.MAX_FRAME_BYTES", 512)
    with pytest.raises(HandOverRefused):
        world.hand_over(world.permit(kind))
    world.restart()
    assert world.phases() == ("active", "awaiting")
    assert world.giver.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first))).header.sequence == 2


def test_a_standby_is_kept_current_and_starts_at_the_head_alone(world: World) -> None:
    signed = world.permit(PermitKind.STANDBY)
    heads = [ChainHead()]
    for day in range(3):
        batch = world.giver.seal(COMMUNITY.seal_job(day, heads[-1]))
        heads.append(COMMUNITY.head(batch))
        assert world.hand_over(signed).sequence == day + 1
    assert world.phases() == ("active", "standby")
    with pytest.raises(HeadMismatch):  # never an older one
        world.hand_over(signed, head=ChainHead(1, heads[1].digest))
    with pytest.raises(HandOverRefused):
        world.hand_over(signed, head=heads[2])
    with pytest.raises(PhaseRefused):
        world.taker.seal(COMMUNITY.seal_job(3, heads[3]))
    fourth = world.giver.seal(COMMUNITY.seal_job(3, heads[3]))
    with pytest.raises(HeadMismatch):  # the chain went on without it
        world.taker.activate_standby(COMMUNITY.channel.id, COMMUNITY.head(fourth))
    with pytest.raises(HeadMismatch):
        world.taker.activate_standby(COMMUNITY.channel.id, heads[2])
    world.hand_over(signed)
    world.restart()
    for _ in range(2):
        assert world.taker.activate_standby(COMMUNITY.channel.id, COMMUNITY.head(fourth)).phase == "active"
    fifth = world.taker.seal(COMMUNITY.seal_job(4, COMMUNITY.head(fourth)))
    assert fifth.header.sequence == 5
    with pytest.raises(HeadMismatch):  # the primary was not dead, and the chain went on with the standby
        world.giver.seal(COMMUNITY.seal_job(5, COMMUNITY.head(fifth)))
    with pytest.raises(WattestError):
        world.hand_over(signed)


def test_an_activation_repeated_after_the_primary_went_on_is_refused(world: World) -> None:
    first = world.giver.seal(COMMUNITY.seal_job(0))
    world.hand_over(world.permit(PermitKind.STANDBY))
    world.taker.activate_standby(COMMUNITY.channel.id, COMMUNITY.head(first))
    second = world.giver.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first)))
    with pytest.raises(HeadMismatch):  # else its key would be registered, and could seal nothing
        world.taker.activate_standby(COMMUNITY.channel.id, COMMUNITY.head(second))
    assert world.taker.activate_standby(COMMUNITY.channel.id, COMMUNITY.head(first)).phase == "active"
    other = world.taker.seal(COMMUNITY.seal_job(1, COMMUNITY.head(first)))
    assert world.taker.activate_standby(COMMUNITY.channel.id, COMMUNITY.head(other)).phase == "active"


def test_a_standby_may_take_over_in_order(world: World) -> None:
    world.giver.seal(COMMUNITY.seal_job(0))
    world.hand_over(world.permit(PermitKind.STANDBY))
    world.hand_over()
    assert world.phases() == ("handed_over", "active")


def test_batches_of_strangers_are_still_no_citations(world: World, platforms: Platforms, tmp_path: Path) -> None:
    stranger = LocalEnclave(platforms[0], tmp_path / "stranger")
    stranger.create_identity(COMMUNITY.binding(), COMMUNITY.channel)
    foreign = stranger.seal(COMMUNITY.seal_job(0))
    world.giver.seal(COMMUNITY.seal_job(0))
    world.hand_over()
    world.taker.create_identity(COMMUNITY.binding(COMMUNITY.open_channel), COMMUNITY.open_channel)
    job = COMMUNITY.statement_job([foreign], stranger.describe().identities[0])
    with pytest.raises(CitationRefused, match="nor by one"):
        world.taker.seal(job)
