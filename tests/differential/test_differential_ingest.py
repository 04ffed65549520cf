"""Blocks taken in in columns against the plain way: the same ones kept, the same ones refused, with the same errors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wattest.crypto.p256 import ORDER, P256PrivateKey
from wattest.errors import InputError, VerificationError, WattestError
from wattest.io.crash_points import CrashPoints
from wattest.messages.channel import ChannelIdentity, ChannelKind
from wattest.messages.member_list import Member, MemberList, SignedMemberList
from wattest.metering.device_block import (
    DeviceBlock,
    device_block_digest,
    parse_device_block,
    sign_device_block,
    verify_device_block,
)
from wattest.metering.meter import pseudonym
from wattest.metering.records import make_device_records
from wattest.operator.ingest import PeriodMismatch, keep_block, keep_blocks, take_in, verify_member_block
from wattest.store.duty import Duty, ForeignMeter, MemberKeys
from wattest.store.inbox import InboxFolder
from wattest.store.operator_store import SqliteOperatorStore
from wattest.store.ports import MAX_BLOCK_BYTES

EPOCH_S = 3_600
FIRST = 1_760_000_400 // EPOCH_S * EPOCH_S
CHANNEL = ChannelIdentity(b"\x0a" * 20, ChannelKind.SCHEDULED, b"\x0b" * 32)
METERS = [P256PrivateKey.from_seed(hashlib.sha256(bytes([number])).digest()) for number in range(4)]
STRANGER = P256PrivateKey.from_seed(hashlib.sha256(b"stranger").digest())


def listed(meters: Sequence[P256PrivateKey], valid_from: int) -> MemberKeys:
    """A member list; nobody asks here whether the manager signed it."""
    members = tuple(
        Member(key, hashlib.sha256(key).digest(), b"\x01" * 32) for key in sorted(one.public_key for one in meters)
    )
    signed = SignedMemberList(MemberList(CHANNEL.id, valid_from, members, ()), CHANNEL, b"\x03" * 65)
    return MemberKeys(signed, [bytes(32)] * len(members))


DUTY = Duty(CHANNEL, EPOCH_S, FIRST, (listed(METERS[:2], FIRST), listed(METERS, FIRST + 2 * EPOCH_S)))


def signed(meter: P256PrivateKey, hour: int, *, register: int = 100, length_s: int = EPOCH_S) -> DeviceBlock:
    start = FIRST + hour * EPOCH_S
    records = make_device_records(
        pseudonym(meter.public_key), start=[start, start + 900], duration_s=900,
        import_register=[register, register + 7], export_register=3, import_milliwatt_hours=7, export_milliwatt_hours=0,
    )  # fmt: skip
    return sign_device_block(meter, start, start + length_s, records)


def changed(block: DeviceBlock, **fields: int) -> bytes:
    """The block with its first record changed, signed by its meter as it is."""
    meter = next(one for one in METERS if one.public_key == block.public_key)
    records = block.records.copy()
    for name, value in fields.items():
        records[name][0] = value
    digest = device_block_digest(block.public_key, block.period_start, block.period_end, records)
    signature = meter.sign_digest(digest)
    return DeviceBlock(block.public_key, block.period_start, block.period_end, records, signature).to_bytes()


def high_s(data: bytes) -> bytes:
    """The same signature in its other form."""
    return data[:-32] + (ORDER - int.from_bytes(data[-32:], "big")).to_bytes(32, "big")


@cache
def blocks() -> dict[str, bytes]:
    """One of every kind that an inbox may hold; hours 0 and 1 are collected, two meters join with hour 2."""
    first, *_ = METERS
    good = signed(first, 2)
    plain = good.to_bytes()
    kinds = {f"meter {number} in hour 2": signed(meter, 2).to_bytes() for number, meter in enumerate(METERS)}
    kinds |= {f"meter {number} in hour 5": signed(meter, 5).to_bytes() for number, meter in enumerate(METERS)}
    return kinds | {
        "another of meter 0": signed(first, 2, register=101).to_bytes(),
        "half a period": signed(first, 4, length_s=1_800).to_bytes(),
        "kept before its hour was collected": signed(first, 1).to_bytes(),
        "too late": signed(METERS[1], 1).to_bytes(),
        "too late and a stranger's": signed(STRANGER, 1).to_bytes(),
        "before any list": signed(first, -30).to_bytes(),
        "a stranger's": signed(STRANGER, 2).to_bytes(),
        "over two periods": signed(first, 2, length_s=EPOCH_S + 1).to_bytes(),
        "another reading": plain[:100] + bytes([plain[100] ^ 1]) + plain[101:],
        "a broken signature": plain[:-1] + bytes([plain[-1] ^ 1]),
        "a high s": high_s(plain),
        "no duration": changed(good, duration_s=0),
        "a flag of vee's": changed(good, quality=0x0100),
        "out of order": changed(good, start=FIRST + 2 * EPOCH_S + 1_800),
        "a key off the curve": plain[:1] + b"\x01" * 64 + plain[65:],
        "another version": b"\x02" + plain[1:],
        "truncated": plain[:-1],
        "longer": plain + b"\x00",
        "a count that lies": plain[:84] + b"\x03" + plain[85:],
        "a period that ends before it starts": plain[:65] + plain[73:81] + plain[65:73] + plain[81:],
        "nothing": b"",
        "over the limit": bytes(MAX_BLOCK_BYTES + 1),
    }


def opened(folder: Path, *, collected: bool = True) -> SqliteOperatorStore:
    """A store that has collected hours 0 and 1, or nothing."""
    store = SqliteOperatorStore(folder / "operator.sqlite")
    if not collected:
        return store
    keep_block(store, DUTY, blocks()["kept before its hour was collected"])
    for sequence in (1, 2):
        start = FIRST + (sequence - 1) * EPOCH_S
        store.collect(CHANNEL.id, sequence, (start, start + EPOCH_S))
        store.mark_if_before_sealed(CHANNEL.id, sequence)
    return store


def plainly(store: SqliteOperatorStore, bodies: Sequence[bytes]) -> list[bool | WattestError]:
    outcomes: list[bool | WattestError] = []
    for body in bodies:
        try:
            outcomes.append(keep_block(store, DUTY, body))
        except (InputError, VerificationError) as error:
            outcomes.append(error)
    return outcomes


def told(outcomes: Sequence[bool | WattestError]) -> list[object]:
    return [outcome if isinstance(outcome, bool) else outcome.as_dict() for outcome in outcomes]


def kept(store: SqliteOperatorStore) -> list[tuple[object, ...]]:
    return store.database.rows("SELECT * FROM device_block ORDER BY meter, period_start")


@settings(max_examples=max(40, settings().max_examples // 4), deadline=None)
@given(st.lists(st.sampled_from([name for name in blocks() if name != "over the limit"]), max_size=40), st.booleans())
def test_columns_keep_and_refuse_as_the_plain_way(names: list[str], collected: bool) -> None:
    bodies = [blocks()[name] for name in names]
    with TemporaryDirectory() as one, TemporaryDirectory() as two:
        columns, plain = (opened(Path(folder), collected=collected) for folder in (one, two))
        with closing(columns), closing(plain):
            assert told(keep_blocks(columns, DUTY, iter(bodies))) == told(plainly(plain, bodies))
            assert kept(columns) == kept(plain)


def test_every_kind_is_refused_or_kept_for_its_own_reason(tmp_path: Path) -> None:
    """Each kind alone and then all of them, so that one that does not hold takes no other with it."""
    codes: dict[str, object] = {}
    for number, (name, body) in enumerate(blocks().items()):
        with TemporaryDirectory(dir=tmp_path) as folder, closing(opened(Path(folder))) as store:
            (outcome,) = keep_blocks(store, DUTY, [body])
            codes[name] = outcome if isinstance(outcome, bool) else outcome.code
        assert len(codes) == number + 1
    assert codes == {
        **dict.fromkeys((f"meter {number} in hour {hour}" for hour in (2, 5) for number in range(4)), True),
        "another of meter 0": True,
        "half a period": True,
        "kept before its hour was collected": False,
        "too late": "PeriodMismatch",
        "too late and a stranger's": "PeriodMismatch",
        "before any list": "PeriodMismatch",
        "a stranger's": "ForeignMeter",
        "over two periods": "PeriodMismatch",
        "another reading": "ForeignRecord",
        "a broken signature": "DeviceSignatureInvalid",
        "a high s": "DeviceSignatureInvalid",
        "no duration": "DeviceRecordInvalid",
        "a flag of vee's": "DeviceRecordInvalid",
        "out of order": "RecordsOutOfOrder",
        "a key off the curve": "ForeignMeter",
        "another version": "MalformedDeviceBlock",
        "truncated": "MalformedDeviceBlock",
        "longer": "MalformedDeviceBlock",
        "a count that lies": "MalformedDeviceBlock",
        "a period that ends before it starts": "MalformedDeviceBlock",
        "nothing": "MalformedDeviceBlock",
        "over the limit": "BlockTooLarge",
    }
    with closing(opened(tmp_path / "all")) as columns, closing(opened(tmp_path / "plain")) as plain:
        bodies = list(blocks().values())
        assert told(keep_blocks(columns, DUTY, bodies)) == told(plainly(plain, bodies))
        assert kept(columns) == kept(plain)
    with closing(opened(tmp_path / "fresh", collected=False)) as store:
        (outcome,) = keep_blocks(store, DUTY, [blocks()["before any list"]])
        assert isinstance(outcome, ForeignMeter)
        assert outcome.message == "no member list holds for this period"


def test_an_inbox_sets_aside_what_the_plain_way_refuses(tmp_path: Path) -> None:
    inbox = InboxFolder(tmp_path / "inbox")
    bodies = [body for name, body in blocks().items() if name not in {"over the limit", "another of meter 0"}]
    files = {inbox.put(CHANNEL.id, body): body for body in bodies}
    with closing(opened(tmp_path / "columns")) as columns, closing(opened(tmp_path / "plain")) as plain:
        kept_now, refused = take_in(inbox, columns, DUTY, CrashPoints())
        outcomes = plainly(plain, [files[name] for name in sorted(files)])
        assert kept_now == outcomes.count(True)
        assert told(refused) == told([one for one in outcomes if isinstance(one, WattestError)])
        assert kept(columns) == kept(plain)
    aside = {path.stem for path in (inbox.folder / "refused").glob("*/*.block")}
    expected = zip(sorted(files), outcomes, strict=True)
    assert aside == {name for name, outcome in expected if isinstance(outcome, WattestError)}
    assert not list(inbox.folder.glob("*/*.block")) or aside


def test_a_collected_period_takes_blocks_until_the_enclave_is_asked(tmp_path: Path) -> None:
    """Whoever left one before the period was seen to be collected has the operator's word for it."""
    start, body = FIRST + 2 * EPOCH_S, blocks()["meter 1 in hour 2"]
    with closing(opened(tmp_path)) as store:
        store.collect(CHANNEL.id, 3, (start, start + EPOCH_S))
        assert keep_blocks(store, DUTY, [body]) == [True]
        store.mark_if_before_sealed(CHANNEL.id, 3)
        assert list(store.blocks_of(CHANNEL.id, 3)) == [body]
        (late,) = keep_blocks(store, DUTY, [blocks()["meter 0 in hour 2"]])
        assert isinstance(late, PeriodMismatch)


@pytest.mark.parametrize("name", blocks())
def test_a_server_takes_what_the_plain_rules_take(name: str) -> None:
    """Whoever leaves a block in the inbox is told what its period's member list and the block's own rules say."""
    body = blocks()[name]

    def plain() -> None:
        block = parse_device_block(body)
        period = DUTY.period_of(block.period_start)
        if block.period_end > period[1]:
            raise PeriodMismatch(
                "a block lies in one period",
                expected=period[1],
                actual=block.period_end,
                period_start=block.period_start,
            )
        if block.public_key not in DUTY.members_at(DUTY.period_of(block.period_start)[0]).public_keys:
            raise ForeignMeter("the meter is no member of the channel")
        verify_device_block(block)

    said = []
    for check in (plain, lambda: verify_member_block(DUTY, body)):
        try:
            check()
            said.append(None)
        except (InputError, VerificationError) as error:
            said.append(error.as_dict())
    assert said[0] == said[1]
