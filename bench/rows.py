"""The work: what each row of the table asks of every rival, and what drives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE.parent / "e2e" / "crash")]

import wire
from content import Comparison, Piece
from rivals import Rival, settle

KIB, MIB = 1 << 10, 1 << 20
DATA_RUN = "data"
GENERATOR_THREADS = 2


@dataclass(frozen=True)
class Row:
    name: str
    kind: str  # get, head, range, put, block
    length: int
    connections: int
    objects: int  # distinct objects that are read; for writes, the most that one second may need
    generator: str  # wrk or load


ROWS = [
    Row("GET 4 KiB", "get", 4 * KIB, 64, 256, "wrk"),
    Row("HEAD 4 KiB", "head", 4 * KIB, 64, 256, "load"),
    Row("GET 64 KiB", "get", 64 * KIB, 64, 128, "wrk"),
    Row("GET 8 MiB ranges", "range", 8 * MIB, 16, 32, "load"),
    Row("PUT 4 KiB", "put", 4 * KIB, 64, 40_000, "load"),
    Row("PUT 8 MiB", "block", 8 * MIB, 16, 1_000, "load"),
]


@dataclass(frozen=True)
class Sample:
    requests_per_second: float
    bytes_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us_per_request: float


class Invalid(Exception):
    """A run whose numbers mean nothing: the answers were wrong."""


class Bench:
    """Prepares the objects and runs one row on one rival."""

    def __init__(self, home: Path, seconds: float):
        self.home, self.seconds = home, seconds
        self.runs = 0
        self.load = home / "load"
        compiler = next((c for c in (os.environ.get("CC"), "clang", "cc", "gcc") if c and has(c)), None)
        if compiler is None:
            raise RuntimeError("no C compiler for bench/load.c")
        subprocess.run([compiler, "-O2", "-o", self.load, HERE / "load.c", "-lpthread", "-lssl", "-lcrypto"], check=True)

    # Objects to read

    @staticmethod
    def piece(row: Row, number: int) -> Piece:
        return Piece(row.length * 1000 + number, row.length)

    def key(self, row: Row, number: int) -> str:
        return f"{DATA_RUN}/range" if row.kind == "range" else f"{DATA_RUN}/n{row.length}-{number}"

    def prepare(self, rival: Rival, rows: list[Row]) -> None:
        """Stores all objects and reads each once: what the first read verifies or caches is done before the clock."""
        rival.create_run(DATA_RUN)
        done: set[str] = set()
        for row in (r for r in rows if r.kind in ("get", "head", "range")):
            pieces = [self.piece(row, n) for n in range(row.objects)]
            stored = (
                {self.key(row, 0): pieces}
                if row.kind == "range"
                else {self.key(row, n): [p] for n, p in enumerate(pieces)}
            )
            for key, parts in stored.items():
                if key in done:
                    continue
                done.add(key)
                body = wire.Body(
                    sum(p.length for p in parts), lambda parts=parts: (c for p in parts for c in p.chunks())
                )
                rival.store(key, body)
                self.verify(rival, rival.read_head("GET", key), parts, 200)
            self.check_row(rival, row)

    @staticmethod
    def verify(rival: Rival, head: bytes, pieces: list[Piece], status: int) -> None:
        comparison = Comparison(tuple(pieces))
        with wire.Connection(rival.host, rival.port) as connection:
            answer = connection.exchange("GET", head, None, comparison.take)
        if answer.status != status or comparison.end():
            raise Invalid(f"{rival.name}: {head.splitlines()[0]!r}: {answer}: {comparison.end()}")

    def check_row(self, rival: Rival, row: Row) -> None:
        """One request of the row, verified: nobody shall be fast with a wrong answer."""
        head = self.read_heads(rival, row, 2)[-1]
        if row.kind == "head":
            answer = rival.exchange(head)
            if answer.status != 200 or answer.get("content-length") != str(row.length):
                raise Invalid(f"{rival.name}: HEAD: {answer}, Content-Length {answer.get('content-length')}")
        else:
            self.verify(rival, head, [self.piece(row, 1)], rival.range_status if row.kind == "range" else 200)

    def read_heads(self, rival: Rival, row: Row, count: int) -> list[bytes]:
        method = "HEAD" if row.kind == "head" else "GET"
        spans = [(n * row.length, (n + 1) * row.length - 1) if row.kind == "range" else None for n in range(count)]
        return [rival.read_head(method, self.key(row, n), spans[n]) for n in range(count)]

    # One measurement

    def measure(self, rival: Rival, row: Row, seconds: float | None = None) -> Sample:
        """Signs right before the clock starts: a signature is good for 15 minutes only."""
        seconds = seconds or self.seconds
        self.runs += 1
        run = f"run-{self.runs}"
        writes = row.kind in ("put", "block")
        body = None
        if writes:
            rival.create_run(run)
            count = int(row.objects * seconds) + row.connections
            head = rival.write_head if row.kind == "put" else rival.block_head
            heads = [head(f"{run}/n{n:07d}", n, row.length) for n in range(count)]
            body = self.body_file(row)
        else:
            heads = self.read_heads(rival, row, row.objects)
        table = self.home / "table"
        with open(table, "wb") as file:
            for each in heads:
                file.write(b"%d\n%b" % (len(each), each))
        settle()
        before = rival.cpu_seconds()
        told = self.drive(rival, row, seconds, table, body)
        cpu = rival.cpu_seconds() - before
        if told["bad"] or told["broken"] or not told["requests"]:
            raise Invalid(f"{rival.name}: {row.name}: {told}")
        if writes:
            if told["requests"] == len(heads):
                print(
                    f"note: {rival.name}: {row.name}: all {len(heads)} prepared requests were used up early",
                    file=sys.stderr,
                )
            self.check_written(rival, row, f"{run}/n{1:07d}")
            rival.delete_run(run)
        rate = told["requests"] / told["seconds"]
        useful = 0 if row.kind == "head" else row.length  # content alone, not the heads around it
        return Sample(rate, rate * useful, told["p50_ms"], told["p99_ms"], cpu * 1e6 / told["requests"])

    def drive(self, rival: Rival, row: Row, seconds: float, table: Path, body: Path | None) -> dict:
        if row.generator == "wrk":
            command = [
                "wrk",
                f"-t{GENERATOR_THREADS}",
                f"-c{row.connections}",
                f"-d{max(1, round(seconds))}s",
                "--latency",
                "--timeout",
                "30s",
                "-s",
                str(HERE / "table.lua"),
                f"http://{rival.host}:{rival.port}/",
                "--",
                str(table),
            ]
        else:
            command = [
                str(self.load),
                rival.host,
                str(rival.port),
                str(row.connections),
                str(GENERATOR_THREADS),
                str(seconds),
                str(table),
                str(body or "-"),
                *([] if body else ["cycle"]),
            ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        line = next((line for line in done.stdout.splitlines() if "{" in line), None)
        if line is None:
            raise Invalid(f"{rival.name}: {row.name}: {' '.join(command)}: {done.stdout[-500:]}{done.stderr[-500:]}")
        return json.loads(line[line.index("{") :])

    def body_file(self, row: Row) -> Path:
        path = self.home / f"body-{row.length}"
        if not path.exists():
            path.write_bytes(b"".join(self.piece(row, 0).chunks()))
        return path

    def check_written(self, rival: Rival, row: Row, key: str) -> None:
        if row.kind == "put":
            self.verify(rival, rival.read_head("GET", key), [self.piece(row, 0)], 200)


def has(program: str) -> bool:
    return any(
        os.access(os.path.join(directory, program), os.X_OK)
        for directory in os.environ.get("PATH", "").split(os.pathsep)
    )
