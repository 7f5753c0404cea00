"""A node whose allocations are counted (count.c), and the requests whose allocations are of interest."""

from __future__ import annotations

import base64
import mmap
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

import node as nodes
import wire

KIB, MIB = 1 << 10, 1 << 20
CONTAINER = "allocations"

# The layout of `Board` in count.c.
DEPTH, SITES = 28, 1 << 14
HEADER = struct.Struct("<4Q")  # calls, bytes, tracing, lost
SITE = struct.Struct(f"<4Q{DEPTH}Q")  # stack hash, calls, bytes, depth, frames
BOARD_BYTES = HEADER.size + SITES * SITE.size


@dataclass(frozen=True)
class Kind:
    """One kind of request: `head(client, n)` is the n-th request, signed; all carry the same body."""

    name: str
    count: int  # requests of one batch
    head: Callable[[wire.Client, int], bytes]
    body: bytes = b""
    status: int = 200
    method: str = "PUT"


def read(method: str, blob: str) -> Callable[[wire.Client, int], bytes]:
    return lambda client, n: client.head(method, client.target(CONTAINER, blob))


def put_blob(client: wire.Client, n: int) -> bytes:
    headers = [("x-ms-blob-type", "BlockBlob")]
    return client.head("PUT", client.target(CONTAINER, f"put/{n:06d}"), headers, 4 * KIB)


def put_block(client: wire.Client, n: int) -> bytes:
    block = base64.b64encode(b"%06d" % n).decode()
    return client.head("PUT", client.target(CONTAINER, "blocks", comp="block", blockid=block), (), 8 * MIB)


KINDS = [
    Kind("HEAD", 500, read("HEAD", "of-4096"), method="HEAD"),
    Kind("GET 4 KiB", 500, read("GET", "of-4096"), method="GET"),
    Kind("GET 64 KiB", 500, read("GET", "of-65536"), method="GET"),
    Kind("Put Blob 4 KiB", 500, put_blob, bytes(4 * KIB), 201),
    Kind("Put Block 8 MiB", 25, put_block, bytes(8 * MIB), 201),
]


class CountedNode:
    """`forebay serve` under count.c. `forebay` is the program; FOREBAY_BIN and the release build otherwise."""

    def __init__(self) -> None:
        self.home = tempfile.TemporaryDirectory(prefix="forebay-allocations-")
        home = Path(self.home.name)
        library, board = home / "count.so", home / "board"
        compiler = os.environ.get("CC", "cc")
        command = [compiler, "-O2", "-shared", "-fPIC", "-fno-builtin", "-o", str(library), str(HERE / "count.c")]
        subprocess.run(command, check=True)
        with open(board, "w+b") as file:
            file.truncate(BOARD_BYTES)
            self.board = mmap.mmap(file.fileno(), BOARD_BYTES)
        self.node = nodes.Node(
            dev=False,
            accounts={wire.TESTING.name: [wire.TESTING.key]},
            listen=f"127.0.0.1:{wire.free_port()}",
            admin=f"127.0.0.1:{wire.free_port()}",
            options=("--scrub-rate", "0"),
            env={"LD_PRELOAD": str(library), "ALLOCATION_COUNTS": str(board)},
        )
        self.numbers: dict[str, int] = {}

    def __enter__(self) -> CountedNode:
        self.node.start()
        if self.calls() == 0:
            raise nodes.NodeError("no allocation was counted while the node started: the library was not loaded")
        self.client = wire.Client("127.0.0.1", self.node.port)
        self.store(self.client.target(CONTAINER, restype="container"), [], b"")
        for length in (4 * KIB, 64 * KIB):
            target = self.client.target(CONTAINER, f"of-{length}")
            self.store(target, [("x-ms-blob-type", "BlockBlob")], bytes(length))
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.node.close()
        self.home.cleanup()

    def store(self, target: str, headers: wire.Headers, body: bytes) -> None:
        answer = self.client.call("PUT", target, headers, body)
        if answer.status != 201:
            raise nodes.NodeError(f"PUT {target}: {answer}: {answer.body[:300]!r}")

    def calls(self) -> int:
        return HEADER.unpack_from(self.board)[0]

    def batch(self, kind: Kind) -> int:
        """Sends a batch on the one connection, one request after the other; the allocations that it cost.

        Writes never repeat a name: an overwrite would add the reaper's work to the count.
        """
        first = self.numbers.get(kind.name, 0)
        self.numbers[kind.name] = first + kind.count
        heads = [kind.head(self.client, first + n) for n in range(kind.count)]
        connection = self.client.prepare()
        before = self.calls()
        for head in heads:
            answer = connection.exchange(kind.method, head, kind.body if kind.method == "PUT" else None)
            if answer.status != kind.status:
                raise nodes.NodeError(f"{kind.name}: {answer}: {answer.body[:300]!r}")
        return self.calls() - before

    def trace(self, on: bool) -> None:
        struct.pack_into("<Q", self.board, 16, int(on))

    def stacks(self) -> Iterator[tuple[int, int, tuple[int, ...]]]:
        """Calls, bytes and return addresses (innermost first) of each traced stack."""
        for at in range(HEADER.size, BOARD_BYTES, SITE.size):
            stack, calls, size, depth, *frames = SITE.unpack_from(self.board, at)
            if stack:
                yield calls, size, tuple(frames[:depth])
