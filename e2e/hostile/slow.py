"""Attacks that take time: peers that send slowly or not at all, and uploads that are cut off."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass, field

import wire
from case import CONTAINER, Context
from content import Piece

DRIP_SECONDS = 1.0
DRIPPING_CONNECTIONS = 40
CUT_BYTES = 6 << 20
SETTLE_SECONDS = 20.0
# What must be back where it was once the cut uploads are gone. Names that the node does not export are not checked.
SPACE_METRICS = ("forebay_extent_used_bytes", "forebay_extent_reserved_bytes")


@dataclass
class Dripping:
    """Connections that send one byte now and then. The node must end each of them by itself, and never serve it."""

    context: Context
    limit: float
    results: list[tuple[str, float, str | None]] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        c = self.context
        head = c.head("GET", c.blob())
        upload = c.head("PUT", c.blob("victim"), [("x-ms-blob-type", "BlockBlob")], 1 << 20)
        block = c.head("PUT", c.blob("victim", comp="block", blockid="QUFB"), length=1 << 20)
        chunked = c.head("PUT", c.blob("victim"), [("x-ms-blob-type", "BlockBlob"), ("Transfer-Encoding", "chunked")])
        kinds = {
            "request line, byte by byte": (b"", b"G" + b"E" * 10_000),
            "head, byte by byte": (b"", head[:-2] + b"x-a: " + b"a" * 10_000),
            "head without its end": (head[:-2], b""),
            "upload, byte by byte": (upload, b"x" * 10_000),
            "upload without a byte": (upload, b""),
            "block, byte by byte": (block, b"x" * 10_000),
            "chunks, byte by byte": (chunked, b"1\r\nx\r\n" * 10_000),
        }
        for number in range(DRIPPING_CONNECTIONS):
            name = list(kinds)[number % len(kinds)]
            thread = threading.Thread(target=self.drip, args=[name, *kinds[name]], daemon=True)
            thread.start()
            self.threads.append(thread)

    def drip(self, name: str, first: bytes, rest: bytes) -> None:
        began, at = time.monotonic(), 0
        answer = b""
        try:
            with socket.create_connection((self.context.host, self.context.port), 10) as peer:
                peer.sendall(first)
                peer.settimeout(DRIP_SECONDS)
                while time.monotonic() - began < self.limit:
                    try:
                        data = peer.recv(65536)
                        if not data:
                            break
                        answer += data
                        if b"\r\n\r\n" in answer and (answer[9:10] == b"2" or b"connection: close" in answer.lower()):
                            break
                    except TimeoutError:
                        if not answer and at < len(rest):
                            peer.sendall(rest[at : at + 1])
                            at += 1
                else:
                    self.results.append((name, time.monotonic() - began, f"still open after {self.limit:.0f} s"))
                    return
        except OSError:
            pass  # the node has ended the connection: that is what is asked of it
        status = answer[9:12].decode("latin-1") if answer else "closed"
        wrong = None if status in ("closed", "408", "400", "500", "503") else f"answered {status}"
        self.results.append((name, time.monotonic() - began, wrong))

    def finish(self) -> list[tuple[str, str, str | None]]:
        """Name, what was seen and a complaint, by kind."""
        for thread in self.threads:
            thread.join(self.limit + 30)
        rows = []
        for name in dict.fromkeys(result[0] for result in self.results):
            mine = [result for result in self.results if result[0] == name]
            complaint = next((wrong for _, _, wrong in mine if wrong), None)
            rows.append(
                (name, f"{len(mine)} ended after {max(seconds for _, seconds, _ in mine):.0f} s at most", complaint)
            )
        if len(self.results) != len(self.threads):
            rows.append(("all", f"{len(self.results)} of {len(self.threads)} ended", "some neither ended nor reported"))
        return rows


def cut_uploads(context: Context, node) -> list[tuple[str, str, str | None]]:
    """Uploads that end before their last byte, in every way: nothing may be left, in the namespace or on the disk."""
    base = context.blob("kept")
    prepare_kept(context)
    listing = context.target(CONTAINER, restype="container", comp="list", include="uncommittedblobs,metadata")
    before = state(context, base, listing)
    space_before = wire.metrics(node)
    body = b"".join(Piece(77, CUT_BYTES).chunks())
    put = [("x-ms-blob-type", "BlockBlob")]
    wrong_md5 = ("Content-MD5", "AAAAAAAAAAAAAAAAAAAAAA==")
    chunk = b"%x\r\n" % CUT_BYTES
    ways = {
        "Put Blob, new": context.head("PUT", context.blob("cut"), put, CUT_BYTES + 1) + body,
        "Put Blob over a blob": context.head("PUT", base, put, CUT_BYTES + 1) + body,
        "Put Block, new blob": context.head(
            "PUT", context.blob("cut", comp="block", blockid="QUFB"), length=CUT_BYTES + 1
        )
        + body,
        "Put Block, same id": context.head(
            "PUT", context.blob("kept", comp="block", blockid="S0VQVA=="), length=CUT_BYTES + 1
        )
        + body,
        "Put Block List": context.head("PUT", context.blob("kept", comp="blocklist"), length=4096) + b"<BlockList>",
        "chunked, in a chunk": context.head("PUT", context.blob("cut"), [*put, ("Transfer-Encoding", "chunked")])
        + chunk
        + body[:-1],
        "chunked, before the end": context.head("PUT", context.blob("cut"), [*put, ("Transfer-Encoding", "chunked")])
        + chunk
        + body
        + b"\r\n",
        "whole, with a false MD5": context.head("PUT", context.blob("cut"), [*put, wrong_md5], CUT_BYTES) + body,
    }
    rows = []
    for name, data in ways.items():
        for reset in (False, True):
            for _ in range(3):
                send_and_go(context, data, reset, wait=name.startswith("whole"))
        seen = state(context, base, listing)
        complaint = None
        if not wire.wait_until(lambda: state(context, base, listing) == before, 3):
            seen = state(context, base, listing)
            complaint = "changed: " + "; ".join(
                f"{k}: {before[k][:120]!r} -> {seen[k][:120]!r}" for k in before if before[k] != seen[k]
            )
        rows.append((name, "as before" if complaint is None else "changed", complaint))
    rows.append(space(node, space_before))
    return rows


def prepare_kept(context: Context) -> None:
    context.call("PUT", context.blob("kept", comp="block", blockid="S0VQVA=="), [], b"kept")
    context.call("PUT", context.blob("kept", comp="blocklist"), [], b"<BlockList><Latest>S0VQVA==</Latest></BlockList>")
    context.call("PUT", context.blob("kept", comp="block", blockid="S0VQVA=="), [], b"staged")


def state(context: Context, base: str, listing: str) -> dict[str, bytes]:
    return {
        "bytes": context.call("GET", base).body,
        "etag": (context.call("HEAD", base).get("etag") or "").encode(),
        "block list": context.call("GET", context.blob("kept", comp="blocklist", blocklisttype="all")).body,
        "listing": b",".join(
            sorted(part.split(b"</Name>")[0] for part in context.call("GET", listing).body.split(b"<Name>")[1:])
        ),
    }


def send_and_go(context: Context, data: bytes, reset: bool, wait: bool) -> None:
    with wire.Connection(context.host, context.port, timeout=30) as connection:
        try:
            connection.send(data)
            if wait:
                answer = connection.read("PUT")
                assert answer.status == 400 and answer.code == "Md5Mismatch", (
                    f"a body with a false MD5 was answered {answer}"
                )
        except wire.Broken:
            pass
        if reset and connection.socket is not None:
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def space(node, before: dict[str, float]) -> tuple[str, str, str | None]:
    known = [name for name in SPACE_METRICS if name in before]
    if not known:
        return "space", "the node exports no space metric: not checked", None

    def grown() -> dict[str, float]:
        now = wire.metrics(node)
        return {
            name: now.get(name, 0) - before[name]
            for name in known
            if now.get(name, 0) > before[name] + 4 * CUT_BYTES / 100
        }

    # The neighbour's own upload of 1.2 MiB comes and goes meanwhile; one cut upload is several times that.
    allowance = 2 << 20
    back = wire.wait_until(lambda: all(value <= allowance for value in grown().values()), SETTLE_SECONDS, 0.5)
    seen = ", ".join(f"{name} {wire.metrics(node).get(name, 0) - before[name]:+.0f}" for name in known)
    return "space", seen, None if back else f"not given back within {SETTLE_SECONDS:.0f} s: {grown()}"
