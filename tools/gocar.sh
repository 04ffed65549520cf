#!/usr/bin/env bash
# Builds the CAR peer of the tests (tests/differential/gocar) with Go, once for each version of its sources:
# tools/gocar.sh [FOLDER]. Versions and hashes come from its go.mod and go.sum. Prints the program for WATTEST_GOCAR. Exit
# code 7 where Go is missing or too old.
set -euo pipefail
cd "$(dirname "$0")/.."
source=tests/differential/gocar
folder="${1:-.make/gocar}"
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"
needed="$(awk '$1 == "go" { print $2 }' "$source/go.mod")"
export GOTOOLCHAIN=local # no other Go is downloaded
found="$(go env GOVERSION 2>/dev/null || true)"
if [ -z "$found" ] || [ "$(printf '%s\n' "$needed" "${found#go}" | sort -V | head -n 1)" != "$needed" ]; then
  echo "missing: Go $needed or newer (found: ${found:-none}), which builds the CAR peer" >&2
  echo "  what to do: install it from https://go.dev/dl/ or your system, or go without: its tests skip" >&2
  exit 7
fi
if ! cat "$source"/go.mod "$source"/go.sum "$source"/*.go | cmp --silent - "$folder/sources"; then
  rm -f "$folder/sources"
  go build -C "$source" -mod=readonly -trimpath -buildvcs=false -o "$folder/gocar" .
  cat "$source"/go.mod "$source"/go.sum "$source"/*.go >"$folder/sources" # last: only a finished build has it
fi
echo "$folder/gocar"
