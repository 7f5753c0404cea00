#!/usr/bin/env bash
# Every test there is, in the order in which they tell the most for the least time. Each step says how to repeat it.
set -euo pipefail
cd "$(dirname "$0")/.."

step() {
    local name=$1; shift
    echo "==== $name: $*"
    local begin=$SECONDS
    if ! "$@"; then
        echo "==== $name FAILED; repeat with: $*" >&2
        exit 1
    fi
    echo "==== $name passed in $((SECONDS - begin)) s"
}

step packages scripts/system-packages.sh build
step clients scripts/system-packages.sh clients
step python-env scripts/python-env.sh
step lint make --no-print-directory lint
step unit make --no-print-directory unit
step build make --no-print-directory build
step harnesses python3 -m unittest bench/test_bench.py e2e/test_wire.py e2e/crash/test_checker.py \
    e2e/soak/test_soak.py e2e/allocations/test_allocations.py e2e/powerloss/test_powerloss.py
step e2e make --no-print-directory e2e
step hostile make --no-print-directory hostile
step allocations make --no-print-directory allocations
step memory make --no-print-directory memory
step crash make --no-print-directory crash CRASH_CYCLES="${CRASH_CYCLES:-6}"
step faults make --no-print-directory faults FAULTS_FLAGS=--quick
step damage make --no-print-directory damage DAMAGE_FLAGS=--quick
step powerloss make --no-print-directory powerloss POWERLOSS_FLAGS=--quick
echo "==== all steps passed in $SECONDS s"
