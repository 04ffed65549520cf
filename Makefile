# Two commands matter: `make demo` runs the whole of wattest on this machine, `make test` checks it.
# Both set everything up first, inside the checkout (.venv, node_modules), and touch nothing outside.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
STAMPS := .make
export PATH := $(BIN):$(CURDIR)/node_modules/.bin:$(PATH)

NATIVE_SOURCES := $(shell find native -path native/target -prune -o \( -name '*.rs' -o -name Cargo.toml \) -print) native/Cargo.lock
PYTHON_SOURCES := $(shell find src/wattest -name '*.py')
FORGE := $(CURDIR)/tools/forge
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
DEMO_OUT ?= out/demo-$(shell date +%Y%m%d-%H%M%S)
DEMO_FLAGS ?=
# One more than two cores: every third test waits for a block, a process or a deadline.
PYTEST_WORKERS ?= 3
# Of what runs side by side, each shows what it said when it is over, where make can do that.
WHOLE_OUTPUTS := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)
PYTEST_FLAGS ?=
# Without bytecode every worker rewrites the assertions of all test files again, and every command compiles its modules.
KEEP_BYTECODE := PYTHONDONTWRITEBYTECODE=
BENCHES ?= merkle proofs verify seal chain fleet
BENCH_OUT ?= out/bench
BENCH_FLAGS ?=
FUZZ_FLAGS ?=
SANITIZE_FLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-contracts test-rust test-deep fuzz sanitize second-opinion gocar lint format setup setup-dev prerequisites aarch64 guests contracts vectors bench bench-quick setup-bench locks clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## Set up, then take an energy community through all of wattest
	@$(BIN)/wattest demo --out $(DEMO_OUT) $(DEMO_FLAGS)

test: setup-dev ## Set up, then lint and run every test that is not marked deep
	$(MAKE) --no-print-directory -j2 $(WHOLE_OUTPUTS) test-contracts lint test-rust
	$(KEEP_BYTECODE) $(BIN)/python -m pytest -m "not deep" -n $(PYTEST_WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_FLAGS)

test-contracts: setup-dev ## The contracts' own tests
	cd contracts && $(FORGE) test --summary

test-rust: setup-dev ## The native core's and the guests' own tests
	cargo test --quiet --manifest-path native/Cargo.toml
	cargo test --quiet --manifest-path guests/Cargo.toml

test-deep: setup-dev ## The long tests: deep fuzzing, every byte, every kill point; resumes where it was interrupted
	$(BIN)/python tools/test_deep.py

fuzz: setup ## A million mutated inputs for every parser of attestation (FUZZ_FLAGS for tools/fuzz.py); goes on where it was
	$(BIN)/python tools/fuzz.py $(FUZZ_FLAGS)

sanitize: prerequisites ## The native core's tests with AddressSanitizer and in valgrind (SANITIZE_FLAGS=address for one of them)
	tools/sanitize.sh $(SANITIZE_FLAGS)

second-opinion: setup-dev ## Ask Intel's own library about every evidence case (x86-64, CPython 3.11)
	WATTEST_INTEL_QVL="$$(PYTHON=$(PYTHON) tools/intel_qvl.sh $(STAMPS)/intel-qvl)" \
		$(BIN)/python -m pytest -q tests/differential/test_differential_intel_qvl.py

gocar: ## Build go-car's side of the bundle tests (needs Go; without it they skip)
	@tools/gocar.sh $(STAMPS)/gocar

lint: setup-dev ## Formatting, types, floors, for Python, Rust and Solidity
	ruff format --check .
	ruff check .
	mypy
	lint-imports --no-logo
	cargo fmt --all --check --manifest-path native/Cargo.toml
	cargo clippy --quiet --all-targets --manifest-path native/Cargo.toml -- -D warnings
	cargo fmt --all --check --manifest-path guests/Cargo.toml
	cargo clippy --quiet --all-targets --manifest-path guests/Cargo.toml -- -D warnings
	cd contracts && $(FORGE) fmt --check && solhint --max-warnings 0 'src/**/*.sol'

format: setup-dev ## Let the formatters decide layout
	ruff format .
	ruff check --fix .
	cargo fmt --all --manifest-path native/Cargo.toml
	cargo fmt --all --manifest-path guests/Cargo.toml
	cd contracts && $(FORGE) fmt

setup: $(STAMPS)/run-python $(STAMPS)/run-node $(STAMPS)/native $(STAMPS)/bytecode ## Set up what running needs

setup-dev: $(STAMPS)/dev-python $(STAMPS)/dev-node $(STAMPS)/native $(STAMPS)/bytecode ## Set up what developing needs

prerequisites: ## Check the tools this machine must have
	@tools/prerequisites.sh $(PYTHON)

$(STAMPS)/prerequisites: tools/prerequisites.sh
	@tools/prerequisites.sh $(PYTHON)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/venv: | $(STAMPS)/prerequisites
	@echo "setting up Python in $(VENV)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@touch $@

$(STAMPS)/run-python: requirements/run.lock requirements/build.lock | $(STAMPS)/venv
	@echo "installing run-time packages (hashes checked)"
	@$(PIP) install --require-hashes -r requirements/run.lock
	@$(PIP) install --require-hashes -r requirements/build.lock
	@touch $@

$(STAMPS)/dev-python: requirements/dev.lock | $(STAMPS)/venv
	@echo "installing development packages (hashes checked)"
	@$(PIP) install --require-hashes -r requirements/dev.lock
	@touch $@ $(STAMPS)/run-python

$(STAMPS)/run-node: package.json package-lock.json | $(STAMPS)/prerequisites
	@echo "installing the embedded chain"
	@test -e $(STAMPS)/dev-node || npm ci --omit=dev --no-audit --no-fund --loglevel=error
	@touch $@

$(STAMPS)/dev-node: package.json package-lock.json | $(STAMPS)/prerequisites
	@echo "installing the Solidity toolchain"
	@npm ci --no-audit --no-fund --loglevel=error
	@touch $@ $(STAMPS)/run-node

$(STAMPS)/native: $(NATIVE_SOURCES) pyproject.toml | $(STAMPS)/venv
	@test -e $(STAMPS)/run-python || $(MAKE) --no-print-directory $(STAMPS)/run-python
	@echo "building the native core"
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# pip compiles what it installs, but not an editable checkout: where Python may not write beside its sources (or
# PYTHONDONTWRITEBYTECODE is set) every command would compile all its modules again, for a tenth of a second.
$(STAMPS)/bytecode: $(PYTHON_SOURCES) | $(STAMPS)/native
	@$(BIN)/python -m compileall -q src/wattest
	@touch $@

aarch64: setup-dev ## Fetch an emulated aarch64 Python with the engine, for tests/cross (Debian's packages)
	$(BIN)/python tools/aarch64.py setup

guests: setup-dev ## Rebuild the WASM guests (needs Debian's rustc with libstd-rust-dev-wasm32)
	$(BIN)/python tools/build_guests.py

contracts: setup-dev ## Rebuild the contract artefacts shipped in the package, and the error classes made from them
	$(BIN)/python tools/build_contracts.py
	$(BIN)/python tools/make_contract_errors.py

vectors: setup-dev ## Make the shared vectors again from their generators
	for generator in vectors/generate_*.py; do $(BIN)/python $$generator; done

bench: setup-bench ## Run the benchmarks: the report of every figure, then wattest beside its peers (out/bench)
	$(BIN)/python bench/run.py
	@for name in $(BENCHES); do $(BIN)/wattest bench $$name --out $(BENCH_OUT) $(BENCH_FLAGS) || exit $$?; done

bench-quick: setup-bench ## A look at every comparison with the peers, in a few minutes
	@for name in $(BENCHES); do $(BIN)/wattest bench $$name --quick --out $(BENCH_OUT)/quick || exit $$?; done

setup-bench: setup-dev $(STAMPS)/bench-peers ## Set up the peers that benchmarks measure beside wattest

$(STAMPS)/bench-peers: requirements/bench.lock bench/package.json bench/package-lock.json | $(STAMPS)/dev-python
	@echo "installing the benchmarks' peers (hashes checked)"
	@$(PIP) install --require-hashes -r requirements/bench.lock
	@cd bench && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

locks: setup-dev ## Resolve the lock files again (versions and hashes only)
	tools/lock.sh

clean: ## Remove everything that set-up and tests made
	rm -rf $(VENV) $(STAMPS) .aarch64 node_modules native/target guests/target contracts/out contracts/cache out
	find src -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
