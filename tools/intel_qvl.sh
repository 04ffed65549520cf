#!/usr/bin/env bash
# Sets up Intel's Quote Verification Library for the tests, in an environment of its own: tools/intel_qvl.sh [FOLDER].
# Versions and hashes come from requirements/intel-qvl.lock. Prints the interpreter for WATTEST_INTEL_QVL. Exit code 7
# where the library does not exist: its wheel is for x86-64 and CPython 3.11 alone.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
folder="${1:-.make/intel-qvl}"
if [ "$(uname -sm)" != "Linux x86_64" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
  echo "missing: Linux on x86-64 with CPython 3.11, for which Intel's library is packaged" >&2
  echo "  what to do: set PYTHON to such an interpreter, or go without: its tests skip" >&2
  exit 7
fi
if ! cmp --silent requirements/intel-qvl.lock "$folder/intel-qvl.lock"; then
  rm -rf "$folder"
  "$python" -m venv "$folder"
  "$folder/bin/python" -m pip --quiet --disable-pip-version-check install --only-binary :all: --require-hashes \
    -r requirements/intel-qvl.lock
  cp requirements/intel-qvl.lock "$folder/intel-qvl.lock" # last: only a finished environment has it
fi
"$folder/bin/python" -c 'import sgx_dcap_quote_verify' >&2
echo "$(cd "$folder" && pwd)/bin/python"
