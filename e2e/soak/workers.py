"""The load of a soak: workers that mix all kinds of requests at a steady rate on names of their own, and know what each
of their blobs must hold. The live data is bounded: a worker has so many names, and replaces what they hold."""

from __future__ import annotations

import base64
import random
import threading
import time
from array import array
from dataclasses import dataclass, field

import wire
from content import Comparison, Piece

KIB, MIB = 1 << 10, 1 << 20
CONTAINER = "soak"
LIST_PAGE = 100
LEASE_SECONDS = 15

# Kind: how often, in 1,000 requests (a block list is several requests).
MIX = {
    "read small": 300,
    "read range": 60,
    "head": 120,
    "write small": 200,
    "write large": 40,
    "block list": 15,
    "delete": 90,
    "list": 50,
    "metadata": 50,
    "lease": 25,
}
# Most live blobs of one worker, and the sizes of their content.
SMALL, LARGE, STAGED = 300, 24, 6
SMALL_BYTES, LARGE_BYTES, BLOCK_BYTES, BLOCKS = (1, 32 * KIB), (64 * KIB, 2 * MIB), (256 * KIB, MIB), (2, 5)


class Wrong(Exception):
    """An answer that the node must not give: an error, other bytes, a name too many or too few."""


@dataclass
class Timings:
    """Latencies in ms by kind since the last `take`; shared by all workers."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    current: dict[str, array] = field(default_factory=dict)
    requests: int = 0

    def add(self, kind: str, ms: float) -> None:
        with self.lock:
            self.current.setdefault(kind, array("f")).append(ms)
            self.requests += 1

    def take(self) -> dict[str, array]:
        with self.lock:
            taken, self.current = self.current, {}
        return taken


class Worker(threading.Thread):
    """One connection and one prefix of names; sends `rate` requests a second until `stopping`."""

    def __init__(self, number: int, port: int, rate: float, seed: int, timings: Timings, stopping: threading.Event):
        super().__init__(daemon=True, name=f"worker {number}")
        self.prefix = f"w{number}/"
        self.interval, self.stopping, self.timings = 1 / rate, stopping, timings
        self.chance = random.Random(f"{seed}/{number}")
        self.client = wire.Client("127.0.0.1", port, timeout=30)
        self.live: dict[str, dict[str, tuple[Piece, ...]]] = {"small": {}, "large": {}, "blocks": {}}
        self.seeds = number << 40
        self.verified = 0
        self.kinds, self.weights = list(MIX), list(MIX.values())
        self.failure: str | None = None

    def run(self) -> None:
        due = time.monotonic() + self.chance.random() * self.interval
        try:
            while not self.stopping.wait(max(0.0, due - time.monotonic())):
                kind = self.chance.choices(self.kinds, self.weights)[0]
                getattr(self, kind.replace(" ", "_"))()
                # A slow node is not made slower by a queue of late requests.
                due = max(due + self.interval, time.monotonic())
        except (Wrong, wire.Broken, wire.Hung) as error:
            self.failure = f"{self.name}: {type(error).__name__}: {error}"
            self.stopping.set()
        finally:
            self.client.close()

    @property
    def live_bytes(self) -> int:
        """Of content, as acknowledged."""
        return sum(p.length for blobs in list(self.live.values()) for ps in list(blobs.values()) for p in ps)

    # One request each

    def call(self, kind: str, method: str, target: str, expect: int, headers=(), body=None, sink=None) -> wire.Answer:
        began = time.perf_counter()
        answer = self.client.call(method, target, headers, body, sink)
        self.timings.add(kind, (time.perf_counter() - began) * 1000)
        if answer.status != expect:
            raise Wrong(f"{method} {target}: {answer} instead of {expect}: {answer.body[:300]!r}")
        return answer

    def target(self, name: str, **query: str | int) -> str:
        return self.client.target(CONTAINER, self.prefix + name, **query)

    def piece(self, sizes: tuple[int, int]) -> Piece:
        self.seeds += 1
        return Piece(self.seeds, self.chance.randint(*sizes))

    def some(self, *groups: str) -> tuple[str, str, tuple[Piece, ...]] | None:
        full = [group for group in groups if self.live[group]]
        if not full:
            return None
        group = self.chance.choice(full)
        name = self.chance.choice(list(self.live[group]))
        return group, name, self.live[group][name]

    def slot(self, group: str, most: int) -> str:
        """A name to write: a new one or one that is replaced."""
        return f"{group}-{self.chance.randrange(most):04d}"

    def put(self, kind: str, group: str, most: int, sizes: tuple[int, int]) -> None:
        name, piece = self.slot(group, most), self.piece(sizes)
        body = wire.Body(piece.length, piece.chunks)
        self.call(kind, "PUT", self.target(name), 201, [("x-ms-blob-type", "BlockBlob")], body)
        self.live[group][name] = (piece,)

    def write_small(self) -> None:
        self.put("write small", "small", SMALL, SMALL_BYTES)

    def write_large(self) -> None:
        self.put("write large", "large", LARGE, LARGE_BYTES)

    def block_list(self) -> None:
        name, pieces, names = self.slot("blocks", STAGED), [], []
        for number in range(self.chance.randint(*BLOCKS)):
            piece, block = self.piece(BLOCK_BYTES), base64.b64encode(b"%04d" % number).decode()
            body = wire.Body(piece.length, piece.chunks)
            self.call("put block", "PUT", self.target(name, comp="block", blockid=block), 201, (), body)
            pieces.append(piece)
            names.append(f"<Latest>{block}</Latest>")
        xml = f"<BlockList>{''.join(names)}</BlockList>".encode()
        self.call("block list", "PUT", self.target(name, comp="blocklist"), 201, (), xml)
        self.live["blocks"][name] = tuple(pieces)

    def read_small(self) -> None:
        if found := self.some("small"):
            _, name, pieces = found
            comparison = Comparison(pieces)
            self.call("read small", "GET", self.target(name), 200, sink=comparison.take)
            self.compare(name, comparison)

    def read_range(self) -> None:
        """A whole block of a block list, or the whole of a large blob."""
        if found := self.some("large", "blocks"):
            _, name, pieces = found
            number = self.chance.randrange(len(pieces))
            first = sum(piece.length for piece in pieces[:number])
            comparison = Comparison((pieces[number],))
            span = f"bytes={first}-{first + pieces[number].length - 1}"
            self.call("read range", "GET", self.target(name), 206, [("Range", span)], sink=comparison.take)
            self.compare(name, comparison)

    def compare(self, name: str, comparison: Comparison) -> None:
        if difference := comparison.end():
            raise Wrong(f"{self.prefix}{name}: {difference}")
        self.verified += 1

    def head(self) -> None:
        if found := self.some("small", "large", "blocks"):
            _, name, pieces = found
            answer = self.call("head", "HEAD", self.target(name), 200)
            length = sum(piece.length for piece in pieces)
            if answer.get("content-length") != str(length):
                raise Wrong(f"{self.prefix}{name}: length {answer.get('content-length')} instead of {length}")

    def delete(self) -> None:
        if found := self.some("small", "small", "large", "blocks"):
            group, name, _ = found
            self.call("delete", "DELETE", self.target(name), 202)
            del self.live[group][name]

    def list(self) -> None:
        """One page, which must hold exactly the first names of the prefix."""
        group = self.chance.choice(list(self.live))
        target = self.client.target(
            CONTAINER, restype="container", comp="list", prefix=f"{self.prefix}{group}-", maxresults=LIST_PAGE
        )
        answer = self.call("list", "GET", target, 200)
        told = [part.partition(b"</Name>")[0].decode() for part in answer.body.split(b"<Name>")[1:]]
        expected = [self.prefix + name for name in sorted(self.live[group])[:LIST_PAGE]]
        if told != expected:
            raise Wrong(f"list of {self.prefix}{group}-: {len(told)} names instead of {len(expected)}, or others")

    def metadata(self) -> None:
        if found := self.some("small", "large", "blocks"):
            _, name, _ = found
            value = f"{self.chance.getrandbits(64):x}"
            self.call("metadata", "PUT", self.target(name, comp="metadata"), 200, [("x-ms-meta-soak", value)], b"")
            if self.chance.random() < 0.2:
                told = self.call("head", "HEAD", self.target(name), 200).metadata()
                if told != {"soak": value}:
                    raise Wrong(f"{self.prefix}{name}: metadata {told} instead of {value}")

    def lease(self) -> None:
        """Takes a lease, is refused a write without it, writes with it, gives it back."""
        if not (found := self.some("small")):
            return
        _, name, _ = found
        lease = self.target(name, comp="lease")
        taking = [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", str(LEASE_SECONDS))]
        held = self.call("lease", "PUT", lease, 201, taking, b"").get("x-ms-lease-id") or ""
        piece = self.piece(SMALL_BYTES)
        body = b"".join(piece.chunks())
        kind = [("x-ms-blob-type", "BlockBlob")]
        self.call("refused", "PUT", self.target(name), 412, kind, body)
        self.call("write small", "PUT", self.target(name), 201, [*kind, ("x-ms-lease-id", held)], body)
        self.live["small"][name] = (piece,)
        giving = [("x-ms-lease-action", "release"), ("x-ms-lease-id", held)]
        self.call("lease", "PUT", lease, 200, giving, b"")
