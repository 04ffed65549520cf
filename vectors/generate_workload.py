"""Write vectors/workload/{engine,vee}.json: digests, guests with their outcomes, edited series and refusals.

Everything follows from fixed values. Outputs and fuel are those of the enclave's form of the engine.
``check_workload.py`` recomputes every digest and every edited series without wattest.
"""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import wasmtime

from wattest.workload.engine import EngineConfiguration, Guest, Limits, workload_digest
from wattest.workload.failures import GuestFailure
from wattest.workload.guests import load_guest, load_guest_bytes

OUT = Path(__file__).parent / "workload"
FORMS = {"host": EngineConfiguration.for_host(), "enclave": EngineConfiguration.for_enclave()}
VERSION = "wasmtime/50.0.1"
LIMITS = Limits(fuel=100_000, memory_bytes=1 << 20, output_bytes=4096)

ECHO = "(i64.or (i64.shl (i64.extend_i32_u (local.get 0)) (i64.const 32)) (i64.extend_i32_u (local.get 1)))"
GUESTS = {
    "echo": ECHO,
    "loop": "(loop (br 0)) i64.const 0",
    "trap": "unreachable",
    "division": "(i64.div_u (i64.const 1) (i64.const 0))",
    "recursion": f"(call $run (local.get 0) (local.get 1)) drop {ECHO}",
    "outside": "(i64.const 0x0001000000000001)",
    "long": "(i64.const 4097)",
}

HEADER = struct.Struct(">BBQQIQQQQQI")
RECORD = struct.Struct(">B16sQIQQQQH")


def module(body: str) -> bytes:
    """A guest with this body of ``run``."""
    return bytes(
        wasmtime.wat2wasm(f"""(module (memory (export "memory") 1 1)
          (func (export "alloc") (param i32) (result i32) i32.const 64)
          (func $run (export "run") (param i32 i32) (result i64) {body}))""")
    )


def outcome(wasm: bytes, data: bytes) -> dict[str, object]:
    """What the engine makes of one job."""
    try:
        result = Guest.load(wasm, FORMS["enclave"]).run(data, LIMITS)
    except GuestFailure as failure:
        return {"failure": failure.code}
    return {"output": result.output.hex(), "fuel_used": result.fuel_used}


def engine() -> dict[str, object]:
    """Configurations, digests, small guests."""
    shipped = {name: load_guest_bytes(name) for name in ("vee", "settle")}
    return {
        "configurations": [
            {"name": name, "canonical": form.to_bytes().decode(), "digest": form.digest.hex()}
            for name, form in FORMS.items()
        ],
        "workloads": [
            {
                "guest": guest,
                "wasm_sha256": hashlib.sha256(wasm).hexdigest(),
                "engine_version": VERSION,
                "configuration": name,
                "workload": workload_digest(wasm, form, VERSION).hex(),
            }
            for guest, wasm in shipped.items()
            for name, form in FORMS.items()
        ],
        "limits": {"fuel": LIMITS.fuel, "memory_bytes": LIMITS.memory_bytes, "output_bytes": LIMITS.output_bytes},
        "guests": [
            {"name": name, "wasm": (wasm := module(body)).hex(), "input": b"seven..".hex()} | outcome(wasm, b"seven..")
            for name, body in GUESTS.items()
        ],
    }


def job(records: list[tuple[int, ...]], **header: int) -> bytes:
    """A vee job; a record is start, duration, import register, export register, import, export, quality."""
    fields = {"version": 1, "flags": 0, "start": 3600, "end": 7200, "interval": 900, "modulus": 0, "most": 0,
              "prev_end": 0, "prev_import": 0, "prev_export": 0, "count": len(records)} | header  # fmt: skip
    return HEADER.pack(*fields.values()) + b"".join(RECORD.pack(1, b"vector-meter-16b", *record) for record in records)


WHOLE = [(3600 + 900 * k, 900, 1_000 + 10 * k, 50, 10, 0, k) for k in range(4)]
VEE_JOBS: dict[str, bytes] = {
    "a whole period": job(WHOLE),
    "a gap between registers": job([WHOLE[0], (*WHOLE[3][:2], 1_031, 57, 10, 0, 0)]),
    "a gap from before the period": job(WHOLE[2:], flags=1, prev_end=900, prev_import=903, prev_export=43),
    "no register before or after": job(WHOLE[1:2]),
    "a rollover": job([WHOLE[0], (4500, 900, 5, 50, 10, 0, 0)], modulus=1_005, end=5400),
    "a rollover in a gap": job([WHOLE[0], (6300, 900, 25, 50, 10, 0, 0)], modulus=1_005, most=100),
    "an implausible power": job([*WHOLE[:3], (6300, 900, 2_020, 50, 1_000, 0, 0)], most=500),
    "a register that contradicts": job([*WHOLE[:3], (6300, 900, 1_031, 50, 10, 0, 0)]),
    "a gap smaller than the energy": job([WHOLE[0], (5400, 900, 1_005, 50, 10, 0, 0)]),
    "no grid": job([(3700, 100, 20, 0, 20, 0, 0), (5000, 77, 90, 0, 30, 0, 0)], interval=0),
    "off the grid": job([(3700, 100, 20, 0, 20, 0, 0), (5000, 77, 90, 0, 30, 0, 0)]),
    "backwards": job([*WHOLE[:3], (6300, 900, 1_019, 50, 10, 0, 0)]),
    "overlapping": job([WHOLE[0], WHOLE[0]]),
    "outside": job(WHOLE, end=7199),
    "unknown version": job(WHOLE, version=2),
    "quality taken": job([*WHOLE[:3], (*WHOLE[3][:6], 0x0100)]),
}


def many(*names: str, count: int | None = None, after: bytes = b"") -> bytes:
    """Some of the jobs above in one call."""
    jobs = [VEE_JOBS[name] for name in names]
    framed = b"".join(len(data).to_bytes(4, "big") + data for data in jobs)
    return b"\2" + (len(jobs) if count is None else count).to_bytes(4, "big") + framed + after


VEE_JOBS |= {
    "one job of many": many("a whole period"),
    "three jobs": many("a gap between registers", "a rollover", "no grid"),
    "three jobs, the second refused": many("a whole period", "backwards", "overlapping"),
    "more jobs than it says": many("a whole period", "a whole period", count=1),
    "fewer jobs than it says": many("a whole period", "a whole period", count=3),
    "no jobs": many(count=0),
    "a byte after the jobs": many("a whole period", after=b"\0"),
}


def vee() -> list[dict[str, str]]:
    """Series in, edited series or refusals out."""
    guest = load_guest("vee", FORMS["enclave"])
    return [
        {"name": name, "input": data.hex(), "output": guest.run(data).output.hex()} for name, data in VEE_JOBS.items()
    ]


def main() -> None:
    """Write the vector files."""
    OUT.mkdir(exist_ok=True)
    for name, value in (("engine", engine()), ("vee", vee())):
        (OUT / f"{name}.json").write_text(json.dumps(value, indent=1) + "\n")


if __name__ == "__main__":
    main()
