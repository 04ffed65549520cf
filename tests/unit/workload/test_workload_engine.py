"""The engine: honest guests give the same result everywhere, hostile ones a typed failure and never a result."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable

import pytest
import wasmtime
from waiting import HANG_S

from wattest.workload import configuration as configuration_module
from wattest.workload.engine import ENGINE_VERSION, EngineConfiguration, Guest, Limits, Outcome, workload_digest
from wattest.workload.failures import (
    DeadlineExceeded,
    FuelExhausted,
    GuestFailure,
    GuestRefused,
    GuestTrapped,
    MemoryExceeded,
    OutputInvalid,
    StackOverflowed,
)

FORMS = [EngineConfiguration.for_host(), EngineConfiguration.for_enclave()]
HOST = FORMS[0]
SMALL = Limits(fuel=1_000_000, memory_bytes=4 << 20, output_bytes=1 << 20, deadline_s=HANG_S)


@pytest.fixture(params=FORMS, ids=["host", "enclave"])
def form(request: pytest.FixtureRequest) -> EngineConfiguration:
    value: EngineConfiguration = request.param
    return value


def guest_text(
    body: str = "i64.const 0",
    *,
    memory: str = '(memory (export "memory") 1 2)',
    alloc: str = "i32.const 1024",
    extra: str = "",
) -> str:
    return f"""(module {memory}
      (func (export "alloc") (param i32) (result i32) {alloc})
      {extra}
      (func (export "run") (param $at i32) (param $size i32) (result i64) {body}))"""


def compiled(text: str) -> bytes:
    return bytes(wasmtime.wat2wasm(text))


ECHO = "(i64.or (i64.shl (i64.extend_i32_u (local.get $at)) (i64.const 32)) (i64.extend_i32_u (local.get $size)))"
SUM = """(local $sum i64)
  (block (loop
    (br_if 1 (i32.eqz (local.get $size)))
    (local.set $size (i32.sub (local.get $size) (i32.const 1)))
    (local.set $sum (i64.add (local.get $sum)
      (i64.extend_i32_u (i32.load8_u (i32.add (local.get $at) (local.get $size))))))
    (br 0)))
  (i64.store (i32.const 0) (local.get $sum))
  (i64.const 8)"""


def run(text: str, form: EngineConfiguration = HOST, data: bytes = b"", limits: Limits = SMALL) -> Outcome:
    return Guest.load(compiled(text), form).run(data, limits)


def test_an_honest_guest_gives_its_output(form: EngineConfiguration) -> None:
    assert run(guest_text(ECHO), form, b"twelve bytes").output == b"twelve bytes"
    assert run(guest_text(ECHO), form, b"").output == b""
    assert run(guest_text(SUM), form, bytes(range(100))).output == (4950).to_bytes(8, "little")


def test_output_and_fuel_are_the_same_in_every_run_and_form() -> None:
    outcomes = {run(guest_text(SUM), form, b"\x07" * 1000) for form in FORMS for _ in range(3)}
    assert len(outcomes) == 1
    assert outcomes.pop().fuel_used > 1000


def test_nothing_survives_a_job(form: EngineConfiguration) -> None:
    counting = """(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
      (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
      (i32.store (i32.const 4) (global.get $runs)) (i64.const 8)"""
    guest = Guest.load(compiled(guest_text(counting, extra="(global $runs (mut i32) (i32.const 0))")), form)
    assert {guest.run(b"", SMALL).output for _ in range(3)} == {b"\1\0\0\0\1\0\0\0"}


def test_jobs_run_in_parallel() -> None:
    guest = Guest.load(compiled(guest_text(SUM)), HOST)
    results: list[bytes] = []
    threads = [
        threading.Thread(target=lambda size=size: results.append(guest.run(b"\1" * size, SMALL).output))
        for size in range(1, 9)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int.from_bytes(result, "little") for result in results) == list(range(1, 9))


def test_nan_bits_are_canonical(form: EngineConfiguration) -> None:
    nan = """(i64.store (i32.const 0) (i64.reinterpret_f64
        (f64.div (f64.const 0) (f64.mul (f64.const 0) (f64.reinterpret_i64 (i64.const 0xfff8dead00000000))))))
      (i64.const 8)"""
    assert run(guest_text(nan), form).output == (0x7FF8_0000_0000_0000).to_bytes(8, "little")


HOSTILE: list[tuple[str, str, type[GuestFailure]]] = [
    ("endless loop", guest_text("(loop (br 0)) i64.const 0"), FuelExhausted),
    ("endless loop in alloc", guest_text(alloc="(loop (br 0)) i32.const 0"), FuelExhausted),
    ("endless start", guest_text(extra="(func $s (loop (br 0))) (start $s)"), FuelExhausted),
    ("endless copying", guest_text(
        "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 65536)) (br 0)) i64.const 0"), FuelExhausted),
    ("trap", guest_text("unreachable"), GuestTrapped),
    ("trap in start", guest_text(extra="(func $s unreachable) (start $s)"), GuestTrapped),
    ("division by zero", guest_text("(i64.div_u (i64.const 1) (i64.const 0))"), GuestTrapped),
    ("read out of bounds", guest_text("(i64.load (i32.const 131072))"), GuestTrapped),
    ("read far out of bounds", guest_text("(i64.load offset=0xffffffff (i32.const -1))"), GuestTrapped),
    ("null call", guest_text("(call_indirect (type $t) (i32.const 0)) i64.const 0",
                             extra="(type $t (func)) (table 1 1 funcref)"), GuestTrapped),
    ("stack", guest_text("(call $f (local.get $at)) drop i64.const 0",
                         extra="(func $f (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1)))"),
     StackOverflowed),
    ("output out of bounds", guest_text("(i64.const 0xfffffff000000010)"), OutputInvalid),
    ("output one byte too far", guest_text("(i64.const 0x0001000000000000)", memory='(memory (export "memory") 1 1)')
     .replace("0x0001000000000000", "0x0000000100010000"), OutputInvalid),
    ("output too large", guest_text("(i64.const 0x100001)", memory='(memory (export "memory") 32 32)'), OutputInvalid),
    ("alloc out of bounds", guest_text(ECHO, alloc="i32.const -1"), OutputInvalid),
    ("alloc at the end", guest_text(ECHO, alloc="i32.const 65535"), OutputInvalid),
    ("maximum over the limit", guest_text(memory='(memory (export "memory") 1 65536)'), MemoryExceeded),
    ("minimum over the limit", guest_text(memory='(memory (export "memory") 65 65)'), MemoryExceeded),
]  # fmt: skip


@pytest.mark.parametrize(("text", "failure"), [h[1:] for h in HOSTILE], ids=[h[0] for h in HOSTILE])
def test_a_hostile_guest_fails_with_its_own_type(
    text: str, failure: type[GuestFailure], form: EngineConfiguration
) -> None:
    guest = Guest.load(compiled(text), form)
    for _ in range(2):  # every time the same
        with pytest.raises(GuestFailure) as caught:
            guest.run(b"xx", SMALL)
        assert type(caught.value) is failure


def test_the_last_byte_of_the_memory_is_still_the_guests(form: EngineConfiguration) -> None:
    text = guest_text("(i64.const 0x0000fffe00000002)", memory='(memory (export "memory") 1 1)')
    assert run(text, form).output == b"\0\0"


def test_growth_is_decided_by_the_module_and_never_by_a_limit(form: EngineConfiguration) -> None:
    pages = """(local $n i32)
      (block (loop (br_if 1 (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))
        (local.set $n (i32.add (local.get $n) (i32.const 1))) (br 0)))
      (i32.store (i32.const 0) (local.get $n)) (i64.const 4)"""
    text = guest_text(pages, memory='(memory (export "memory") 1 17)')
    outputs = {
        run(text, form, limits=Limits(fuel=10**6, memory_bytes=size, output_bytes=64)).output
        for size in (17 << 16, 64 << 20)
    }
    assert outputs == {(16).to_bytes(4, "little")}
    with pytest.raises(MemoryExceeded) as caught:
        run(text, form, limits=Limits(fuel=10**6, memory_bytes=(17 << 16) - 1, output_bytes=64))
    assert caught.value.fields["actual"] == 17 << 16


def test_an_input_larger_than_the_memory_is_refused_before_it_is_copied() -> None:
    with pytest.raises(MemoryExceeded):
        run(guest_text(ECHO), data=bytes(2 * 65536 + 1))


def test_fuel_is_exact() -> None:
    guest = Guest.load(compiled(guest_text(SUM)), HOST)
    used = guest.run(b"abc", SMALL).fuel_used
    assert guest.run(b"abc", Limits(fuel=used + 1, memory_bytes=SMALL.memory_bytes)).fuel_used == used
    for too_little in (used, used - 1, used // 2, 1, 0):
        with pytest.raises(FuelExhausted):
            guest.run(b"abc", Limits(fuel=too_little, memory_bytes=SMALL.memory_bytes))


def test_the_watchdog_only_ever_stops(form: EngineConfiguration) -> None:
    endless = Guest.load(compiled(guest_text("(loop (br 0)) i64.const 0")), form)
    with pytest.raises(DeadlineExceeded):
        endless.run(b"", Limits(fuel=2**63, memory_bytes=SMALL.memory_bytes, deadline_s=0.2))
    # a job on the same engine that finishes is not touched by its neighbour's deadline
    assert Guest.load(compiled(guest_text(ECHO)), form).run(b"x", SMALL).output == b"x"


REFUSED: list[tuple[str, Callable[[], bytes]]] = [
    ("empty", lambda: b""),
    ("text", lambda: guest_text().encode()),
    ("component", lambda: b"\0asm\x0d\0\1\0" + bytes(20)),
    ("cut short", lambda: compiled(guest_text())[:-3]),
    ("no exports", lambda: compiled('(module (memory 1 1))')),
    ("import of a function", lambda: compiled(
        guest_text().replace("(module", '(module (import "env" "now" (func (result i64)))'))),
    ("import of a memory", lambda: compiled(guest_text(memory='(import "env" "memory" (memory 1 1))'))),
    ("import of a global", lambda: compiled(guest_text().replace(
        "(module", '(module (import "env" "g" (global i32))'))),
    ("no memory", lambda: compiled(guest_text(memory=""))),
    ("memory not exported", lambda: compiled(guest_text(memory="(memory 1 1)"))),
    ("two memories", lambda: compiled(guest_text(memory='(memory (export "memory") 1 1) (memory 1 1)'))),
    ("memory without a maximum", lambda: compiled(guest_text(memory='(memory (export "memory") 1)'))),
    ("shared memory", lambda: compiled(guest_text(memory='(memory (export "memory") 1 1 shared)'))),
    ("64-bit memory", lambda: compiled(guest_text(memory='(memory (export "memory") i64 1 1)'))),
    ("table without a maximum", lambda: compiled(guest_text(extra="(table 1 funcref)"))),
    ("large table", lambda: compiled(guest_text(extra="(table 1 10001 funcref)"))),
    ("large tables together", lambda: compiled(guest_text(extra="(table 1 6000 funcref) (table 1 6000 externref)"))),
    ("alloc of another type", lambda: compiled(guest_text().replace(
        "(param i32) (result i32) i32.const 1024", "(param i64) (result i32) i32.const 1024"))),
    ("run without a result", lambda: compiled(guest_text("nop").replace("(result i64)", ""))),
    ("run is a global", lambda: compiled("""(module (memory (export "memory") 1 1)
        (func (export "alloc") (param i32) (result i32) i32.const 0) (global (export "run") i64 (i64.const 1)))""")),
    ("wrong types inside", lambda: compiled(guest_text()).replace(b"\x42\x00\x0b", b"\x41\x00\x0b")),
    ("too large", lambda: compiled(guest_text(extra='(data "' + "x" * (1 << 20) + '")'))),
    ("a large function", lambda: compiled(guest_text("(drop (i32.const 1)) " * 22_000 + "i64.const 0"))),
    ("many locals", lambda: compiled(guest_text("(local " + "i32 " * 2001 + ") i64.const 0"))),
    ("many functions", lambda: compiled(guest_text(extra="(func)" * 10_000))),
    ("atomics", lambda: compiled(guest_text(
        "(drop (i32.atomic.load (i32.const 0))) i64.const 0", memory='(memory (export "memory") 1 1)'))),
    ("relaxed SIMD", lambda: compiled(guest_text(
        "(drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0))) i64.const 0"))),
    ("exceptions", lambda: compiled(guest_text(extra="(tag $e) (func (throw $e))"))),
    ("tail calls", lambda: compiled(guest_text(extra="(func $f) (func (return_call $f))"))),
    ("garbage collection", lambda: compiled(guest_text(extra="(type (struct (field i32)))"))),
]  # fmt: skip


@pytest.mark.parametrize("make", [r[1] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_a_module_that_may_not_run_is_refused(make: Callable[[], bytes], form: EngineConfiguration) -> None:
    with pytest.raises(GuestRefused) as caught:
        Guest.load(make(), form)
    assert caught.value.exit_code == 4


def test_a_module_at_the_bounds_is_accepted() -> None:
    text = guest_text("(local " + "i32 " * 2000 + ") i64.const 0", extra="(table 1 10000 funcref)" + "(func)" * 9_998)
    assert run(text).output == b""


def test_no_failure_shows_the_jobs_bytes() -> None:
    secret = b"a household's reading 4711"
    for _, text, _ in HOSTILE:
        with pytest.raises(GuestFailure) as caught:
            Guest.load(compiled(text), HOST).run(secret, SMALL)
        assert "4711" not in json.dumps(caught.value.as_dict())
        assert secret.hex() not in json.dumps(caught.value.as_dict())


def test_the_configuration_digest_covers_every_setting() -> None:
    digests = {form.digest for form in FORMS}
    for form in FORMS:
        settings = json.loads(form.to_bytes())
        canonical = json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()
        assert form.to_bytes() == canonical
        assert form.digest == hashlib.sha256(canonical).digest()
        assert settings["consume_fuel"]
        assert settings["epoch_interruption"]
        assert settings["nan_canonicalization"]
        assert not any(
            settings["features"][name] for name in ("threads", "relaxed_simd", "memory64", "multi_memory", "gc")
        )
    changed = EngineConfiguration(
        memory_reservation=0, memory_guard_size=0, memory_reservation_for_growth=0, signals_based_traps=False,
        max_stack=FORMS[1].max_stack + 1,
    )  # fmt: skip
    assert len(digests | {changed.digest}) == 3


def test_the_workload_digest_binds_module_version_and_configuration() -> None:
    wasm = compiled(guest_text())
    expected = hashlib.sha256(
        hashlib.sha256(wasm).digest() + hashlib.sha256(ENGINE_VERSION.encode()).digest() + HOST.digest
    ).digest()
    assert Guest.load(wasm, HOST).workload == workload_digest(wasm, HOST) == expected
    others = {
        workload_digest(wasm + b"\0", HOST),
        workload_digest(wasm, FORMS[1]),
        workload_digest(wasm, HOST, "wasmtime/49.0.0"),
    }
    assert len(others | {expected}) == 4


def test_an_engine_that_lacks_a_setting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(configuration_module.FEATURES, "telepathy", False)
    with pytest.raises(configuration_module.EngineUnsupported):
        HOST.engine()
