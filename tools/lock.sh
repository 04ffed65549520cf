#!/usr/bin/env bash
# Resolves requirements/*.lock from pyproject.toml: versions and hashes, no index lines, no addresses.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v uv >/dev/null || { echo "missing: uv; what to do: pip install uv" >&2; exit 7; }
flags=(--quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --universal --python-version 3.11)
uv pip compile "${flags[@]}" pyproject.toml -o requirements/run.lock
uv pip compile "${flags[@]}" --extra dev pyproject.toml -o requirements/dev.lock
uv pip compile "${flags[@]}" --extra dev --extra bench --fork-strategy fewest --constraint requirements/dev.lock pyproject.toml -o requirements/bench.lock
uv pip compile "${flags[@]}" requirements/build.in -o requirements/build.lock
uv pip compile "${flags[@]}" requirements/intel-qvl.in -o requirements/intel-qvl.lock
