"""The trace that `recorder.c` writes: every change of the disk and the marks of the load, in one order."""

from __future__ import annotations

import enum
import mmap
import os
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The header of recorder.c: magic, kind, inode, offset, length, bytes of text, bytes of data.
HEADER = struct.Struct("=IIQqqII")
MAGIC = 0x4C505246


class Kind(enum.IntEnum):
    CREATE = 1
    MAKE_DIRECTORY = 2
    TRUNCATE = 3
    WRITE = 4
    ALLOCATE = 5
    ALLOCATE_KEEPING_SIZE = 6
    PUNCH = 7
    RENAME = 8
    LINK = 9
    UNLINK = 10
    REMOVE_DIRECTORY = 11
    SYNC_BEGIN = 12
    SYNC_END = 13
    SYNC_ALL_BEGIN = 14
    SYNC_ALL_END = 15
    GAP = 16
    MARK = 17


class TraceError(Exception):
    """The trace is torn, or the recorder could not follow a call: nothing can be proved with it."""


@dataclass(frozen=True, slots=True)
class Event:
    """`names` are paths below the root; `offset` of a sync is its number, `length` 1 for fsync and 0 for fdatasync."""

    position: int
    kind: Kind
    inode: int
    offset: int
    length: int
    names: tuple[str, ...]
    data: memoryview | bytes

    def __str__(self) -> str:
        names = " → ".join(self.names)
        return f"{self.position} {self.kind.name} {names} inode {self.inode} {self.offset}+{self.length}"


def read(path: Path) -> Iterator[Event]:
    """The events in order; the data are views of the mapped file."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    at, position = 0, 0
    while at < len(view):
        if at + HEADER.size > len(view):
            raise TraceError(f"the trace ends inside a record at {at}")
        magic, kind, inode, offset, length, text, data = HEADER.unpack_from(view, at)
        at += HEADER.size
        if magic != MAGIC or at + text + data > len(view):
            raise TraceError(f"record {position} at {at - HEADER.size} of the trace is torn")
        names = bytes(view[at : at + text]).decode("utf-8", "surrogateescape")
        at += text
        yield Event(
            position, Kind(kind), inode, offset, length, tuple(names.split("\0")) if names else (), view[at : at + data]
        )
        at += data
        position += 1


class Marks:
    """Appends marks to the trace that the recorder writes. Safe for use from several threads."""

    def __init__(self, path: Path):
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._lock = threading.Lock()
        self._number = 0

    def set(self, text: str) -> int:
        """Answers the mark's number: `positions` tells where in the order it came to lie."""
        with self._lock:
            self._number += 1
            number = self._number
        name = text.encode()
        record = HEADER.pack(MAGIC, Kind.MARK, number, 0, 0, len(name), 0) + name
        if os.write(self._file, record) != len(record):
            raise TraceError("a mark was not written whole")
        return number

    def close(self) -> None:
        os.close(self._file)
