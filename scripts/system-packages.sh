#!/usr/bin/env bash
# Installs the system packages that a purpose needs and that are missing: build, clients or bench.
set -euo pipefail

case "${1:-}" in
    build) packages=(librocksdb-dev libssl-dev gcc libc6-dev python3) ;;
    clients) packages=(python3 python3-venv python3-pip rclone iproute2 util-linux mount) ;;
    bench) packages=(nginx libnginx-mod-http-dav-ext wrk fio libssl-dev gcc libc6-dev python3 python3-venv python3-pip) ;;
    *) echo "usage: $0 build|clients|bench" >&2; exit 2 ;;
esac

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

echo "installing ${missing[*]}" >&2
as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
