"""Records a run of the released binary on the disk that will be cut: the trace, and what was done to each name."""

from __future__ import annotations

import os
import pickle
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import node as nodes
import tracefile
import wire
from disk import Disk
from tracefile import Event, Kind, Marks, TraceError
from workload import History, Workload

HERE = Path(__file__).resolve().parent
TRACE = "trace"
HISTORIES = "histories.pickle"
# The node makes two directories of its own on the disk: a name above the data directory has to last, too.
DATA = "volume/data"
QUIET_SECONDS = 0.5


@dataclass(frozen=True)
class Size:
    """How much is recorded. The bulk writers fill the metadata store's write buffer in the second life of the node,
    whose syncs take longer, so that many commits share one."""

    writers: int
    names: int
    operations: int
    bulk: int
    bulk_operations: int
    sync_us: int = 400
    bulk_sync_us: int = 400


@dataclass
class Recording:
    """`ready` is the mark at which the node first served."""

    directory: Path
    root_inode: int
    ready: int
    main: History
    blobs: list[History]
    bulk: list[History]
    containers: list[History]
    counts: Counter[str]
    options: tuple[str, ...]

    def events(self) -> list[Event]:
        return list(tracefile.read(self.directory / TRACE))

    def save(self) -> None:
        with open(self.directory / HISTORIES, "wb") as file:
            pickle.dump(self, file)

    @staticmethod
    def load(directory: Path) -> Recording:
        with open(directory / HISTORIES, "rb") as file:
            recording = pickle.load(file)
        recording.directory = directory
        return recording


def build_recorder(directory: Path) -> Path:
    library = directory / "recorder.so"
    subprocess.run(
        ["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", library, HERE / "recorder.c"], check=True
    )
    return library


def recorder_environment(library: Path, root: Path, trace_path: Path, sync_us: int = 0) -> dict[str, str]:
    return {
        "LD_PRELOAD": str(library),
        "RECORDER_ROOT": str(root),
        "RECORDER_TRACE": str(trace_path),
        "RECORDER_SYNC_US": str(sync_us),
    }


def compare_with_disk(directory: Path, root_inode: int, trace_path: Path) -> int:
    """Holds what the trace rebuilds against what is there, byte for byte; answers the number of files.

    Raises TraceError where they differ: then a call went by the recorder, and its syncs cannot be trusted either.
    """
    disk = Disk(root_inode)
    for event in tracefile.read(trace_path):
        disk.apply(event)
    differences: list[str] = []
    files = 0

    def walk(inode, path: Path) -> None:
        nonlocal files
        present = set(os.listdir(path))
        for name in sorted(present ^ inode.names.keys()):
            differences.append(f"{path / name}: {'not in the trace' if name in present else 'only in the trace'}")
        for name in sorted(present & inode.names.keys()):
            child = inode.names[name]
            if child.is_directory:
                walk(child, path / name)
                continue
            files += 1
            content = child.durable.copy()
            for change in child.pending:
                change.apply(content)
            if difference := content.difference(str(path / name)):
                differences.append(f"{path / name}: {difference}")

    walk(disk.root, directory)
    if differences:
        raise TraceError("calls went by the recorder:\n  " + "\n  ".join(differences[:10]))
    return files


def record(directory: Path, seed: int, size: Size, options: tuple[str, ...] = ()) -> Recording:
    """Three lives of the node on one disk: made new, after an orderly end, and after SIGKILL with nothing under way."""
    root = directory / "disk"
    root.mkdir(parents=True)
    trace_path = directory / TRACE
    environment = recorder_environment(build_recorder(directory), root, trace_path, size.sync_us)
    marks = Marks(trace_path)
    node = wire.production_node(*options)
    node._env.update(environment)
    node.data = root / DATA
    try:
        workload = Workload(seed, size.writers, size.names, size.bulk, marks)
        node.start()
        ready = marks.set("ready")
        workload.create_container(node.port)
        workload.run(node.port, size.operations)
        for life in (2, 3):
            time.sleep(QUIET_SECONDS)
            if life == 2:
                if node.terminate() != 0:
                    raise nodes.NodeError(f"SIGTERM did not end the node with 0\n{node.log_tail()}")
                compare_with_disk(root, root.stat().st_ino, trace_path)
            else:
                node.kill()
            node._env.update(RECORDER_SYNC_US=str(size.bulk_sync_us if life == 2 else size.sync_us))
            node.start()
            marks.set("ready again")
            workload.run(node.port, size.operations, size.bulk_operations if life == 2 else 0)
        time.sleep(QUIET_SECONDS)
        if node.terminate() != 0:
            raise nodes.NodeError(f"SIGTERM did not end the node with 0\n{node.log_tail()}")
        compare_with_disk(root, root.stat().st_ino, trace_path)
        recording = Recording(
            directory, root.stat().st_ino, ready, workload.main, workload.histories(), workload.bulk_histories(),
            workload.container_histories(), workload.counts(), options,
        )  # fmt: skip
        recording.save()
        return recording
    finally:
        marks.close()
        node.close()


def boundaries(events: list[Event]) -> list[int]:
    """Positions of the syncs that were completed."""
    return [event.position for event in events if event.kind in (Kind.SYNC_END, Kind.SYNC_ALL_END)]
