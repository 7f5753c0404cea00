"""A disk that can be made sick from outside while a process uses it: the C shim, compiled here, and its control block."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import tempfile
from dataclasses import dataclass
from errno import EIO, ENOSPC, EROFS
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "sick_disk.c"

WRITE, SYNC, ALLOCATE, CREATE, CHANGE = 1, 2, 4, 8, 16
METADATA, EXTENTS = 1, 2
BOTH = METADATA | EXTENTS


class Control(ctypes.Structure):
    """As in sick_disk.c."""

    _fields_ = [
        ("calls", ctypes.c_uint32),
        ("areas", ctypes.c_uint32),
        ("error", ctypes.c_uint32),
        ("delay_ms", ctypes.c_uint32),
        ("tears", ctypes.c_uint32),
        ("padding", ctypes.c_uint32),
        ("hits", ctypes.c_uint64),
    ]


@dataclass(frozen=True)
class Sickness:
    """Which calls fail with which errno, or wait. What a file system answers in that state, not more."""

    calls: int
    error: int = 0
    delay_ms: int = 0
    tears: bool = False


FULL = Sickness(WRITE | ALLOCATE | CREATE, ENOSPC)
FULL_TEARING = Sickness(WRITE | ALLOCATE | CREATE, ENOSPC, tears=True)
READ_ONLY = Sickness(WRITE | ALLOCATE | CREATE | CHANGE | SYNC, EROFS)
BROKEN = Sickness(WRITE | SYNC | ALLOCATE | CREATE | CHANGE, EIO)
BROKEN_SYNC = Sickness(SYNC, EIO)
FULL_SYNC = Sickness(SYNC, ENOSPC)
SLOW = Sickness(SYNC, delay_ms=300)


class SickDisk:
    def __init__(self) -> None:
        self.directory = tempfile.TemporaryDirectory(prefix="forebay-faults-")
        home = Path(self.directory.name)
        self.library = home / "sick_disk.so"
        command = ["cc", "-O2", "-Wall", "-shared", "-fPIC", "-o", str(self.library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True, timeout=120)
        self.path = home / "control"
        self.path.write_bytes(bytes(ctypes.sizeof(Control)))
        self.file = open(self.path, "r+b")
        self.memory = mmap.mmap(self.file.fileno(), ctypes.sizeof(Control))
        self.control = Control.from_buffer(self.memory)

    def environment(self, data: Path) -> dict[str, str]:
        """For a process whose files lie below `data`."""
        return {
            "LD_PRELOAD": str(self.library),
            "SICK_DISK_ROOT": os.path.realpath(data),
            "SICK_DISK_CONTROL": str(self.path),
        }

    def strike(self, sickness: Sickness, areas: int) -> None:
        self.control.calls = 0
        self.control.areas = areas
        self.control.error = sickness.error
        self.control.delay_ms = sickness.delay_ms
        self.control.tears = int(sickness.tears)
        self.control.hits = 0
        self.control.calls = sickness.calls

    def heal(self) -> int:
        """Answers how many calls were struck."""
        self.control.calls = 0
        return self.control.hits

    def close(self) -> None:
        self.control = None
        self.memory.close()
        self.file.close()
        self.directory.cleanup()
