# The one interface to the project. Everything that is missing is installed by the targets that need it.
SWIFT ?= swift
RELEASE := .build-release
FOREBAY := $(RELEASE)/release/forebay
PYTHON_ENV := .venv-e2e
DATA ?= data
JOBS ?= 2
CRASH_CYCLES ?= 50
HOURS ?= 0.5
SEEDS ?= 1..10000
# One program for one machine: the runtime is linked in, and the optimiser sees across modules.
RELEASE_FLAGS := --static-swift-stdlib -Xswiftc -cross-module-optimization

export FOREBAY_BIN ?= $(CURDIR)/$(FOREBAY)

.PHONY: help run build test unit lint format e2e crash hostile memory bench bench-scale allocations soak powerloss faults damage simulate model-check fuzz fuzz-corpus sanitize \
	system-packages client-packages bench-packages python-env clean

help: ## Lists the targets.
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build client-packages python-env ## Starts a node on localhost with embedded storage and prints what to paste.
	@scripts/run.sh "$(FOREBAY_BIN)" "$(DATA)"

build: system-packages ## Builds the released binary.
	$(SWIFT) build -c release --product forebay --scratch-path $(RELEASE) -j $(JOBS) $(RELEASE_FLAGS)

test: ## Runs every test: lint, unit and contract suites, real clients, hostile input, memory, a short crash loop.
	@scripts/test.sh

lint: ## Checks the format of every Swift file.
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests fuzz/Program fuzz/Package.swift

format: ## Formats every Swift file.
	$(SWIFT) format --in-place --parallel --recursive Package.swift Sources Tests

unit: system-packages ## Unit and contract suites.
	$(SWIFT) test -j $(JOBS)

e2e: build client-packages python-env ## Real clients against the released binary.
	$(PYTHON_ENV)/bin/pytest -c e2e/pytest.ini e2e/clients

hostile: build ## Malformed and hostile requests.
	python3 e2e/hostile/hostile.py

memory: build ## Large and many concurrent uploads under a memory bound.
	python3 e2e/memory/memory.py

crash: build ## Kills the node under load, again and again, and checks that nothing acknowledged is lost.
	python3 e2e/crash/crash.py --cycles $(CRASH_CYCLES)

faults: build ## Full, read-only, failing and slow disks under load.
	python3 e2e/faults/faults.py $(FAULTS_FLAGS)

damage: build ## Flipped bits, cut and lost files: found, never served.
	python3 e2e/damage/damage.py $(DAMAGE_FLAGS)

powerloss: build ## Cuts the power at every sync and checks that nothing acknowledged is lost.
	python3 e2e/powerloss/powerloss.py $(POWERLOSS_FLAGS)

simulate: system-packages ## Runs the core under simulation; SEED=n repeats one seed, TRACE=1 prints its history.
	$(SWIFT) build -c release --product simulate --scratch-path $(RELEASE) -j $(JOBS) $(RELEASE_FLAGS)
	$(RELEASE)/release/simulate $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) $(if $(STEPS),--steps $(STEPS)) $(if $(TRACE),--trace)

model-check: system-packages ## A million operations against a plain model, in the namespace and over HTTP.
	$(SWIFT) build -c release --product modelcheck --scratch-path $(RELEASE) -j $(JOBS) $(RELEASE_FLAGS)
	$(RELEASE)/release/modelcheck --all

fuzz: system-packages ## Searches for inputs that break a parser. SECONDS=60, TARGET=name.
	python3 fuzz/fuzz.py --seconds $(or $(SECONDS),60) $(if $(TARGET),--target $(TARGET)) --jobs $(JOBS)

fuzz-corpus: system-packages ## The kept inputs and findings, once.
	python3 fuzz/fuzz.py --once --jobs $(JOBS)

sanitize: system-packages ## Unit tests under thread and address sanitizer.
	scripts/sanitize.sh thread
	scripts/sanitize.sh address

bench: build bench-packages ## Requests and bytes per second next to nginx, SeaweedFS and rclone, in one run.
	python3 bench/bench.py --out docs/benchmarks/node.md $(BENCH_FLAGS)
	python3 bench/identity.py --out docs/benchmarks/identity.md $(BENCH_FLAGS)

bench-scale: build bench-packages ## A million names, 100 GiB of extents, 1,000 uploads at once.
	python3 bench/scale.py --out docs/benchmarks/scale.md $(SCALE_FLAGS)

allocations: build ## Allocations per request against their thresholds.
	python3 e2e/allocations/allocations.py

soak: build ## A steady mixed load for HOURS hours; red when anything grows.
	python3 e2e/soak/soak.py --hours $(HOURS) --out docs/reliability

bench-packages:
	@scripts/system-packages.sh bench
	@scripts/python-env.sh --bench

system-packages:
	@scripts/system-packages.sh build

client-packages:
	@scripts/system-packages.sh clients

python-env:
	@scripts/python-env.sh

clean: ## Removes build products, not data.
	rm -rf .build $(RELEASE) .build-fuzz .build-thread .build-address
