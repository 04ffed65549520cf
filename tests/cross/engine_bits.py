"""What the WASM engine computes on this processor, as JSON lines: run on two kinds of processor, the lines must agree.

A program, not a test: ``engine_bits.py VECTORS`` runs every guest of the shared vectors in both forms of the engine and
a guest that makes and moves NaNs; ``--unsafe-native-nans`` leaves canonicalisation off in the latter, for the negative
control. It needs the engine and nothing of wattest that is compiled.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import random
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import wasmtime

from wattest.workload.configuration import ENGINE_VERSION, EngineConfiguration
from wattest.workload.engine import Guest, Limits
from wattest.workload.failures import GuestFailure
from wattest.workload.guests import load_guest

FORMS = {"host": EngineConfiguration.for_host(), "enclave": EngineConfiguration.for_enclave()}
OPERATIONS = ("add", "sub", "mul", "div", "min", "max", "copysign")
ALONE = ("sqrt", "ceil", "floor", "trunc", "nearest", "neg", "abs")


def float_guest() -> bytes:
    """A guest that maps each pair of f64 to the results of every operator, in double and in single precision."""
    lines = []
    for kind, width, demote in (("f64", 8, ""), ("f32", 4, "f32.demote_f64")):
        a, b = (f"({demote} {x})" if demote else x for x in ("(local.get $a)", "(local.get $b)"))
        results = [f"({kind}.{name} {a} {b})" for name in OPERATIONS] + [f"({kind}.{name} {a})" for name in ALONE]
        for result in results:
            lines.append(f"({kind}.store (local.get $out) {result})")
            lines.append(f"(local.set $out (i32.add (local.get $out) (i32.const {width})))")
    text = f"""(module (memory (export "memory") 16 16)
      (func (export "alloc") (param i32) (result i32) (i32.const 65536))
      (func (export "run") (param $at i32) (param $len i32) (result i64)
        (local $end i32) (local $out i32) (local $start i32) (local $a f64) (local $b f64)
        (local.set $end (i32.add (local.get $at) (local.get $len)))
        (local.set $start (i32.const 262144)) (local.set $out (local.get $start))
        (loop $next
          (local.set $a (f64.load (local.get $at)))
          (local.set $b (f64.load offset=8 (local.get $at)))
          {" ".join(lines)}
          (local.set $at (i32.add (local.get $at) (i32.const 16)))
          (br_if $next (i32.lt_u (local.get $at) (local.get $end))))
        (i64.or (i64.shl (i64.extend_i32_u (local.get $start)) (i64.const 32))
                (i64.extend_i32_u (i32.sub (local.get $out) (local.get $start))))))"""
    return bytes(wasmtime.wat2wasm(text))


def float_pairs() -> bytes:
    """Pairs of f64 that make NaNs and carry them: zeros, infinities, NaNs with payloads and signs, random bits."""
    special = [0.0, -0.0, 1.0, -1.0, float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308]
    words = [struct.unpack("<Q", struct.pack("<d", value))[0] for value in special]
    words += [0x7FF8000000000000, 0xFFF8000000000000, 0x7FF8DEADBEEF0001, 0xFFF0000000000001, 0x7FF0000000000ABC]
    pairs = [(a, b) for a in words for b in words]
    chooser = random.Random(3)
    pairs += [(chooser.getrandbits(64), chooser.getrandbits(64)) for _ in range(500)]
    return b"".join(struct.pack("<QQ", a, b) for a, b in pairs)


def _outcome(name: str, guest: Guest, data: bytes, limits: Limits) -> dict[str, object]:
    try:
        outcome = guest.run(data, limits)
    except GuestFailure as failure:
        return {"name": name, "failure": failure.code}
    return {"name": name, "output": hashlib.sha256(outcome.output).hexdigest(), "fuel": outcome.fuel_used}


def shared_guests(vectors: Path) -> Iterator[dict[str, object]]:
    """Outcomes of the project's guests and of the engine's vectors, in both forms."""
    engine = json.loads((vectors / "workload" / "engine.json").read_text())
    jobs = {"vee": json.loads((vectors / "workload" / "vee.json").read_text())}
    settlement = json.loads((vectors / "settlement" / "settlement.json").read_text())
    jobs["settle"] = settlement["settled"] + settlement["refused"]
    for form, configuration in FORMS.items():
        limits = Limits(**engine["limits"])
        for vector in engine["guests"]:
            guest = Guest.load(bytes.fromhex(vector["wasm"]), configuration)
            yield _outcome(f"{form} {vector['name']}", guest, bytes.fromhex(vector["input"]), limits)
        for name in ("vee", "settle"):
            guest = load_guest(name, configuration)
            yield {"name": f"{form} {name} workload", "output": guest.workload.hex(), "fuel": 0}
            for job in jobs[name]:
                data = bytes.fromhex(job["input"])
                yield _outcome(f"{form} {name} {job['name']}", guest, data, Limits(deadline_s=600))


def float_outcomes(canonical: bool) -> Iterator[dict[str, object]]:
    """Outcomes of the float guest in both forms; not canonical is the negative control."""
    data = float_pairs()
    for form, configuration in FORMS.items():
        if canonical:
            guest = Guest.load(float_guest(), configuration)
            yield _outcome(f"{form} floats", guest, data, Limits(deadline_s=600))
            continue
        settings = configuration.engine_settings()
        settings.cranelift_nan_canonicalization = False
        store = wasmtime.Store(wasmtime.Engine(settings))
        store.set_fuel(Limits().fuel)
        store.set_epoch_deadline(1)
        exports = wasmtime.Instance(store, wasmtime.Module(store.engine, float_guest()), []).exports(store)
        memory, run = exports["memory"], exports["run"]
        assert isinstance(memory, wasmtime.Memory)
        assert isinstance(run, wasmtime.Func)
        memory.write(store, data, 65536)
        packed = run(store, 65536, len(data))
        output = bytes(memory.read(store, packed >> 32, (packed >> 32) + (packed & 0xFFFFFFFF)))
        fuel = Limits().fuel - store.get_fuel()
        yield {"name": f"{form} floats", "output": hashlib.sha256(output).hexdigest(), "fuel": fuel}


def main() -> None:
    """Print the processor, then one line per outcome."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=Path, help="the folder of shared vectors")
    parser.add_argument("--unsafe-native-nans", action="store_true", help="floats only, NaNs as the processor has them")
    arguments = parser.parse_args()
    outcomes: list[dict[str, object]] = [{"name": "engine", "processor": platform.machine(), "version": ENGINE_VERSION}]
    if not arguments.unsafe_native_nans:
        outcomes += shared_guests(arguments.vectors)
    outcomes += float_outcomes(not arguments.unsafe_native_nans)
    sys.stdout.writelines(json.dumps(outcome) + "\n" for outcome in outcomes)


if __name__ == "__main__":
    main()
