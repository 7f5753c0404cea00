#!/usr/bin/env python3
"""Resident memory of the released node under large and many uploads.

    python3 e2e/memory/memory.py [--limit-mib 400]

Four uploads of 512 MiB at once as Put Blocks of 8 to 64 MiB, four as Put Blob, 200 Put Blocks of 8 MiB at once, then the
four blobs read back at once and compared. Bodies are made while they are sent. Fails at a peak of the limit or more;
the peak is the kernel's own high-water mark (VmHWM), so nothing between two samples is missed.
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "crash")]

import node as nodes
import wire
from content import Comparison, Piece

MIB = 1 << 20
CONTAINER = "memory"
LARGE_MIB = 512
BLOCK_MIB = (8, 16, 32, 64)
STORM_BLOCKS, STORM_BYTES = 200, 8 * MIB
SAMPLE_SECONDS = 0.02


class Sampler(threading.Thread):
    """Follows VmRSS; `peak` is the highest sample since the last `reset`."""

    def __init__(self, node: nodes.Node):
        super().__init__(daemon=True)
        self.node, self.peak, self.stopping = node, 0, threading.Event()

    def run(self) -> None:
        while not self.stopping.wait(SAMPLE_SECONDS):
            try:
                self.peak = max(self.peak, self.node.rss())
            except (OSError, nodes.NodeError):
                return

    def reset(self) -> int:
        peak, self.peak = self.peak, 0
        return peak


class Memory:
    def __init__(self, node: nodes.Node):
        self.node = node

    def client(self) -> wire.Client:
        return wire.Client("127.0.0.1", self.node.port, timeout=300)

    @staticmethod
    def expect(answer: wire.Answer, status: int, what: str) -> None:
        if answer.status != status:
            raise AssertionError(f"{what}: {answer}: {answer.body[:300]!r}")

    def prepare(self) -> None:
        with self.client() as client:
            self.expect(
                client.call("PUT", client.target(CONTAINER, restype="container"), [], b""), 201, "create container"
            )

    def pieces(self, number: int) -> tuple[Piece, ...]:
        size = BLOCK_MIB[number]
        return tuple(Piece((number << 16) + n, size * MIB) for n in range(LARGE_MIB // size))

    def upload_blocks(self, number: int) -> None:
        with self.client() as client:
            ids = []
            for n, piece in enumerate(self.pieces(number)):
                ids.append(base64.b64encode(b"%05d" % n).decode())
                target = client.target(CONTAINER, f"blocks{number}", comp="block", blockid=ids[-1])
                self.expect(client.call("PUT", target, [], wire.Body(piece.length, piece.chunks)), 201, "put block")
            xml = "<BlockList>" + "".join(f"<Latest>{block}</Latest>" for block in ids) + "</BlockList>"
            self.expect(
                client.call("PUT", client.target(CONTAINER, f"blocks{number}", comp="blocklist"), [], xml.encode()),
                201,
                "put block list",
            )

    def upload_blob(self, number: int) -> None:
        piece = Piece(0x900 + number, LARGE_MIB * MIB)
        with self.client() as client:
            target, headers = client.target(CONTAINER, f"whole{number}"), [("x-ms-blob-type", "BlockBlob")]
            self.expect(client.call("PUT", target, headers, wire.Body(piece.length, piece.chunks)), 201, "put blob")

    def read_back(self, number: int) -> None:
        comparison = Comparison(self.pieces(number))
        with self.client() as client:
            answer = client.call("GET", client.target(CONTAINER, f"blocks{number}"), sink=comparison.take)
        self.expect(answer, 200, "get blob")
        if wrong := comparison.end():
            raise AssertionError(f"get blob: {wrong}")

    def storm_block(self, number: int) -> None:
        piece = Piece(0xA000 + number, STORM_BYTES)
        with self.client() as client:
            client.prepare()
            self.barrier.wait(60)
            target = client.target(
                CONTAINER, "storm", comp="block", blockid=base64.b64encode(b"%05d" % number).decode()
            )
            self.expect(
                client.call("PUT", target, [], wire.Body(piece.length, piece.chunks)), 201, "put block in the storm"
            )

    def phase(self, name: str, work, count: int, mib: float, sampler: Sampler) -> None:
        sampler.reset()
        began = time.monotonic()
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(work, range(count)))
        seconds = time.monotonic() - began
        print(
            f"{name:44} {mib / seconds:7.0f} MiB/s {seconds:6.1f} s   peak of the phase {sampler.reset() / MIB:5.0f} MiB",
            flush=True,
        )

    def run(self) -> None:
        sampler = Sampler(self.node)
        sampler.start()
        print(f"{'at rest':44} {'':31} {self.node.rss() / MIB:5.0f} MiB", flush=True)
        count = len(BLOCK_MIB)
        self.phase(
            f"{count} × {LARGE_MIB} MiB in blocks of {'/'.join(map(str, BLOCK_MIB))} MiB",
            self.upload_blocks,
            count,
            count * LARGE_MIB,
            sampler,
        )
        self.phase(f"{count} × {LARGE_MIB} MiB by Put Blob", self.upload_blob, count, count * LARGE_MIB, sampler)
        self.barrier = threading.Barrier(STORM_BLOCKS)
        self.phase(
            f"{STORM_BLOCKS} concurrent blocks of {STORM_BYTES // MIB} MiB",
            self.storm_block,
            STORM_BLOCKS,
            STORM_BLOCKS * STORM_BYTES / MIB,
            sampler,
        )
        self.phase(
            f"{count} × {LARGE_MIB} MiB read back and compared", self.read_back, count, count * LARGE_MIB, sampler
        )
        sampler.stopping.set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit-mib", type=float, default=400.0, help="the peak must stay below this")
    arguments = parser.parse_args()
    node = wire.production_node()
    try:
        node.start()
        memory = Memory(node)
        memory.prepare()
        memory.run()
        peak, pid = node.peak_rss() / MIB, node.pid
        green = peak < arguments.limit_mib and node.alive
        print(
            f"memory: peak {peak:.0f} MiB resident, limit {arguments.limit_mib:.0f} MiB, pid {pid} {'alive' if node.alive else 'GONE'}: {'green' if green else 'RED'}"
        )
        return 0 if green else 1
    except (AssertionError, wire.Broken, wire.Hung, nodes.NodeError, threading.BrokenBarrierError) as error:
        print(f"memory: RED: {type(error).__name__}: {error}\n{node.log_tail(20)}")
        return 1
    finally:
        node.close()


if __name__ == "__main__":
    sys.exit(main())
