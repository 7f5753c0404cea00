"""Where the node's processor time goes in one row of the bench: by system call in the kernel, by part of the node outside.

    python3 bench/profile.py "GET 64 KiB"
    python3 bench/profile.py "HEAD 4 KiB" --functions 40

Samples the node with perf (Debian: linux-perf) while bench.py drives the row. A sample outside the kernel counts for the
innermost function that belongs to a part of the node, so that memory management and the runtime count for who asked.
"""

import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = {
    "9FrontDoor": "front door", "12HTTPExchange": "front door", "7NIOCore": "SwiftNIO", "8NIOPosix": "SwiftNIO",
    "8NIOHTTP1": "SwiftNIO", "9AzureBlob": "Blob protocol", "9AzureWire": "Blob protocol", "6Access": "signatures",
    "6Crypto": "signatures", "9Namespace": "namespace", "12StorageModel": "namespace", "8Metadata": "metadata store",
    "13MetadataRocks": "metadata store", "7Extents": "extent store", "12ExtentsLocal": "extent store",
    "13Observability": "metrics and log", "9Checksums": "checksums", "4Node": "assembly",
}
PART = re.compile("|".join(rf"(?<![0-9]){name}" for name in PARTS))
CALLS = {
    "sendfile64": "sendfile", "sendto": "send", "read": "read", "epoll_wait": "epoll_wait", "writev": "write",
    "write": "write", "futex": "futex", "setsockopt": "setsockopt", "pread64": "pread", "fdatasync": "fdatasync",
    "pwrite64": "pwrite", "io_uring_enter": "io_uring", "madvise": "memory", "munmap": "memory", "mmap": "memory",
}
CALL = re.compile(r"__(?:x64|arm64)_sys_(\w+)")


def node(parent: int) -> int | None:
    """The process of the node that this bench has started."""
    listed = subprocess.run(["ps", "-e", "-o", "pid=,ppid=,comm="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    for pid, ppid, name in rows:
        if int(ppid) == parent and name == "forebay":
            return int(pid)
    return None


def samples(recording: Path):
    command = ["perf", "script", "-i", recording, "-F", "comm,ip,sym", "--no-demangle"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as script:
        stack: list[str] = []
        for line in script.stdout:
            words = line.split()
            if not words:
                if stack:
                    yield stack
                stack = []
            elif re.fullmatch(r"[0-9a-f]+", words[0]) and len(words) > 1:
                stack.append(words[1])
        if stack:
            yield stack


def place(stack: list[str]) -> tuple[str, str]:
    """Kernel or node, and the call or the part."""
    for symbol in stack:
        if found := CALL.match(symbol):
            return "kernel", CALLS.get(found[1], found[1])
    for symbol in stack:
        if symbol.startswith(("$s", "_$s")) and (found := PART.search(symbol)):
            return "node", PARTS[found[0]]
        if "rocksdb" in symbol:
            return "node", "RocksDB"
    return "node", "other"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("row", help="a row of bench.py, such as 'GET 64 KiB'")
    parser.add_argument("--functions", type=int, default=0, help="how many functions to list as well")
    parser.add_argument("--seconds", type=int, default=5)
    arguments = parser.parse_args()
    if not shutil.which("perf"):
        print("profile: no perf: apt-get install linux-perf", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as home:
        recording, said = Path(home) / "perf.data", Path(home) / "said"
        command = [sys.executable, HERE / "bench.py", "--rows", arguments.row, "--rivals", "forebay", "--no-limits"]
        command += ["--rounds", "1", "--seconds", str(arguments.seconds + 10)]
        with said.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, env=os.environ) as bench:
            pid, deadline = None, time.monotonic() + 60
            while bench.poll() is None and time.monotonic() < deadline and (pid := node(bench.pid)) is None:
                time.sleep(0.1)
            if pid is None:
                print(said.read_text(), file=sys.stderr)
                return 1
            time.sleep(8)
            record = ["perf", "record", "-e", "cpu-clock", "-F", "2000", "-g", "-p", str(pid), "-o", recording]
            done = subprocess.run([*record, "--", "sleep", str(arguments.seconds)], capture_output=True, text=True)
            if done.returncode or not recording.exists():
                print(f"profile: perf failed: {done.stderr.strip()}", file=sys.stderr)
                bench.kill()
                return 1
            bench.wait()
        places, functions, total = collections.Counter(), collections.Counter(), 0
        for stack in samples(recording):
            total += 1
            places[place(stack)] += 1
            functions[stack[0]] += 1
    if not total:
        print("profile: no samples", file=sys.stderr)
        return 1
    print(f"{arguments.row}: {total} samples of the node's processor time")
    for side in ("kernel", "node"):
        print(f"{100 * sum(n for (s, _), n in places.items() if s == side) / total:5.1f} %  {side}")
        for (s, name), n in places.most_common():
            if s == side and 100 * n / total >= 0.5:
                print(f"{100 * n / total:13.1f} %  {name}")
    if arguments.functions:
        names = functions.most_common(arguments.functions)
        text = "\n".join(f"{100 * n / total:5.1f} %  {name}" for name, n in names)
        demangled = subprocess.run(["swift", "demangle", "--compact"], input=text, capture_output=True, text=True)
        print(demangled.stdout if demangled.returncode == 0 else text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
