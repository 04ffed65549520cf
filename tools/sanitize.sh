#!/usr/bin/env bash
# The native core's tests where a wrong access to memory is seen: with AddressSanitizer, and in valgrind.
#
# tools/sanitize.sh [address] [valgrind]   both by default
# Exit codes: 0 nothing found, 7 a tool is missing, any other: what was found is in the output.
set -euo pipefail
cd "$(dirname "$0")/../native"
host="$(rustc -vV | sed -n 's/^host: //p')"
tests=(test --quiet --package wattest-lanes --package wattest-core --package wattest-series --lib --tests)

missing() {
  echo "missing: $1; what to do: $2" >&2
  exit 7
}

# Which kernels the tests go through is what the processor has: of what valgrind emulates, AVX-512 is no part.
kernels() {
  cargo "$@" --test lanes -- --nocapture the_kernels_of_this_processor | grep '^kernels'
}

with_address() {
  echo "AddressSanitizer, $host"
  # Still an unstable option of the compiler, which the stable one has all the same when it is told to.
  export RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address" CARGO_TARGET_DIR="$PWD/target/address"
  kernels "${tests[@]}" --target "$host"
  cargo "${tests[@]}" --target "$host"
}

with_valgrind() {
  command -v valgrind >/dev/null || missing valgrind "install your system's package of that name"
  echo "valgrind memcheck, $(valgrind --version)"
  local runner="CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<<"$host")_RUNNER"
  export "$runner=valgrind --quiet --error-exitcode=9 --leak-check=no"
  # Fifty times slower: few runs of each fuzz target, unless somebody says how many.
  export WATTEST_FUZZ_RUNS="${WATTEST_FUZZ_RUNS:-25}"
  kernels "${tests[@]}"
  cargo "${tests[@]}"
}

[ $# -gt 0 ] || set -- address valgrind
for check in "$@"; do
  case "$check" in
    address) (with_address) ;;
    valgrind) (with_valgrind) ;;
    *) missing "a check named $check" "name address or valgrind" ;;
  esac
done
