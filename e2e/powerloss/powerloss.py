#!/usr/bin/env python3
"""Cuts the power at every sync of the released node and proves that what it acknowledged is there afterwards.

    python3 e2e/powerloss/powerloss.py            every sync boundary, three images at each
    python3 e2e/powerloss/powerloss.py --quick    a small load, some boundaries, and the mutants

A recorder under the unmodified binary writes down every change of a file, of a name, every sync and every acknowledged
operation in one order. Then, for each completed sync, the run ends just before it: disk images are built with
everything that no sync had covered dropped, kept, or kept in part (any sectors or pages, sizes and names), fsck and
the node run on each, and bytes, metadata, tags, leases, block lists, listings and containers are held against the
states that the history allows. See docs/reliability/power-loss.md.
"""

from __future__ import annotations

import argparse
import fnmatch
import os
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

sys.path[:0] = [
    os.path.dirname(os.path.abspath(__file__)),
    os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "crash"),
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
]

import node as nodes
import recording as recordings
from disk import MODELS, MODES, Disk, Inode
from recording import Recording, Size
from recovery import Recovery, Red
from tracefile import Event, Kind, TraceError

FULL = Size(writers=4, names=4, operations=25, bulk=24, bulk_operations=95, bulk_sync_us=12_000)
QUICK = Size(writers=3, names=3, operations=10, bulk=0, bulk_operations=0)
QUICK_CUTS = 16
IMAGE_SECONDS = 180

# Syncs that a mutant's disk forgets, by the path of what is synced: each is one that the node must have asked for.
MUTANTS = {
    "segment data": "*.seg",
    "segment names": "*/extents/segments",
    "segment numbers": "*/extents/NEXT.new",
    "extent store's names": "*/extents",
    "metadata log": "*/metadata/*.log",
    "metadata tables": "*/metadata/*.sst",
    "metadata manifest": "*/metadata/MANIFEST-*",
    "metadata CURRENT": "*/metadata/*.dbtmp",
    "metadata names": "*/metadata",
    "data directory": "*/data",
}


@dataclass(frozen=True)
class Image:
    """One disk to be checked: the boundary before which the power goes, and what becomes of what was not synced."""

    boundary: int
    mode: str


class Cutter:
    """Goes along the trace once and checks images on the way, each in a process of its own."""

    def __init__(self, arguments: argparse.Namespace, recording: Recording, work: Path, quiet: bool = False):
        self.quiet = quiet
        self.arguments, self.recording, self.work = arguments, recording, work
        self.events = recording.events()
        self.boundaries = recordings.boundaries(self.events)
        self.positions = {e.inode: e.position for e in self.events if e.kind is Kind.MARK}
        self.running: dict[int, tuple[Image, int]] = {}  # by process
        self.checked: Counter[str] = Counter()
        self.reds: list[tuple[Image, str]] = []
        self.began = time.monotonic()
        self.shown = 0.0

    @property
    def count(self) -> int:
        """Boundary `count` + 1 is the end of the trace: power goes when all is done."""
        return len(self.boundaries)

    def plan(self) -> set[int]:
        given = self.arguments
        chosen = range(given.first, self.count + 2, given.every)
        return set(chosen[: given.cuts] if given.cuts else chosen)

    def cut(self, plan: set[int], modes: tuple[str, ...], forgotten: str | None = None) -> None:
        """Stops at the first red image unless `--keep-going`."""
        disk = Disk(self.recording.root_inode, self.arguments.disk, self._honours(forgotten))
        boundary, last = 0, max(plan, default=0)
        ends = iter([*self.boundaries, len(self.events)])
        end = next(ends)
        for event in [*self.events, None]:
            position = len(self.events) if event is None else event.position
            if position == end:
                boundary += 1
                if boundary in plan:
                    self._check_at(disk, boundary, position, modes)
                if boundary >= last or (self.reds and not self.arguments.keep_going):
                    break
                end = next(ends)
            if event is not None:
                disk.apply(event)
        while self.running:
            self._wait()

    @staticmethod
    def _honours(forgotten: str | None):
        def honours(inode: Inode) -> bool:
            return forgotten is None or not fnmatch.fnmatch(inode.path, forgotten)

        return honours

    def _check_at(self, disk: Disk, boundary: int, position: int, modes: tuple[str, ...]) -> None:
        for mode in modes if disk.has_pending() else modes[:1]:  # with nothing pending all modes give the same image
            while len(self.running) >= self.arguments.jobs:
                self._wait()
            image = Image(boundary, mode)
            read, write = os.pipe()
            process = os.fork()
            if process == 0:
                os.close(read)
                self._child(disk, image, position, write)
            os.close(write)
            self.running[process] = (image, read)

    def _child(self, disk: Disk, image: Image, position: int, pipe: int) -> None:
        """Never returns. Writes why the image is red, nothing when it is green."""
        complaint = ""
        directory = self.work / f"image-{image.boundary}-{image.mode}"
        try:
            os.setpgid(0, 0)  # with the node that it starts: one signal ends both
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.alarm(IMAGE_SECONDS)
            tempfile.tempdir = str(self.work)
            seed = f"{self.arguments.seed}/{image.boundary}/{image.mode}"
            disk.image(directory, image.mode, seed)
            if self.arguments.keep_image:
                shutil.copytree(directory, self.arguments.keep_image, dirs_exist_ok=True)
            Recovery(self.recording, directory, position, self.positions, seed).run()
        except Red as red:
            complaint = str(red) or "red"
        except BaseException:
            complaint = "FAULT OF THE TEST\n" + traceback.format_exc()
        shutil.rmtree(directory, ignore_errors=True)
        with os.fdopen(pipe, "wb") as file:
            file.write(complaint.encode())
        os._exit(0)

    @staticmethod
    def _end(process: int) -> None:
        try:
            os.killpg(process, signal.SIGKILL)
        except ProcessLookupError:
            pass  # nothing was left behind

    def stop(self) -> None:
        for process in self.running:
            self._end(process)

    def _wait(self) -> None:
        process, status = os.wait()
        image, pipe = self.running.pop(process)
        self._end(process)
        with os.fdopen(pipe, "rb") as file:
            complaint = file.read().decode(errors="replace")
        if status != 0 and not complaint:
            complaint = f"FAULT OF THE TEST: the checking process ended with status {status} (limit {IMAGE_SECONDS} s)"
        self.checked[image.mode] += 1
        if complaint:
            self.reds.append((image, complaint))
        now = time.monotonic()
        if not self.quiet and now - self.shown > (1 if sys.stdout.isatty() else 10):
            self.shown = now
            line = (
                f"cut {image.boundary} of {self.count + 1}, {sum(self.checked.values())} images, "
                f"{len(self.reds)} red, {now - self.began:.0f} s"
            )
            print(f"\r{line}" if sys.stdout.isatty() else line, end="" if sys.stdout.isatty() else "\n", flush=True)


def describe(cutter: Cutter, image: Image) -> str:
    """The sync before which the power went."""
    if image.boundary > cutter.count:
        return "the end of the trace"
    disk = Disk(cutter.recording.root_inode)
    end = cutter.boundaries[image.boundary - 1]
    for event in cutter.events[:end]:
        disk.apply(event)
    event: Event = cutter.events[end]
    inode = disk.inodes.get(event.inode)
    path = "a directory above the disk" if inode is None else inode.path or "/"
    return f"{'fsync' if event.length else 'fdatasync'} of {path}"


def report(cutter: Cutter, arguments: argparse.Namespace) -> None:
    for image, complaint in sorted(cutter.reds, key=lambda red: red[0].boundary)[:3]:
        print(f"\nRED at boundary {image.boundary} ({describe(cutter, image)}), mode {image.mode}:\n{complaint}")
        command = (
            f"python3 e2e/powerloss/powerloss.py --recording {shlex.quote(str(cutter.recording.directory))} "
            f"--from {image.boundary} --cuts 1 --modes {image.mode} --disk {arguments.disk} --seed {arguments.seed}"
        )
        print(f"repeat: {command}")


def check_mutants(cutter: Cutter, arguments: argparse.Namespace, work: Path) -> list[str]:
    """Disks that forget some syncs, dropping everything else that was not synced: each must be found out."""
    found, missed = [], []
    for name, pattern in MUTANTS.items():
        mutant = Cutter(arguments, cutter.recording, work, quiet=True)
        # From the end: what was never made durable is missed most when most was acknowledged.
        for boundary in sorted({mutant.count + 1, mutant.count * 3 // 4, mutant.count // 2, mutant.count // 4})[::-1]:
            try:
                mutant.cut({boundary}, ("drop",), forgotten=pattern)
            finally:
                mutant.stop()
            if mutant.reds:
                break
        (found if mutant.reds else missed).append(name)
    print(f"mutants found: {', '.join(found) or 'none'}")
    return missed


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a small load, some boundaries, and the mutants")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--operations", type=int, default=0, help="operations of each writer in each life of the node")
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="K", help="the first boundary to cut at")
    parser.add_argument("--cuts", type=int, default=0, help="how many boundaries to cut at; 0: all")
    parser.add_argument("--every", type=int, default=0, help="cut at each EVERY-th boundary")
    parser.add_argument("--modes", default=",".join(MODES), help="what becomes of what was not synced")
    parser.add_argument("--disk", choices=MODELS, default="posix", help="what a sync makes durable")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="images that are checked at once")
    parser.add_argument("--mutants", action="store_true", help="check that disks which forget syncs are found out")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first red image")
    parser.add_argument("--recording", type=Path, help="use this recording instead of making one")
    parser.add_argument("--record-only", type=Path, metavar="DIR", help="make a recording there and stop")
    parser.add_argument("--keep-image", type=Path, metavar="DIR", help="copy the image there before it is used")
    parser.add_argument("--work", type=Path, help="where disks are made; memory is fastest (default: /dev/shm)")
    arguments = parser.parse_args()
    arguments.modes = tuple(arguments.modes.split(","))
    if wrong := set(arguments.modes) - set(MODES):
        parser.error(f"unknown modes {sorted(wrong)}; there are {', '.join(MODES)}")
    return arguments


def summary(recording: Recording, cutter: Cutter) -> str:
    kinds = Counter(event.kind for event in cutter.events)
    return (
        f"{len(cutter.events)} events, {cutter.count} sync boundaries, {kinds[Kind.WRITE]} writes, "
        f"{kinds[Kind.CREATE]} files, {kinds[Kind.RENAME]} renames, {kinds[Kind.UNLINK]} removals, "
        f"{kinds[Kind.PUNCH]} holes; operations: "
        + ", ".join(f"{name} {count}" for name, count in recording.counts.most_common())
    )


def run(arguments: argparse.Namespace, work: Path) -> int:
    tempfile.tempdir = str(work)
    if arguments.recording:
        recording = Recording.load(arguments.recording)
    else:
        size = QUICK if arguments.quick else FULL
        size = replace(size, operations=arguments.operations or size.operations)
        began = time.monotonic()
        recording = recordings.record(arguments.record_only or work / "recording", arguments.seed, size)
        print(f"recorded in {time.monotonic() - began:.1f} s; the trace rebuilds the disk byte for byte", flush=True)
    cutter = Cutter(arguments, recording, work)
    print(summary(recording, cutter), flush=True)
    if arguments.record_only:
        return 0
    if arguments.every == 0:
        arguments.every = max(1, cutter.count // QUICK_CUTS) if arguments.quick else 1
    try:
        cutter.cut(cutter.plan(), arguments.modes)
    finally:
        cutter.stop()
    if sys.stdout.isatty():
        print()
    if cutter.reds:
        if not arguments.recording:
            kept = Path(tempfile.mkdtemp(prefix="forebay-powerloss-", dir="/tmp"))
            recording.directory = Path(shutil.copytree(recording.directory, kept, dirs_exist_ok=True))
        report(cutter, arguments)
        print(f"power loss: RED, {len(cutter.reds)} of {sum(cutter.checked.values())} images, seed {arguments.seed}")
        return 1
    # Where a journal makes names last, forgetting the syncs of directories loses nothing.
    if (arguments.quick or arguments.mutants) and arguments.disk != "ext4":
        if missed := check_mutants(cutter, arguments, work):
            print(f"power loss: RED: a disk that forgets the syncs of {', '.join(missed)} was not found out")
            quick = "--quick " if arguments.quick else ""
            print(f"repeat: python3 e2e/powerloss/powerloss.py {quick}--mutants --seed {arguments.seed}")
            return 1
    print("images: " + ", ".join(f"{mode} {count}" for mode, count in cutter.checked.items()))
    print(
        f"power loss: {cutter.count} boundaries, {sum(cutter.checked.values())} images green "
        f"in {time.monotonic() - cutter.began:.0f} s, seed {arguments.seed}"
    )
    return 0


def main() -> int:
    arguments = parse()
    print(f"seed {arguments.seed}", flush=True)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    work = Path(tempfile.mkdtemp(prefix="forebay-powerloss-", dir=arguments.work or memory))
    try:
        return run(arguments, work)
    except (TraceError, nodes.NodeError) as fault:
        print(f"\npower loss: RED: {fault}\nrepeat: python3 {shlex.join(sys.argv)} --seed {arguments.seed}")
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
