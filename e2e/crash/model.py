"""What may be true of one name: the states that its acknowledged and unanswered operations allow.

Each name has one writer that does one thing at a time, so the allowed states are exact: the state after everything
acknowledged and, if the node died during an operation, the state after that one too. Nothing else.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar
from collections.abc import Callable, Mapping

from content import Piece, total

HISTORY_LENGTH = 80

S = TypeVar("S")


@dataclass(frozen=True)
class Blob:
    pieces: tuple[Piece, ...]
    blocks: tuple[tuple[str, Piece], ...]  # the committed block list; empty after Put Blob
    metadata: Mapping[str, str]
    properties: Mapping[str, str]  # by the name of the answer header, lower case
    tags: Mapping[str, str] = field(default_factory=dict)
    tier: str | None = None  # None: not known, not checked
    lease: str | None = None  # id of an infinite lease
    etag: str | None = None  # None: not known, because no answer told it
    last_modified: str | None = None

    @property
    def length(self) -> int:
        return total(self.pieces)


@dataclass(frozen=True)
class State:
    """`staged` maps a block id to the pieces that it may hold, None for "not staged"."""

    blob: Blob | None = None
    staged: Mapping[str, frozenset[Piece | None]] = field(default_factory=dict)

    def known_staged(self) -> dict[str, Piece]:
        """The staged blocks where there is no doubt; there is none while the node has not died."""
        return {key: next(iter(may)) for key, may in self.staged.items() if len(may) == 1 and None not in may}  # type: ignore[misc]

    def __str__(self) -> str:
        staged = (
            f", staged {{{', '.join(f'{k}: {sorted(map(str, v))}' for k, v in self.staged.items())}}}"
            if self.staged
            else ""
        )
        if self.blob is None:
            return "absent" + staged
        b = self.blob
        return (
            f"{b.length} bytes in {len(b.pieces)} pieces, {len(b.blocks)} blocks, etag {b.etag}, metadata {dict(b.metadata)}, "
            f"tags {dict(b.tags)}, properties {dict(b.properties)}, tier {b.tier}, lease {b.lease}{staged}"
        )


Change = Callable[[State], list[State]]


def writes(make: Callable[[State], Blob]) -> Change:
    """A whole write of the blob: lease kept, staged blocks dropped, the ETag renewed."""

    def change(state: State) -> list[State]:
        old = state.blob
        blob = make(state)
        return [State(replace(blob, lease=old.lease if old else None, etag=None, last_modified=None))]

    return change


def alters(renews_etag: bool, **values: object) -> Change:
    """Changes fields of an existing blob, keeps its bytes and its staged blocks."""

    def change(state: State) -> list[State]:
        assert state.blob is not None
        blob = replace(state.blob, **values)  # type: ignore[arg-type]
        if renews_etag:
            blob = replace(blob, etag=None, last_modified=None)
        return [replace(state, blob=blob)]

    return change


def deletes(state: State) -> list[State]:
    """Whether staged blocks go with the committed blob is not documented: both, but nothing in between."""
    return [State(), State(None, state.staged)] if state.staged else [State()]


def stages(block: str, piece: Piece) -> Change:
    return lambda state: [replace(state, staged={**state.staged, block: frozenset([piece])})]


def may_stage(block: str, piece: Piece) -> Change:
    """A block whose upload ended without an answer: the new piece, or what was there."""

    def change(state: State) -> list[State]:
        before = state.staged.get(block, frozenset([None]))
        return [replace(state, staged={**state.staged, block: before | {piece}})]

    return change


class Record(Generic[S]):
    """The history of one name and the states that it allows."""

    def __init__(self, name: str, first: S):
        self.name = name
        self.allowed: list[S] = [first]
        self.history: deque[str] = deque(maxlen=HISTORY_LENGTH)

    @property
    def state(self) -> S:
        """The one state; only to be asked while nothing is in doubt."""
        assert len(self.allowed) == 1, f"{self.name}: {len(self.allowed)} states are possible"
        return self.allowed[0]

    def note(self, text: str) -> None:
        self.history.append(f"{time.strftime('%H:%M:%S')} {text}")

    def unanswered(self, change: Callable[[S], list[S]]) -> None:
        """The operation is wholly there or wholly absent."""
        self.allowed = self.allowed + [new for state in self.allowed for new in change(state)]


class BlobRecord(Record[State]):
    def __init__(self, name: str):
        super().__init__(name, State())
        self.etags: set[str] = set()

    def acknowledged(self, change: Change, etag: str | None, last_modified: str | None) -> str | None:
        """Applies the change. Returns a complaint if a renewed ETag is missing or is not a new one."""
        after = [new for state in self.allowed for new in change(state)]
        renewed = [s.blob is not None and s.blob.etag is None for s in after]
        self.allowed = [
            replace(s, blob=replace(s.blob, etag=etag, last_modified=last_modified)) if new else s  # type: ignore[type-var]
            for s, new in zip(after, renewed)
        ]
        if not any(renewed):
            return None
        if etag is None or last_modified is None:
            return "the answer has no ETag or no Last-Modified"
        complaint = f"ETag {etag} was that of an earlier version of this blob" if etag in self.etags else None
        self.etags.add(etag)
        return complaint

    def settle(self, states: list[State]) -> None:
        """Only these states agree with what was read back."""
        self.allowed = states
        self.etags |= {s.blob.etag for s in states if s.blob is not None and s.blob.etag is not None}


@dataclass(frozen=True)
class ContainerState:
    exists: bool = False
    metadata: Mapping[str, str] = field(default_factory=dict)
    lease: str | None = None
    blobs: Mapping[str, Piece] = field(default_factory=dict)
    etag: str | None = None

    def __str__(self) -> str:
        if not self.exists:
            return "absent"
        return f"{len(self.blobs)} blobs {sorted(self.blobs)}, etag {self.etag}, metadata {dict(self.metadata)}, lease {self.lease}"


class ContainerRecord(Record[ContainerState]):
    """The same for a container that its writer creates, fills and deletes."""

    def __init__(self, name: str):
        super().__init__(name, ContainerState())
