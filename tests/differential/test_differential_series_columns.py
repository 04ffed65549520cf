"""Series in columns against the plain rules: the same verdicts, entries and blocks."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from wattest.crypto import native
from wattest.crypto.errors import BufferRefused
from wattest.crypto.p256 import ORDER, P256PrivateKey
from wattest.crypto.secp256k1 import Secp256k1PrivateKey
from wattest.errors import InputError, VerificationError
from wattest.metering.device_block import (
    DEVICE_BLOCK_VERSION,
    GRID_BLOCK_VERSION,
    DeviceBlock,
    parse_device_block,
    sign_device_block,
    verify_device_block,
)
from wattest.metering.entry import EntryKind, SeriesEntry, evidence_digest
from wattest.metering.meter import meter_key_id, pseudonym
from wattest.metering.records import make_device_records
from wattest.metering.series import build_series_tree
from wattest.metering.series_block import PreviousState, SeriesBlock
from wattest.sealing import series_columns
from wattest.sealing.bundle import seal_block
from wattest.sealing.edited_series import edit_series, last_measured
from wattest.sealing.series_columns import (
    PREVIOUS,
    OpenedBlocks,
    edit_in_columns,
    open_device_blocks,
    runs_of,
    seal_in_columns,
)
from wattest.workload.engine import EngineConfiguration
from wattest.workload.guests import load_guest

GUEST = load_guest("vee", EngineConfiguration.for_enclave())
START = 1_760_000_400
CHANNEL = hashlib.sha256(b"channel").digest()
KEYS = [P256PrivateKey.from_seed(hashlib.sha256(bytes([n])).digest()) for n in range(6)]


def signed(key: P256PrivateKey, slots: list[int], *, register: int = 10_000, period: int = 8) -> DeviceBlock:
    """A block with readings in ``slots`` of a period of quarter hours; of version 2 without a gap from the start on."""
    is_grid = slots == list(range(len(slots)))
    period = len(slots) if is_grid else period
    count = np.arange(1, len(slots) + 1)
    records = make_device_records(
        pseudonym(key.public_key), start=[START + 900 * slot for slot in slots], duration_s=900,
        import_register=register + 7 * np.asarray(slots) + 7, export_register=3,
        import_milliwatt_hours=np.full(len(count), 7), export_milliwatt_hours=0, quality=1,
    )  # fmt: skip
    version = GRID_BLOCK_VERSION if is_grid else DEVICE_BLOCK_VERSION
    return sign_device_block(key, START, START + 900 * period, records, version=version)


def rows_of(states: list[PreviousState | None]) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    rows = np.zeros(len(states), dtype=PREVIOUS)
    for place, state in enumerate(states):
        if state is not None:
            rows[place] = (1, state.last_interval_end, state.import_register, state.export_register)
    return rows


def plainly(
    block: DeviceBlock, state: PreviousState | None, name: bytes, key: bytes
) -> tuple[bytes, bytes, bytes, PreviousState]:
    """Entry, plaintext, ciphertext and standing by the rules one by one."""
    records = edit_series(GUEST, block.records, block.digest, block.period_start, block.period_end, state)
    entry = SeriesEntry(
        EntryKind.SIGNED_DEVICE_BLOCK, name, block.period_start, block.period_end, records.shape[0],
        build_series_tree(records, key).root, evidence_digest(block.digest, block.signature, block.public_key),
    )  # fmt: skip
    plaintext = SeriesBlock(
        entry, records, state, block.public_key, block.signature, block_version=block.version
    ).to_bytes()
    return entry.pack(), plaintext, seal_block(key, CHANNEL, 7, name, plaintext), last_measured(records)


slots = st.one_of(
    st.lists(st.integers(0, 7), min_size=1, max_size=8, unique=True).map(sorted),
    st.integers(1, 8).map(lambda count: list(range(count))),
)
standing = st.one_of(
    st.none(), st.builds(PreviousState, st.sampled_from([START, START - 900]), st.just(9_990), st.integers(0, 3))
)


@settings(max_examples=max(40, settings().max_examples // 4))
@given(st.lists(st.tuples(slots, standing), min_size=1, max_size=len(KEYS)), st.integers(1, 3))
def test_columns_seal_what_the_plain_rules_seal(
    meters: list[tuple[list[int], PreviousState | None]], threads: int
) -> None:
    blocks = [signed(key, held) for key, (held, _) in zip(KEYS, meters, strict=False)]
    states = [state for _, state in meters]
    names = [hashlib.sha256(b"name" + bytes([n])).digest() for n in range(len(blocks))]
    keys = [hashlib.sha256(b"key" + bytes([n])).digest() for n in range(len(blocks))]
    opened = open_device_blocks([block.to_bytes() for block in blocks], threads=threads)
    assert opened.hold
    assert opened.rows["digest"].tolist() == [block.digest for block in blocks]
    assert opened.rows["version"].tolist() == [block.version for block in blocks]
    assert opened.rows["meter"].tolist() == [meter_key_id(block.public_key) for block in blocks]
    edited = edit_in_columns(GUEST, opened, rows_of(states))
    expected = [plainly(*each) for each in zip(blocks, states, names, keys, strict=True)]
    digests = [hashlib.sha256(plaintext).digest() for _, plaintext, _, _ in expected]
    for known in (None, digests):
        sealed = seal_in_columns(CHANNEL, 7, opened, edited, rows_of(states), names, keys, known, threads=threads)
        assert sealed.holds
        rows = sealed.rows
        assert rows["entry"].tolist() == [entry for entry, _, _, _ in expected]
        assert rows["plaintext_digest"].tolist() == digests
        assert sealed.blocks == [ciphertext for _, _, ciphertext, _ in expected]
        assert rows["ciphertext_digest"].tolist() == [hashlib.sha256(block).digest() for block in sealed.blocks]
        left = zip(
            rows["end"].tolist(), rows["import_register"].tolist(), rows["export_register"].tolist(), strict=True
        )
        assert [PreviousState(*numbers) for numbers in left] == [after for _, _, _, after in expected]


@settings(max_examples=max(30, settings().max_examples // 4))
@given(
    st.lists(st.tuples(slots, standing, st.booleans()), min_size=1, max_size=len(KEYS)), st.integers(1, len(KEYS) + 1)
)
def test_shares_on_threads_come_out_as_one_call_does(
    meters: list[tuple[list[int], PreviousState | None, bool]], threads: int
) -> None:
    # a register below the one before is refused by the guest: then there is no output to seal, in either way
    blocks = [
        signed(key, held, register=10_000 if sound else 1) for key, (held, _, sound) in zip(KEYS, meters, strict=False)
    ]
    opened = open_device_blocks([block.to_bytes() for block in blocks])
    previous = rows_of([state for _, state, _ in meters])
    whole = edit_in_columns(GUEST, opened, previous, threads=1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(series_columns, "MIN_SHARE_SERIES", 1)
        shared = edit_in_columns(GUEST, opened, previous, threads=threads)
    assert shared[:1] == whole[:1]
    if whole[:1] == b"\0":
        assert shared == whole


def test_a_block_that_differs_from_the_sealed_one_is_not_encrypted() -> None:
    blocks = [signed(key, [0, 1, 2]) for key in KEYS[:3]]
    opened = open_device_blocks([block.to_bytes() for block in blocks])
    names = keys = [bytes([n]) * 32 for n in (1, 2, 3)]
    edited = edit_in_columns(GUEST, opened, rows_of([None] * 3))
    first = seal_in_columns(CHANNEL, 1, opened, edited, rows_of([None] * 3), names, keys, None)
    expected = first.rows["plaintext_digest"].tolist()
    expected[1] = bytes(32)
    again = seal_in_columns(CHANNEL, 1, opened, edited, rows_of([None] * 3), names, keys, expected)
    assert not again.holds
    assert again.rows["verdict"].tolist() == [0, 2, 0]
    assert again.blocks == [first.blocks[0], b"", first.blocks[2]]


def plain_verdict(data: bytes) -> int:
    try:
        verify_device_block(parse_device_block(data))
    except (InputError, VerificationError):
        return 1
    return 0


GOOD = signed(KEYS[0], [0, 1, 3]).to_bytes()
GRID = signed(KEYS[0], [0, 1, 2, 3]).to_bytes()


@settings(max_examples=max(300, settings().max_examples))
@given(st.data(), st.sampled_from([GOOD, GRID]))
def test_damaged_blocks_get_the_plain_verdict(data: st.DataObject, whole: bytes) -> None:
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 2))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at] = data.draw(st.sampled_from([0, 1, damaged[at] ^ 1, damaged[at] ^ 0x80, 255]))
    cut = data.draw(st.sampled_from([0, 0, 0, 1, 63, 64, 150]))
    block = bytes(damaged[: len(damaged) - cut]) + data.draw(st.sampled_from([b"", b"", b"\0", bytes(63)]))
    opened = open_device_blocks([GOOD, block, GOOD])
    assert opened.rows["verdict"].tolist() == [0, plain_verdict(block), 0]


def resigned(key: P256PrivateKey, **changes: int) -> bytes:
    """A well-signed block whose record 1 breaks a rule."""
    block = signed(key, [0, 1, 3])
    records = block.records.copy()
    for name, value in changes.items():
        records[name][1] = value
    broken = replace(block, records=records)
    return replace(broken, signature=key.sign_digest(broken.digest)).to_bytes()


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"duration_s": 0}, {"quality": 0x0100}, {"start": START}, {"start": START + 900 * 9}, {"duration_s": 2_000},
        {"duration_s": 1_800}, {"start": START + 899}, {"pseudonym": 0}, {"version": 2}, {"start": 2**48},
    ],
)  # fmt: skip
def test_well_signed_blocks_get_the_plain_verdict(changes: dict[str, int]) -> None:
    data = resigned(KEYS[1], **changes)
    assert open_device_blocks([data]).rows["verdict"].tolist() == [plain_verdict(data)]
    assert plain_verdict(data) == (changes not in ({}, {"duration_s": 1_800}))


def test_a_high_s_does_not_hold() -> None:
    signature = GOOD[-64:]
    high = GOOD[:-32] + (ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    assert open_device_blocks([high]).rows["verdict"].tolist() == [plain_verdict(high)] == [1]


def test_a_key_off_the_curve_does_not_hold() -> None:
    off = GOOD[:1] + bytes(63) + b"\1" + GOOD[65:]
    assert open_device_blocks([off]).rows["verdict"].tolist() == [plain_verdict(off)] == [1]


@settings(max_examples=max(100, settings().max_examples))
@given(st.data())
def test_output_that_is_no_result_of_the_blocks_is_refused(data: st.DataObject) -> None:
    opened = open_device_blocks([GOOD])
    edited = edit_in_columns(GUEST, opened, rows_of([None]))
    other = data.draw(
        st.one_of(st.binary(max_size=300), st.just(edited[:-1]), st.just(edited + b"\0"), st.just(b"\1" + edited[1:]))
    )
    with pytest.raises(BufferRefused):
        seal_in_columns(CHANNEL, 1, opened, other, rows_of([None]), [bytes(32)], [bytes(32)], None)


def test_a_guest_that_loses_a_measured_record_is_not_believed() -> None:
    opened = open_device_blocks([GOOD])
    edited = bytearray(edit_in_columns(GUEST, opened, rows_of([None])))
    edited[9 + 61] |= 0x01  # the first measured record passes for an estimated one
    sealed = seal_in_columns(CHANNEL, 1, opened, bytes(edited), rows_of([None]), [bytes(32)], [bytes(32)], None)
    assert sealed.rows["verdict"].tolist() == [1]
    assert sealed.blocks == [b""]


def test_rows_and_blocks_that_do_not_belong_together_are_refused() -> None:
    opened = open_device_blocks([GOOD, GOOD])
    with pytest.raises(native.Fault):
        native.vee_input(GOOD, opened.ends, opened.rows.tobytes(), rows_of([None, None]).tobytes(), 900, 1)
    with pytest.raises(native.Fault):
        native.vee_input(opened.data, opened.ends, opened.rows[:1].tobytes(), rows_of([None]).tobytes(), 900, 1)
    short = OpenedBlocks(opened.data, opened.ends, opened.rows[:1])
    with pytest.raises(BufferRefused):
        seal_in_columns(CHANNEL, 1, short, b"\0\0\0\0\0", rows_of([None]), [], [], None)


@given(st.binary(max_size=400), st.lists(st.integers(0, 2**64 - 1), max_size=5))
def test_any_bytes_and_ends_give_verdicts(data: bytes, ends: list[int]) -> None:
    rows = native.open_device_blocks(data, b"".join(end.to_bytes(8, "big") for end in ends), 2)
    assert len(rows) == 214 * len(ends)
    assert all(rows[214 * place] == 1 for place in range(len(ends)))


def test_signatures_of_every_kind_are_judged_in_bulk() -> None:
    messages = [b"", b"one", b"another message"]
    ends = b"".join(sum(map(len, messages[: n + 1])).to_bytes(8, "big") for n in range(3))
    ed = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in range(3)]
    accounts = [Secp256k1PrivateKey.from_seed(bytes([n]) * 32) for n in range(1, 4)]
    made = {
        "p256": (
            [key.public_key for key in KEYS[:3]],
            [key.sign_digest(hashlib.sha256(m).digest()) for key, m in zip(KEYS, messages, strict=False)],
        ),
        "secp256k1": (
            [key.public_key for key in accounts],
            [
                key.sign_digest(hashlib.sha256(message).digest())[:64]
                for key, message in zip(accounts, messages, strict=True)
            ],
        ),
        "ed25519": (
            [key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) for key in ed],
            [key.sign(message) for key, message in zip(ed, messages, strict=True)],
        ),
    }
    for algorithm, (keys, signatures) in made.items():
        verify = (algorithm, b"".join(keys), b"".join(messages), ends)
        assert native.verify_signatures(*verify, b"".join(signatures), 2) == b"\1\1\1"
        swapped = [signatures[0], signatures[2], signatures[1]]
        assert native.verify_signatures(*verify, b"".join(swapped), 2) == b"\1\0\0"
    with pytest.raises(ValueError, match="p256, secp256k1 or ed25519"):
        native.verify_signatures("rsa", b"", b"", b"", b"")


def test_runs_fit_a_call_of_the_guest() -> None:
    block, large = bytes(149 + 63 * 96), bytes(149 + 63 * 60_000)
    assert [len(run) for run in runs_of([block] * 1_000)] == [343, 343, 314]
    assert [len(run) for run in runs_of([large, large, block])] == [1, 2]
    assert [len(run) for run in runs_of([bytes(149 + 63 * 100_000), b""])] == [1, 1]
    assert list(runs_of([])) == []
