"""Codecs of the guests: what cannot be expressed is refused before it runs, and output bytes have one reading."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wattest.metering.records import DEVICE_RECORD_BYTES, Quality, make_device_records, parse_device_records
from wattest.workload import vee as vee_module
from wattest.workload.engine import EngineConfiguration, Limits, Outcome
from wattest.workload.failures import FuelExhausted, JobDeclined, MemoryExceeded
from wattest.workload.guests import load_guest
from wattest.workload.settle import (
    BILL_FIXED_BYTES,
    HouseholdInput,
    Payout,
    StatementInput,
    StatementInputInvalid,
    encode_payouts,
    encode_statement_input,
    parse_statement_output,
)
from wattest.workload.status import MalformedGuestOutput
from wattest.workload.vee import (
    VEE_HEADER_BYTES,
    VEE_RECORD_BYTES,
    PreviousInterval,
    VeeInput,
    VeeInputInvalid,
    encode_vee_input,
    parse_vee_output,
    parse_vee_outputs,
    run_vee,
    run_vee_many,
)

HOST = EngineConfiguration.for_host()


def records(starts: list[int], registers: list[int], energies: list[int]) -> bytes:
    return make_device_records(
        b"p" * 16, start=starts, duration_s=900, import_register=registers, export_register=5,
        import_milliwatt_hours=energies, export_milliwatt_hours=0, quality=Quality.CLOCK_UNCERTAIN,
    ).tobytes()  # fmt: skip


JOB = VeeInput(0, 3600, 900, records([0, 2700], [1_010, 1_100], [10, 20]))


def test_a_gap_is_estimated_from_the_registers_and_measured_records_are_kept() -> None:
    assert VEE_RECORD_BYTES == DEVICE_RECORD_BYTES
    result = run_vee(load_guest("vee", HOST), JOB)
    edited = parse_device_records(result.records)
    assert result.count == len(edited) == 4
    assert list(edited["start"]) == [0, 900, 1800, 2700]
    assert list(edited["import_milliwatt_hours"]) == [10, 35, 35, 20]
    assert list(edited["import_register"]) == [1_010, 1_045, 1_080, 1_100]
    assert list(edited["export_register"]) == [5, 5, 5, 5]
    assert list(edited["quality"]) == [1, Quality.ESTIMATED, Quality.ESTIMATED, 1]
    assert edited[[0, 3]].tobytes() == JOB.records


def test_a_gap_across_the_periods_start_uses_the_previous_interval() -> None:
    job = VeeInput(3600, 7200, 900, records([5400, 6300], [100, 110], [10, 10]), previous=PreviousInterval(1800, 50, 5))
    edited = parse_device_records(run_vee(load_guest("vee", HOST), job).records)
    assert list(edited["start"]) == [3600, 4500, 5400, 6300]
    assert list(edited["import_milliwatt_hours"]) == [10, 10, 10, 10]  # 40 over four intervals, two of them before
    assert list(edited["import_register"]) == [80, 90, 100, 110]


def test_edges_without_a_register_are_flagged_and_carry_nothing() -> None:
    job = VeeInput(0, 3600, 900, records([900], [500], [20]))
    edited = parse_device_records(run_vee(load_guest("vee", HOST), job).records)
    assert list(edited["import_milliwatt_hours"]) == [0, 20, 0, 0]
    assert list(edited["import_register"]) == [480, 500, 500, 500]
    assert list(edited["quality"]) == [0x100, 1, 0x100, 0x100]


def test_a_rollover_and_an_implausible_power_are_flagged() -> None:
    job = VeeInput(
        0, 2700, 900, records([0, 900, 1800], [990, 15, 615], [10, 25, 600]),
        register_modulus_milliwatt_hours=1000, max_interval_milliwatt_hours=500,
    )  # fmt: skip
    edited = parse_device_records(run_vee(load_guest("vee", HOST), job).records)
    assert list(edited["quality"]) == [1, 1 | Quality.ROLLOVER, 1 | Quality.IMPLAUSIBLE]


def test_a_register_that_contradicts_the_energy_is_flagged() -> None:
    job = VeeInput(0, 1800, 900, records([0, 900], [100, 120], [10, 19]))
    edited = parse_device_records(run_vee(load_guest("vee", HOST), job).records)
    assert list(edited["quality"]) == [1, 1 | Quality.REGISTER_MISMATCH]
    assert list(edited["import_milliwatt_hours"]) == [10, 19]


def test_a_refusal_says_what_and_where() -> None:
    with pytest.raises(JobDeclined) as caught:
        run_vee(load_guest("vee", HOST), VeeInput(0, 1800, 900, records([0, 900], [100, 99], [10, 10])))
    assert caught.value.fields["index"] == 1
    assert caught.value.fields["reason"] == "a register runs backwards"
    assert caught.value.exit_code == 4


def test_many_jobs_give_what_each_gives_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    guest = load_guest("vee", HOST)
    jobs = [replace(JOB, period_end=3600 + 900 * k) for k in range(7)]
    alone = [run_vee(guest, job) for job in jobs]
    assert list(run_vee_many(guest, jobs)) == alone
    monkeypatch.setattr(vee_module, "MAX_VEE_JOBS", 3)
    sizes: list[int] = []
    run = guest.run

    def counting(data: bytes, limits: Limits | None = None) -> Outcome:
        sizes.append(int.from_bytes(data[1:5], "big"))
        return run(data, limits)

    monkeypatch.setattr(guest, "run", counting)
    assert list(run_vee_many(guest, jobs)) == alone
    assert sizes == [3, 3, 1]
    assert list(run_vee_many(guest, [])) == []


def test_many_jobs_that_fill_more_than_a_call_holds_are_split() -> None:
    guest = load_guest("vee", HOST)
    jobs = [VeeInput(0, 900 * 60_000, 900, records([0], [10], [10]))] * 2
    assert [result.count for result in run_vee_many(guest, jobs)] == [60_000, 60_000]


def test_a_refused_job_among_many_is_named_as_if_it_were_alone() -> None:
    bad = VeeInput(0, 1800, 900, records([0, 900], [100, 99], [10, 10]))
    results = run_vee_many(load_guest("vee", HOST), [JOB, bad, JOB])
    assert next(results).count == 4
    with pytest.raises(JobDeclined) as caught:
        next(results)
    assert caught.value.fields["index"] == 1
    assert caught.value.fields["reason"] == "a register runs backwards"


def test_results_of_another_number_of_jobs_are_refused() -> None:
    good = b"\0\0\0\0\1\0\0\0\1" + bytes(63)
    assert [result.count for result in parse_vee_outputs(good, 1)] == [1]
    for jobs, output in ((2, good), (1, good + b"\0"), (1, good[:-1]), (0, good), (1, b"\0")):
        with pytest.raises(MalformedGuestOutput):
            parse_vee_outputs(output, jobs)


def test_limits_bound_a_guest_that_is_honest_too() -> None:
    guest = load_guest("vee", HOST)
    with pytest.raises(FuelExhausted):
        run_vee(guest, JOB, Limits(fuel=1000))
    with pytest.raises(MemoryExceeded):
        run_vee(guest, JOB, Limits(memory_bytes=1 << 20))


def test_a_year_of_quarter_hours_fits() -> None:
    count = 100_000
    energies = np.arange(count) % 97
    data = make_device_records(
        b"p" * 16, start=np.arange(count) * 900, duration_s=900, import_register=np.cumsum(energies), export_register=0,
        import_milliwatt_hours=energies, export_milliwatt_hours=0,
    ).tobytes()  # fmt: skip
    assert run_vee(load_guest("vee", HOST), VeeInput(0, count * 900, 900, data)).records == data


@pytest.mark.parametrize(
    "changes",
    [
        {"records": b""}, {"records": JOB.records[:-1]}, {"records": bytes(63 * 100_001)}, {"period_start": -1},
        {"period_end": 2**64}, {"interval_s": 2**32}, {"register_modulus_milliwatt_hours": 2**64},
        {"max_interval_milliwatt_hours": -1}, {"previous": PreviousInterval(0, 2**64, 0)},
    ],
)  # fmt: skip
def test_a_vee_job_outside_the_format_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(VeeInputInvalid):
        encode_vee_input(replace(JOB, **changes))


def test_the_vee_header_lies_as_the_page_says() -> None:
    job = replace(
        JOB, previous=PreviousInterval(7, 8, 9), register_modulus_milliwatt_hours=5, max_interval_milliwatt_hours=6
    )
    data = encode_vee_input(job)
    assert data[:2] == b"\1\1"
    assert [int.from_bytes(data[a:b], "big") for a, b in ((2, 10), (10, 18), (18, 22), (22, 30), (30, 38))] == [
        0, 3600, 900, 5, 6
    ]  # fmt: skip
    assert struct.unpack(">QQQI", data[38:VEE_HEADER_BYTES]) == (7, 8, 9, 2)


@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_any_bytes_are_vee_output_or_a_typed_error(noise: bytes, count: int) -> None:
    good = b"\0\0\0\0\1" + bytes(63)
    assert parse_vee_output(good).count == 1
    for candidate in (
        noise,
        b"\0" + noise,
        b"\1" + noise,
        good + noise[:1],
        b"\0" + struct.pack(">Q", count)[4:] + noise,
    ):
        try:
            output = parse_vee_output(candidate)
        except (MalformedGuestOutput, JobDeclined):
            continue
        assert b"\0" + output.count.to_bytes(4, "big") + output.records == candidate


def statement(**changes: Any) -> StatementInput:
    values: dict[str, Any] = {
        "period_start": 0, "period_end": 900, "interval_s": 900, "tariff": bytes(50), "allocation": bytes(9),
        "payees": [bytes(20)], "households": [HouseholdInput(bytes(32), bytes(16), [1], [2])],
    }  # fmt: skip
    return StatementInput(**(values | changes))


def household(**changes: Any) -> list[HouseholdInput]:
    return [replace(statement().households[0], **changes)]


@pytest.mark.parametrize(
    "changes",
    [
        {"period_end": 0}, {"period_end": 901}, {"interval_s": 0}, {"interval_s": -900}, {"period_start": -900},
        {"households": [], "payees": []}, {"payees": []}, {"payees": [bytes(19)]}, {"tariff": bytes(49)},
        {"allocation": bytes(8)}, {"period_end": 900 * (2**21 + 1)},
        {"previous_payouts": [Payout(bytes(20), 1)] * 65_537}, {"previous_payouts": [Payout(bytes(20), 2**128)]},
        {"households": household(job_id=bytes(31))}, {"households": household(blinding=bytes(15))},
        *({"households": household(**{column: bad})} for column in ("imports", "exports")
          for bad in ([], [1, 2], [-1], [2**64], [1.0], [True], ["1"], np.array([-1]), np.array([1.0]),
                      np.array([[1]]), np.array([1, 2]))),
    ],
)  # fmt: skip
def test_a_statement_outside_the_format_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(StatementInputInvalid):
        encode_statement_input(statement(**changes))


def test_columns_of_any_integer_type_encode_alike() -> None:
    plain = encode_statement_input(statement())
    for kind in ("u1", "i8", ">u8", "<u4"):
        columns = {"imports": np.array([1], dtype=kind), "exports": np.array([2], dtype=kind)}
        assert encode_statement_input(statement(households=household(**columns))) == plain
    assert encode_statement_input(statement(households=household(imports=[2**64 - 1])))[-16:-8] == b"\xff" * 8


@given(st.binary(max_size=700), st.integers(0, 600), st.integers(1, 255))
def test_any_bytes_are_statement_output_or_a_typed_error(noise: bytes, at: int, change: int) -> None:
    bill = bytes(BILL_FIXED_BYTES + 16)
    payouts = [Payout(b"\1" * 20, 3), Payout(b"\2" * 20, 2)]
    good = b"".join(
        [b"\0", struct.pack(">II", 1, len(bill)), bill, struct.pack(">I", 2), encode_payouts(payouts), bytes(32)]
    )
    parsed = parse_statement_output(good)
    assert parsed.bills == [bill]
    assert parsed.payouts == payouts
    assert parsed.payout_total == 5
    changed = bytearray(good)
    changed[at % len(good)] ^= change
    for candidate in (noise, b"\0" + noise, bytes(changed), good + noise[:1], good[: at % len(good)]):
        try:
            output = parse_statement_output(candidate)
        except (MalformedGuestOutput, JobDeclined):
            continue
        assert sum(map(len, output.bills)) + 52 * len(output.payouts) + 45 == len(candidate)
