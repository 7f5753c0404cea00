#!/usr/bin/env python3
"""Where a request's allocations come from: the project's own lines, then the whole call stacks that allocate.

    python3 e2e/allocations/sites.py HEAD "GET 4 KiB"
    python3 e2e/allocations/sites.py --top 50 --frames 12 "Put Blob 4 KiB"

Frames of the allocator and of the Swift runtime at the top of a stack are left out. The names come from
llvm-symbolizer and `swift demangle`; without these, addresses are shown.
"""

from __future__ import annotations

import argparse
import bisect
import collections
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from counted import KINDS, CountedNode, Kind

# What says nothing about who asked for the memory.
RUNTIME = re.compile(
    r"^(swift_slowAlloc\w*|swift_allocObject|swift::|_swift_allocObject_|swift_allocBox|operator new|_int_malloc|malloc"
    r"|calloc|realloc|posix_memalign|aligned_alloc|swift_bufferAllocate|__swift_allocate\w*|allocate\(size:)"
)
OWN_FILES = {path.name for path in (HERE.parent.parent / "Sources").rglob("*.swift")}


class Symbols:
    """Names of a running process's addresses."""

    def __init__(self, pid: int):
        self.regions: list[tuple[int, int, int, str]] = []
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            fields = line.split(maxsplit=5)
            if len(fields) == 6 and fields[5].startswith("/"):
                low, high = (int(part, 16) for part in fields[0].split("-"))
                self.regions.append((low, high, int(fields[2], 16), fields[5]))
        self.starts = [region[0] for region in self.regions]
        self.names: dict[int, list[str]] = {}

    def place(self, address: int) -> tuple[str, int] | None:
        at = bisect.bisect(self.starts, address) - 1
        if at < 0 or address >= self.regions[at][1]:
            return None
        _, _, _, path = self.regions[at]
        base = next(low for low, _, offset, name in self.regions if name == path and offset == 0)
        return path, address - base

    def resolve(self, addresses: set[int]) -> None:
        """Finds the names of all addresses at once: inlined functions first, then the function that holds them."""
        by_file: dict[str, list[tuple[int, int]]] = collections.defaultdict(list)
        for address in addresses - self.names.keys():
            # A return address: the call is the instruction before it.
            if place := self.place(address - 1):
                by_file[place[0]].append((address, place[1]))
            else:
                self.names[address] = [hex(address)]
        if not shutil.which("llvm-symbolizer"):
            for path, places in by_file.items():
                for address, offset in places:
                    self.names[address] = [f"{Path(path).name}+{offset:#x}"]
            return
        for path, places in by_file.items():
            asked = "".join(f"{offset:#x}\n" for _, offset in places)
            command = ["llvm-symbolizer", f"--obj={path}", "--inlines", "--basenames", "--no-demangle"]
            done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
            for (address, offset), told in zip(places, demangled(done.stdout).split("\n\n")):
                lines = told.strip().splitlines()
                frames = [f"{name}  {where}" for name, where in zip(lines[::2], lines[1::2])]
                self.names[address] = (
                    [f"{Path(path).name}+{offset:#x}"] if not frames or frames[0].startswith("??") else frames
                )


def demangled(text: str) -> str:
    if not shutil.which("swift"):
        return text
    command = ["swift", "demangle", "--simplified"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def own(names: list[str]) -> str:
    """The innermost frame that stands in a file of this project, named without the compiler's decoration."""
    for name in names:
        if re.match(r"\S+\.swift:(?!0:)", where := name.rpartition("  ")[2]) and where.split(":")[0] in OWN_FILES:
            return re.sub(r"^(specialized |closure #\d+ in |partial apply for |protocol witness for )+", "", name)
    return "none of this project's"


def report(counted: CountedNode, kind: Kind, top: int, frames: int) -> str:
    for _ in range(2):
        counted.batch(kind)  # caches warm, buffers grown
    before = {stack: calls for calls, _, stack in counted.stacks()}
    counted.trace(True)
    counted.batch(kind)
    counted.trace(False)
    found = [
        (calls - before.get(stack, 0), size, stack)
        for calls, size, stack in counted.stacks()
        if calls > before.get(stack, 0)
    ]
    symbols = Symbols(counted.node.pid)
    symbols.resolve({address for _, _, stack in found for address in stack})
    merged: collections.Counter[tuple[str, ...]] = collections.Counter()
    lines: collections.Counter[str] = collections.Counter()
    for calls, _, stack in found:
        names = [name for address in stack for name in symbols.names[address]]
        while len(names) > 1 and RUNTIME.match(names[0]):
            names.pop(0)
        merged[tuple(names[:frames])] += calls
        lines[own(names)] += calls
    total = sum(merged.values())
    text = [f"== {kind.name}: {total / kind.count:.1f} allocations a request, {len(merged)} sites"]
    text += [f"{calls / kind.count:8.2f}  {name}" for name, calls in lines.most_common(top)]
    text += ["", f"-- the stacks of {kind.name}"]
    for names, calls in merged.most_common(top):
        text.append(f"{calls / kind.count:8.2f}  {names[0]}")
        text += [f"          <- {name}" for name in names[1:]]
    return "\n".join(text)


def main() -> int:
    known = {kind.name: kind for kind in KINDS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=["HEAD"], help=f"of {', '.join(known)}")
    parser.add_argument("--top", type=int, default=30)
    parser.add_argument("--frames", type=int, default=8, help="of each stack, inlined ones included")
    arguments = parser.parse_args()
    for name in arguments.kinds:
        if name not in known:
            parser.error(f"no kind {name!r}; known: {', '.join(known)}")
    with CountedNode() as counted:
        for name in arguments.kinds:
            print(report(counted, known[name], arguments.top, arguments.frames), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
