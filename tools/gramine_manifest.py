"""Check a Gramine manifest, or render one from this installation; deploy/gramine/README.md says when.

check FILE [--template] [--host]: says every fault; exit code 1 when there is one.
render --runtime FOLDER --libos FILE --out FOLDER --state FOLDER [--port NUMBER]: writes wattest.manifest and
launch.json into --out.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from wattest.enclave.host.gramine_manifest import (
    MAX_MANIFEST_BYTES,
    manifest_faults,
    parse_manifest,
    verify_host_modes,
)
from wattest.enclave.host.gramine_render import LAUNCH_FILE, LISTEN_PORT, GramineFiles, launch_file, render_manifest
from wattest.enclave.simulator.measurement import LaunchSettings, measure
from wattest.errors import WattestError

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "deploy" / "gramine" / "wattest.manifest.template"


def system_libraries(binaries: list[Path], runtime: Path) -> tuple[Path, ...]:
    """What the loader maps beside ``binaries``: Gramine's own where it has one of that name, else the system's."""
    brought = {path.name: path for path in sorted(runtime.iterdir()) if path.is_file()}
    listed = subprocess.run(["ldd", *map(str, binaries)], capture_output=True, text=True, check=False).stdout
    found = dict(re.findall(r"^\s+(\S+) => (/\S+) \(0x", listed, re.MULTILINE))
    own = {str(path.resolve()) for path in binaries}
    system = {Path(path) for name, path in found.items() if name not in brought}
    return tuple(sorted({*brought.values(), *(path for path in system if str(path.resolve()) not in own)}))


def render(options: argparse.Namespace) -> None:
    """Measure, render, write."""
    measurement = measure(LaunchSettings(device="gramine"))
    binaries = [file.path for file in measurement.files if ".so" in file.path.name or file.category == "interpreter"]
    out, launch = options.out.resolve(), launch_file(measurement, port=options.port)
    files = GramineFiles(
        options.libos.resolve(),
        system_libraries(binaries, options.runtime.resolve()),
        out / LAUNCH_FILE,
        options.state.resolve(),
    )
    text = render_manifest(TEMPLATE.read_text("utf-8"), measurement, files, launch)
    out.mkdir(parents=True, exist_ok=True)
    files.launch.write_bytes(launch)
    (out / "wattest.manifest").write_text(text, "utf-8")
    print(f"{out / 'wattest.manifest'} pins {len(measurement.files)} measured files")


def check(options: argparse.Namespace) -> int:
    """Print every fault; how many there are decides the exit code."""
    with options.file.open("rb") as handle:
        manifest = parse_manifest(handle.read(MAX_MANIFEST_BYTES + 1))
    faults = manifest_faults(manifest, rendered=not options.template)
    for fault in faults:
        print(fault)
    if not faults and options.host:
        verify_host_modes(manifest)
    return 1 if faults else 0


def main(arguments: list[str]) -> int:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    checking = commands.add_parser("check")
    checking.add_argument("file", type=Path)
    checking.add_argument("--template", action="store_true")
    checking.add_argument("--host", action="store_true")
    checking.set_defaults(run=check)
    rendering = commands.add_parser("render")
    for name in ("--runtime", "--libos", "--out", "--state"):
        rendering.add_argument(name, type=Path, required=True)
    rendering.add_argument("--port", type=int, choices=range(1, 65_536), default=LISTEN_PORT, metavar="NUMBER")
    rendering.set_defaults(run=render)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except (WattestError, OSError) as error:
        print(error.as_dict() if isinstance(error, WattestError) else error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
