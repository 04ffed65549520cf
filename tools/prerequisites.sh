#!/usr/bin/env bash
# Checks what must be on the machine before anything is set up, and names all that is missing at once, with a hint.
# Usage: tools/prerequisites.sh [PYTHON]
set -u
python="${1:-python3}"
missing=0

lack() { # what, hint
  printf 'missing: %s\n  what to do: %s\n' "$1" "$2" >&2
  missing=1
}

if ! command -v "$python" >/dev/null 2>&1; then
  lack "Python 3.11 or newer ($python)" "Debian: apt install python3 python3-venv; macOS: brew install python"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  lack "Python 3.11 or newer ($python is $("$python" -c 'import platform; print(platform.python_version())'))" \
    "install a newer one and name it: make PYTHON=python3.12"
elif ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
  lack "Python's venv module" "Debian: apt install python3-venv"
fi

if ! command -v cargo >/dev/null 2>&1 || ! command -v rustc >/dev/null 2>&1; then
  lack "Rust (cargo and rustc, 1.88 or newer)" "install rustup from your system's packages, then: rustup default stable"
else
  rust="$(rustc --version | awk '{print $2}')"
  if [ "$(printf '%s\n1.88.0\n' "$rust" | sort -V | head -n 1)" != "1.88.0" ]; then
    lack "Rust 1.88 or newer (rustc is $rust)" "rustup update stable"
  fi
fi

if ! command -v cc >/dev/null 2>&1; then
  lack "a C linker (cc)" "Debian: apt install gcc; macOS: xcode-select --install"
fi

if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
  lack "Node 20 or newer, with npm" "Debian: apt install nodejs npm; macOS: brew install node"
elif [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  lack "Node 20 or newer (node is $(node --version))" "install a current Node release"
fi

if [ "$missing" -ne 0 ]; then
  printf 'Nothing was changed. Run the same command again once these are there.\n' >&2
  exit 7
fi
