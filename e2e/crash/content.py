"""Bytes that can be made again from their name, so that terabytes of history need no copy.

A piece is `(seed, length)`; its bytes follow from these two alone. Every 4 KiB page begins with the seed and the page's
number and goes on with a run of a fixed random pool at an offset of its own, so that a page of another piece, a page
in the wrong place and a page of zeroes are all seen. A recipe is the text of the pieces of a blob in order; each blob
carries its own in its metadata, so that any reader can tell whether bytes and metadata belong together.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from collections.abc import Iterable, Iterator

PAGE_BYTES = 4096
TAG_BYTES = 16
POOL_BYTES = 1 << 20
CHUNK_PAGES = 64

_pool = memoryview(random.Random(20240301).randbytes(POOL_BYTES + PAGE_BYTES))


@dataclass(frozen=True)
class Piece:
    seed: int
    length: int

    def __str__(self) -> str:
        return f"{self.seed:x}.{self.length}"

    def chunks(self) -> Iterator[bytes]:
        pages = -(-self.length // PAGE_BYTES)
        seed = self.seed.to_bytes(8, "little")
        for first in range(0, pages, CHUNK_PAGES):
            parts: list[bytes | memoryview] = []
            for page in range(first, min(first + CHUNK_PAGES, pages)):
                at = (self.seed * 40503 + page * 2654435761) % POOL_BYTES
                parts += (seed, page.to_bytes(8, "little"), _pool[at : at + PAGE_BYTES - TAG_BYTES])
            chunk = b"".join(parts)
            excess = (first * PAGE_BYTES + len(chunk)) - self.length
            yield chunk[: len(chunk) - excess] if excess > 0 else chunk


def parse_recipe(text: str) -> tuple[Piece, ...]:
    """Raises ValueError for text that is not a recipe."""
    pieces = []
    for part in text.split("+") if text else []:
        seed, _, length = part.partition(".")
        pieces.append(Piece(int(seed, 16), int(length)))
    return tuple(pieces)


def recipe(pieces: Iterable[Piece]) -> str:
    return "+".join(map(str, pieces))


def total(pieces: Iterable[Piece]) -> int:
    return sum(piece.length for piece in pieces)


def stream(pieces: Iterable[Piece]) -> Iterator[bytes]:
    for piece in pieces:
        yield from piece.chunks()


def md5(pieces: Iterable[Piece]) -> bytes:
    digest = hashlib.md5()
    for chunk in stream(pieces):
        digest.update(chunk)
    return digest.digest()


class Comparison:
    """Compares a stream with the bytes of a recipe while it arrives."""

    def __init__(self, pieces: tuple[Piece, ...]):
        self._expected = stream(pieces)
        self._left = memoryview(b"")
        self.offset = 0
        self.difference: str | None = None

    def take(self, part: memoryview) -> None:
        while part and self.difference is None:
            if not self._left:
                chunk = next(self._expected, None)
                if chunk is None:
                    self.difference = f"{len(part)} bytes or more beyond the expected end at {self.offset}"
                    return
                self._left = memoryview(chunk)
            count = min(len(part), len(self._left))
            got, expected = (
                part[:count].tobytes(),
                self._left[:count].tobytes(),
            )  # bytes compare by memcmp, views do not
            if got != expected:
                self.difference = self._describe(got, expected)
                return
            part, self._left = part[count:], self._left[count:]
            self.offset += count

    def _describe(self, got: bytes, expected: bytes) -> str:
        at = next(i for i in range(len(got)) if got[i] != expected[i])
        kind = "zeroes" if not any(got[at : at + 64]) else "other bytes"
        return f"{kind} from offset {self.offset + at}: {got[at : at + 24].hex()} instead of {expected[at : at + 24].hex()}"

    def end(self) -> str | None:
        """The first difference, or None if all bytes came and were right."""
        if self.difference is None and (self._left or next(self._expected, None) is not None):
            self.difference = f"ended early, at offset {self.offset}"
        return self.difference
