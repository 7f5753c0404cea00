#!/usr/bin/env bash
# Makes or updates the Python environment of the e2e suites: .venv-e2e, from e2e/requirements.txt.
#
#   scripts/python-env.sh               make it, or do nothing when it is up to date
#   scripts/python-env.sh --azure-cli   the separate, large environment of azure-cli: .venv-azcli
#   scripts/python-env.sh --bench       the programs that the bench measures beside the node: .venv-bench
#   scripts/python-env.sh --lock        install afresh without the lock, then write e2e/requirements-lock.txt
#
# PYTHON names another interpreter than python3. It must be 3.11 or newer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    printf 'python-env: %s\n' "$*" >&2
    exit 1
}

requirements=e2e/requirements.txt
lock=e2e/requirements-lock.txt
environment=.venv-e2e
relock=
case "${1:-}" in
    "") ;;
    --azure-cli)
        requirements=e2e/requirements-azure-cli.txt
        lock=
        environment=.venv-azcli
        ;;
    --bench)
        requirements=bench/requirements.txt
        lock=
        environment=.venv-bench
        ;;
    --lock) relock=yes ;;
    *) fail "unknown argument $1 (known: --azure-cli, --bench, --lock)" ;;
esac

python=${PYTHON:-python3}
command -v "$python" >/dev/null || fail "no $python on PATH: apt-get install python3 python3-venv python3-pip"
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$python is $version, 3.11 or newer is needed"

# The stamp is what the environment was made from; it is written last, so a broken install is done again.
stamp=$(cat "$requirements" ${lock:+"$lock"} | sha256sum | cut -d ' ' -f 1)-$version
up_to_date() {
    [ -z "$relock" ] && [ "$(cat "$environment/stamp" 2>/dev/null)" = "$stamp" ] && "$environment/bin/python" -c '' 2>/dev/null
}
if up_to_date; then exit 0; fi

# One install at a time: suites may be started side by side.
exec 9>"$environment.lock"
flock 9
if up_to_date; then exit 0; fi

echo "python-env: installing $requirements into $environment with Python $version" >&2
log=$environment.log
rm -rf "$environment"
if ! "$python" -m venv "$environment" >"$log" 2>&1; then
    cat "$log" >&2
    fail "could not make a virtual environment with $python: apt-get install python3-venv"
fi
constraint=()
if [ -n "$lock" ] && [ -z "$relock" ]; then
    constraint=(--constraint "$lock")
fi
if ! "$environment/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --requirement "$requirements" "${constraint[@]}" >>"$log" 2>&1; then
    tail -n 40 "$log" >&2
    rm -rf "$environment"
    fail "pip could not install $requirements (the whole log is in $log)"
fi
if ! "$environment/bin/python" -m pip check >>"$log" 2>&1; then
    tail -n 40 "$log" >&2
    fail "the installed packages do not fit together"
fi
if [ -n "$relock" ]; then
    {
        echo "# Versions of everything that requirements.txt pulls in. Written by scripts/python-env.sh --lock."
        "$environment/bin/python" -m pip freeze
    } >"$lock"
    stamp=$(cat "$requirements" "$lock" | sha256sum | cut -d ' ' -f 1)-$version
fi
echo "$stamp" >"$environment/stamp"
rm -f "$log"
