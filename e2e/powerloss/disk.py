"""A disk that forgets: what is durable, what is not yet, and the images that a power loss may leave.

Fed with the events of a trace, it keeps for each file the durable bytes and the changes that no sync has covered, and
for each directory the durable names and the changes of names that no sync has covered.

Three models:

- `posix`: only what was asked for. The bytes and the size of a file are durable after an fdatasync or fsync of that
  file that began after them; a name (created, renamed, removed) after an fsync of its directory. Neither implies the
  other, and a file's sync does not make its name durable. Unsynced changes of one directory come in their order, those
  of different directories in any.
- `unordered`: as above, but also the unsynced changes of one directory come in any order. No file system with a
  journal does so, and RocksDB relies on the order once (docs/reliability/power-loss.md).
- `ext4`: as above, but changes of names are journalled in one order, and every sync that commits the journal (that of a
  directory, an fsync, an fdatasync of a file whose size or allocation changed) makes all earlier changes of names
  durable.

A sync of a file covers whole changes, also of its size: fdatasync(2) writes the size when it is needed to read the
data.
"""

from __future__ import annotations

import bisect
import os
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tracefile import Event, Kind, TraceError

CHUNK_BYTES = 64 * 1024
SECTOR_BYTES = 512
PAGE_BYTES = 4096
MODES = ("drop", "keep", "subset")
MODELS = ("posix", "ext4", "unordered")


class Content:
    """Sparse bytes: what no chunk holds is zero."""

    def __init__(self) -> None:
        self.size = 0
        self.chunks: dict[int, bytearray] = {}

    def copy(self) -> Content:
        other = Content()
        other.size = self.size
        other.chunks = {number: bytearray(chunk) for number, chunk in self.chunks.items()}
        return other

    def write(self, offset: int, data: bytes | memoryview) -> None:
        self.size = max(self.size, offset + len(data))
        done = 0
        while done < len(data):
            number, at = divmod(offset + done, CHUNK_BYTES)
            count = min(CHUNK_BYTES - at, len(data) - done)
            chunk = self.chunks.get(number)
            if chunk is None:
                chunk = self.chunks[number] = bytearray(CHUNK_BYTES)
            chunk[at : at + count] = data[done : done + count]
            done += count

    def zero(self, offset: int, length: int) -> None:
        end = offset + length
        for number in range(offset // CHUNK_BYTES, -(-end // CHUNK_BYTES)):
            if number not in self.chunks:
                continue
            start = max(offset - number * CHUNK_BYTES, 0)
            stop = min(end - number * CHUNK_BYTES, CHUNK_BYTES)
            if start == 0 and stop == CHUNK_BYTES:
                del self.chunks[number]
            else:
                self.chunks[number][start:stop] = bytes(stop - start)

    def resize(self, size: int) -> None:
        if size < self.size:
            last = size // CHUNK_BYTES
            for number in [number for number in self.chunks if number > last]:
                del self.chunks[number]
            self.zero(size, (last + 1) * CHUNK_BYTES - size)
        self.size = size

    def store(self, path: str) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        try:
            for number, chunk in self.chunks.items():
                at = number * CHUNK_BYTES
                if at < self.size:
                    os.pwrite(descriptor, memoryview(chunk)[: self.size - at], at)
            os.ftruncate(descriptor, self.size)
        finally:
            os.close(descriptor)

    def difference(self, path: str) -> str | None:
        """What differs from the file, by its bytes."""
        size = os.stat(path).st_size
        if size != self.size:
            return f"{size} bytes instead of {self.size}"
        zeroes = bytes(CHUNK_BYTES)
        with open(path, "rb", buffering=0) as file:
            number = 0
            while part := file.read(CHUNK_BYTES):
                if part != bytes(self.chunks.get(number, zeroes)[: len(part)]):
                    return f"other bytes in [{number * CHUNK_BYTES}, +{len(part)})"
                number += 1
        return None


@dataclass(slots=True)
class Change:
    """A change of a file that no sync has covered: an event of kind WRITE, ALLOCATE, TRUNCATE or PUNCH."""

    event: Event

    def size_after(self, size: int) -> int:
        event = self.event
        if event.kind is Kind.TRUNCATE:
            return event.length
        if event.kind is Kind.PUNCH:
            return size
        return max(size, event.offset + event.length)

    def apply(self, content: Content) -> None:
        event = self.event
        if event.kind is Kind.WRITE:
            content.write(event.offset, event.data)
        elif event.kind is Kind.PUNCH:
            content.zero(event.offset, min(event.length, max(content.size - event.offset, 0)))
        else:
            content.resize(self.size_after(content.size))

    def is_allocating(self, size: int) -> bool:
        """Whether its sync has to commit the journal."""
        return self.event.kind is not Kind.WRITE or self.event.offset + self.event.length > size


@dataclass(slots=True)
class NameChange:
    """A change of one directory's names; a rename is one change, never half of one."""

    position: int
    removed: str | None
    added: str | None
    node: Inode

    def apply(self, entries: dict[str, Inode]) -> None:
        if self.removed is not None and entries.get(self.removed) is self.node:
            del entries[self.removed]
        if self.added is not None:
            entries[self.added] = self.node


@dataclass(eq=False, slots=True)
class Inode:
    """A file or a directory. `path` is its last name below the root, for reports and mutants."""

    path: str
    is_directory: bool
    durable: Content = field(default_factory=Content)
    pending: list[Change] = field(default_factory=list)
    names: dict[str, Inode] = field(default_factory=dict)
    durable_names: dict[str, Inode] = field(default_factory=dict)
    pending_names: list[NameChange] = field(default_factory=list)
    size: int = 0  # with all changes


# Says of a sync that ends whether the disk does it. A mutant forgets some.
Honours = Callable[[Inode], bool]


class Disk:
    def __init__(self, root_inode: int, model: str = "posix", honours: Honours = lambda _: True):
        self.model, self.honours = model, honours
        self.root = Inode("", True)
        self.inodes: dict[int, Inode] = {root_inode: self.root}
        self.begun: dict[tuple[int, int], int] = {}  # number and inode of a sync under way: where it began

    # The trace

    def apply(self, event: Event) -> None:
        match event.kind:
            case Kind.MARK:
                pass
            case Kind.GAP:
                raise TraceError(f"the recorder cannot follow a call: {event}")
            case Kind.SYNC_BEGIN | Kind.SYNC_ALL_BEGIN:
                self.begun[event.offset, event.inode] = event.position
            case Kind.SYNC_END:
                self._sync(event)
            case Kind.SYNC_ALL_END:
                began = self.begun.pop((event.offset, 0))
                for inode in set(self.inodes.values()):
                    self._settle(inode, began)
            case Kind.CREATE | Kind.MAKE_DIRECTORY | Kind.RENAME | Kind.LINK | Kind.UNLINK | Kind.REMOVE_DIRECTORY:
                self._rename(event)
            case Kind.ALLOCATE_KEEPING_SIZE:
                self._known(event)  # space that no byte of the file tells of
            case _:
                inode = self._known(event)
                change = Change(event)
                inode.size = change.size_after(inode.size)
                inode.pending.append(change)

    def _known(self, event: Event) -> Inode:
        inode = self.inodes.get(event.inode)
        if inode is None:
            raise TraceError(f"the trace does not say where this file came from: {event}")
        return inode

    def _parent(self, name: str) -> tuple[Inode, str]:
        inode = self.root
        *directories, last = name.split("/")
        for part in directories:
            inode = inode.names[part]
        return inode, last

    def _rename(self, event: Event) -> None:
        try:
            parent, name = self._parent(event.names[-1])
            if event.kind is Kind.RENAME:
                old_parent, old = self._parent(event.names[0])
                if old_parent is not parent:
                    raise TraceError(f"a rename from one directory to another is not modelled: {event}")
                change = NameChange(event.position, old, name, parent.names[old])
                change.node.path = event.names[-1]
            elif event.kind in (Kind.UNLINK, Kind.REMOVE_DIRECTORY):
                change = NameChange(event.position, name, None, parent.names[name])
            elif event.kind is Kind.LINK:
                source, last = self._parent(event.names[0])
                change = NameChange(event.position, None, name, source.names[last])
            else:
                inode = Inode(event.names[0], event.kind is Kind.MAKE_DIRECTORY)
                self.inodes[event.inode] = inode
                change = NameChange(event.position, None, name, inode)
        except KeyError as missing:
            raise TraceError(f"the trace does not know {missing}: {event}") from None
        change.apply(parent.names)
        parent.pending_names.append(change)

    def _sync(self, event: Event) -> None:
        began = self.begun.pop((event.offset, event.inode))
        inode = self.inodes.get(event.inode)
        if inode is None:
            return  # a directory above the root
        if not self.honours(inode):
            return
        commits = inode.is_directory or event.length == 1
        commits = commits or any(c.is_allocating(inode.durable.size) for c in inode.pending if c.event.position < began)
        self._settle(inode, began)
        if self.model == "ext4" and commits:
            for other in set(self.inodes.values()):
                if other.is_directory:
                    self._settle(other, began)

    @staticmethod
    def _settle(inode: Inode, began: int) -> None:
        """What was changed before the sync began is durable."""
        count = bisect.bisect_left(inode.pending, began, key=lambda change: change.event.position)
        for change in inode.pending[:count]:
            change.apply(inode.durable)
        del inode.pending[:count]
        count = bisect.bisect_left(inode.pending_names, began, key=lambda change: change.position)
        for change in inode.pending_names[:count]:
            change.apply(inode.durable_names)
        del inode.pending_names[:count]

    def has_pending(self) -> bool:
        return any(inode.pending or inode.pending_names for inode in self.inodes.values())

    # Images. They spend the model: what was pending is decided. Fork before.

    def image(self, directory: Path, mode: str, seed: str) -> None:
        """Makes the disk that the next start finds: `drop` nothing, `keep` everything, or some `subset` of the rest."""
        inodes = sorted(set(self.inodes.values()), key=lambda inode: inode.path)
        choice = random.Random(seed)
        journal = self._journal_cut(inodes, choice)
        for inode in inodes:
            if mode == "keep":
                self._keep(inode)
            elif mode == "subset":
                self._keep_names(inode, choice, journal, self.model == "unordered")
                self._keep_some(inode, choice)
        self._store(self.root, directory)

    def _store(self, inode: Inode, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        for name, child in inode.durable_names.items():
            if child.is_directory:
                self._store(child, directory / name)
            else:
                child.durable.store(f"{directory}/{name}")

    @staticmethod
    def _keep(inode: Inode) -> None:
        for change in inode.pending:
            change.apply(inode.durable)
        for name_change in inode.pending_names:
            name_change.apply(inode.durable_names)

    def _journal_cut(self, inodes: Iterable[Inode], choice: random.Random) -> int | None:
        """Where the journal ends, for the model that has one."""
        if self.model != "ext4":
            return None
        positions = sorted(change.position for inode in inodes for change in inode.pending_names)
        return choice.choice([*positions, positions[-1] + 1]) if positions else 0

    @staticmethod
    def _keep_names(inode: Inode, choice: random.Random, journal: int | None, is_unordered: bool) -> None:
        odds = choice.choice((0.0, 0.2, 0.5, 0.8, 1.0))
        count = choice.randint(0, len(inode.pending_names))
        for index, change in enumerate(inode.pending_names):
            if journal is not None:
                is_kept = change.position < journal
            else:
                is_kept = choice.random() < odds if is_unordered else index < count
            if is_kept:
                change.apply(inode.durable_names)

    @staticmethod
    def _keep_some(inode: Inode, choice: random.Random) -> None:
        """Some of the units (sectors or pages) that changes touched reach the disk, each in one of its versions.

        A unit is written whole from memory, so it holds a beginning of the changes that touched it. The size is any
        that the file had; bytes behind it are lost, and bytes before it that did not come are zeroes or what was there.
        """
        if not inode.pending:
            return
        unit = choice.choice((SECTOR_BYTES, PAGE_BYTES))
        odds = choice.choice((0.1, 0.5, 0.9))
        style = choice.choice(("none", "all", "prefix", "units", "units", "units"))
        limit = {"none": 0, "prefix": choice.randint(0, len(inode.pending))}.get(style, len(inode.pending))
        sizes = [inode.durable.size]
        lost: set[int] = set()
        for change in inode.pending[:limit]:
            event = change.event
            sizes.append(change.size_after(sizes[-1]))
            if style != "units":
                change.apply(inode.durable)
            elif event.kind in (Kind.WRITE, Kind.PUNCH):
                _keep_units(inode.durable, event, unit, odds, choice, lost)
            elif sizes[-1] < sizes[-2]:
                # A cut happens whole or not at all, and what was done after it only after it.
                if choice.random() > odds:
                    del sizes[-1]
                    break
                inode.durable.resize(sizes[-1])
                sizes = sizes[-1:]
        if style == "units":
            inode.durable.resize(choice.choice((sizes[0], sizes[-1], choice.choice(sizes))))


def _keep_units(
    content: Content, event: Event, unit: int, odds: float, choice: random.Random, lost: set[int]
) -> None:
    at, end = event.offset, event.offset + event.length
    while at < end:
        number = at // unit
        stop = min(end, (number + 1) * unit)
        if number not in lost:
            if choice.random() < odds:
                if event.kind is Kind.WRITE:
                    content.write(at, event.data[at - event.offset : stop - event.offset])
                else:
                    content.zero(at, stop - at)
            else:
                lost.add(number)  # it stays at this version: no later change of it reaches the disk
        at = stop
