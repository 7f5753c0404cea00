# The one interface to the project. Everything that is missing is installed by the targets that need it.
SWIFT ?= swift
RELEASE := .build-release
FOREBAY := $(RELEASE)/release/forebay
PYTHON_ENV := .venv-e2e
DATA ?= data
JOBS ?= 2
CRASH_CYCLES ?= 50

export FOREBAY_BIN ?= $(CURDIR)/$(FOREBAY)

.PHONY: help run build test unit lint format e2e crash hostile memory bench system-packages client-packages python-env clean

help: ## Lists the targets.
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build client-packages python-env ## Starts a node on localhost with embedded storage and prints what to paste.
	@scripts/run.sh "$(FOREBAY_BIN)" "$(DATA)"

build: system-packages ## Builds the released binary.
	$(SWIFT) build -c release --product forebay --scratch-path $(RELEASE) -j $(JOBS)

test: ## Runs every test: lint, unit and contract suites, real clients, hostile input, memory, a short crash loop.
	@scripts/test.sh

lint: ## Checks the format of every Swift file.
	$(SWIFT) format lint --strict --parallel --recursive Package.swift Sources Tests

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

bench: build ## Requests and bytes per second next to nginx, in one run.
	@scripts/system-packages.sh bench
	python3 bench/bench.py $(BENCH_FLAGS)

system-packages:
	@scripts/system-packages.sh build

client-packages:
	@scripts/system-packages.sh clients

python-env:
	@scripts/python-env.sh

clean: ## Removes build products, not data.
	rm -rf .build $(RELEASE)
