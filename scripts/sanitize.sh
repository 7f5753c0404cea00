#!/usr/bin/env bash
# Runs the unit tests under a sanitizer: sanitize.sh thread|address [MODULE...]
#
# The build is a debug build of everything in a directory of its own (.build-thread, .build-address; SCRATCH names another
# one). Test modules run one after another: instrumented code is ten times slower, and suites with a time limit would
# otherwise wait for all the others. docs/reliability/sanitizers.md says what is suppressed and why.
set -euo pipefail
cd "$(dirname "$0")/.."

kind=${1:-}
case "$kind" in thread | address) shift ;; *) echo "usage: $0 thread|address [MODULE...]" >&2; exit 2 ;; esac
scratch=${SCRATCH:-.build-$kind}
jobs=${JOBS:-2}
limit=${MODULE_SECONDS:-1800}
if [ $# -gt 0 ]; then modules=("$@"); else modules=($(ls Tests)); fi

mkdir -p "$scratch"
scratch=$(cd "$scratch" && pwd)
build=(swift build --build-tests --sanitize "$kind" --scratch-path "$scratch" -j "$jobs")
echo "sanitize: ${build[*]}"
"${build[@]}" >"$scratch/build.log" 2>&1 || {
    grep -v __asan_ "$scratch/build.log" | tail -n 40
    echo "sanitize: RED, the build failed; repeat with: ${build[*]}" >&2
    exit 1
}
tests=$scratch/debug/forebayPackageTests.xctest
reports=$scratch/report
rm -f "$reports".*

# A crash under a sanitizer is the sanitizer's to report.
export SWIFT_BACKTRACE=enable=no
environment=()
case "$kind" in
    thread)
        clang -O1 -shared -fPIC -o "$scratch/tsan-mutex.so" scripts/tsan-mutex.c
        environment=(
            "LD_PRELOAD=$scratch/tsan-mutex.so"
            "TSAN_OPTIONS=halt_on_error=0:exitcode=66:history_size=4:log_path=$reports:suppressions=$PWD/scripts/tsan.supp"
        )
        ;;
    address)
        environment=("ASAN_OPTIONS=detect_leaks=${LEAKS:-0}:detect_stack_use_after_return=0:log_path=$reports:suppressions=$PWD/scripts/asan.supp")
        ;;
esac

begin=$SECONDS
failed=()
for module in "${modules[@]}"; do
    since=$SECONDS
    log=$scratch/$module.log
    command=(env "${environment[@]}" timeout "$limit" "$tests" --testing-library swift-testing --filter "^$module\\.")
    code=0
    "${command[@]}" >"$log" 2>&1 || code=$?
    # 69: the filter met nothing.
    last=$(grep -aE 'Test run with' "$log" | tail -n 1 | sed 's/^[^T]*//' || true)
    if [ "$code" -eq 0 ] || [ "$code" -eq 69 ]; then
        echo "sanitize: $kind $module: ${last:-no tests} ($((SECONDS - since)) s)"
        continue
    fi
    failed+=("$module")
    echo "sanitize: $kind $module: RED, exit code $code after $((SECONDS - since)) s: ${last:-the run did not end}"
    grep -aE 'recorded an issue|error:' "$log" | head -n 10 || true
    echo "  log: $log; repeat with: scripts/sanitize.sh $kind $module"
done

found=$(cat "$reports".* 2>/dev/null | grep -a '^SUMMARY' | sort | uniq -c || true)
if [ -n "$found" ]; then
    echo "sanitize: reports in $reports.*:"
    echo "$found"
fi
if [ ${#failed[@]} -gt 0 ] || [ -n "$found" ]; then
    echo "sanitize: $kind RED in $((SECONDS - begin)) s: ${failed[*]:-reports}; repeat with: scripts/sanitize.sh $kind ${failed[*]:-}" >&2
    exit 1
fi
echo "sanitize: $kind green, ${#modules[@]} modules in $((SECONDS - begin)) s"
