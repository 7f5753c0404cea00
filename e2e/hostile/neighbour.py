"""A well-behaved client beside the attack: it uploads and downloads at an even pace, verifies each byte and must notice nothing."""

from __future__ import annotations

import base64
import threading
import time

import wire
from case import Context
from content import Comparison, Piece

CONTAINER = "neighbour"
PACE_BYTES_PER_SECOND = 3 << 20
SLICE_BYTES = 64 * 1024
LONGEST_STALL_SECONDS = 10.0
BIG = Piece(0xFACADE, 8 << 20)


class Neighbour(threading.Thread):
    """One connection for its whole life: to be disconnected is an error, too."""

    def __init__(self, context: Context, name: str):
        super().__init__(name=name, daemon=True)
        self.context = context
        self.client = wire.Client(context.host, context.port, context.account, timeout=30)
        self.client.connection.open()
        self.stopping = threading.Event()
        self.error: str | None = None
        self.moved = 0
        self.rounds = 0
        self.longest = 0.0

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self.round()
                self.rounds += 1
        except (wire.Broken, wire.Hung, AssertionError) as error:
            self.error = f"{type(error).__name__}: {error}"

    def call(
        self,
        method: str,
        target: str,
        expect: int,
        headers: wire.Headers = (),
        body: bytes | wire.Body | None = None,
        sink=None,
    ) -> wire.Answer:
        assert self.client.connection.socket is not None, "the connection was closed"
        length = body.length if isinstance(body, wire.Body) else len(body) if body is not None else None
        head = self.client.head(method, target, headers, length)
        began = time.monotonic()
        answer = self.client.connection.exchange(method, head, body, sink)
        moved = (length or 0) + answer.length
        waited = time.monotonic() - began - moved / PACE_BYTES_PER_SECOND
        self.longest = max(self.longest, waited)
        assert answer.status == expect, f"{method} {target}: {answer}"
        assert waited < LONGEST_STALL_SECONDS, f"{method} {target} took {waited:.1f} s longer than its pace"
        self.moved += moved
        return answer

    def paced(self, piece: Piece) -> wire.Body:
        def chunks():
            for chunk in piece.chunks():
                for at in range(0, len(chunk), SLICE_BYTES):
                    part = chunk[at : at + SLICE_BYTES]
                    time.sleep(len(part) / PACE_BYTES_PER_SECOND)
                    yield part

        return wire.Body(piece.length, chunks)

    def download(self, target: str, pieces: tuple[Piece, ...]) -> None:
        comparison = Comparison(pieces)

        def sink(part: memoryview) -> None:
            comparison.take(part)
            time.sleep(len(part) / PACE_BYTES_PER_SECOND)

        self.call("GET", target, 200, sink=sink)
        wrong = comparison.end()
        assert wrong is None, f"GET {target}: {wrong}"

    def round(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        self.stopping.set()
        self.join(60)
        self.client.close()


class Uploader(Neighbour):
    def round(self) -> None:
        target = self.client.target(CONTAINER, "up")
        pieces = tuple(Piece((self.rounds << 8) + n, 300_000 + n) for n in range(4))
        ids = [base64.b64encode(b"%04d" % n).decode() for n in range(len(pieces))]
        for block, piece in zip(ids, pieces):
            self.call(
                "PUT", self.client.target(CONTAINER, "up", comp="block", blockid=block), 201, body=self.paced(piece)
            )
        xml = "<BlockList>" + "".join(f"<Uncommitted>{block}</Uncommitted>" for block in ids) + "</BlockList>"
        self.call("PUT", self.client.target(CONTAINER, "up", comp="blocklist"), 201, body=xml.encode())
        self.download(target, pieces)


class Downloader(Neighbour):
    def round(self) -> None:
        self.download(self.client.target(CONTAINER, "big"), (BIG,))


def prepare(context: Context) -> None:
    assert context.call("PUT", context.target(CONTAINER, restype="container"), [], b"").status == 201
    with wire.Client(context.host, context.port, context.account) as client:
        body = wire.Body(BIG.length, BIG.chunks)
        answer = client.call("PUT", client.target(CONTAINER, "big"), [("x-ms-blob-type", "BlockBlob")], body)
        assert answer.status == 201, answer
