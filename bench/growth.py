"""The steps of the scale benchmark: each fills the one node further and tells what it measured beside the goal."""

from __future__ import annotations

import argparse
import base64
import json
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))

import chart
from rivals import Forebay, Rival, settle, wire
from rows import GENERATOR_THREADS, Bench, Invalid
from s3 import RcloneS3, S3Rival, SeaweedFS

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PAGE = 5000
SMALL_BLOB = KIB
BLOCK = 8 * MIB
BIG_BLOCK = 100 * MIB
STORM_CONNECTIONS = (64, 1000)
STORM_ROUNDS = 3
EXTENT_BATCH = 8 * GIB  # written before its blocks are punched out again
SIGNATURE_LENGTH = 44  # Base64 of 32 bytes, as load.c expects it
LOAD_SECONDS = 3600
READ_SECONDS, READ_ROUNDS = 1.0, 5
RIVALS = {rival.name: rival for rival in (SeaweedFS, RcloneS3)}


@dataclass(frozen=True)
class Figure:
    """One measured number beside its goal; `most` goals are bounds from above."""

    work: str
    what: str
    value: float
    unit: str = ""
    goal: float | None = None
    most: bool = False

    @property
    def met(self) -> bool:
        return self.goal is None or (self.value <= self.goal if self.most else self.value >= self.goal)

    def row(self) -> list[str]:
        sign = "≤" if self.most else "≥"
        return [
            self.work,
            self.what,
            f"{amount(self.value)} {self.unit}".strip(),
            f"{sign} {amount(self.goal)} {self.unit}".strip() if self.goal is not None else "–",
            "–" if self.goal is None else "met" if self.met else "**missed**",
        ]


def amount(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.2f}"


@dataclass
class Scale:
    """The run: one node that is filled step by step, and what was found."""

    arguments: argparse.Namespace
    home: Path
    bench: Bench
    node: Forebay
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    charts: list[chart.Panel] = field(default_factory=list)

    def tell(self, figure: Figure) -> None:
        self.figures.append(figure)
        print(" | ".join(figure.row()), file=sys.stderr, flush=True)

    # Requests

    def head(self, method: str, key: str, query: dict[str, str], headers: list[tuple[str, str]]) -> bytes:
        return self.node.signed(method, self.node.target(key, **query), headers)

    def template(self, key: str, query: dict[str, str], length: int, headers: list[tuple[str, str]]) -> list[bytes]:
        """What load.c needs to number uploads and to sign each: the head, the string to sign, and the key.

        `@` in the key and in the query are the digits. Source: "Authorize with Shared Key".
        """
        account = self.node.account
        target = f"/{account.name}/{key}" + ("?" + "&".join(f"{k}={v}" for k, v in query.items()) if query else "")
        given = [
            ("Host", f"{self.node.host}:{self.node.port}"),
            ("Content-Length", str(length)),
            ("x-ms-date", wire.http_date()),
            ("x-ms-version", wire.API_VERSION),
            *headers,
        ]
        text = wire.string_to_sign("PUT", target, given, account.name)
        given.append(("Authorization", f"SharedKey {account.name}:{'#' * SIGNATURE_LENGTH}"))
        return [wire.head_bytes("PUT", target, given), text.encode(), account.key_bytes]

    def load(
        self,
        rival: Rival,
        connections: int,
        heads: list[bytes],
        body: Path | None,
        mode: str = "",
        seconds: float = LOAD_SECONDS,
    ) -> dict:
        table = self.home / "table"
        with open(table, "wb") as file:
            for head in heads:
                file.write(b"%d\n%b" % (len(head), head))
        threads = min(GENERATOR_THREADS, connections)
        command = [self.bench.load, rival.host, rival.port, connections, threads, seconds, table, body or "-"]
        command += [mode] if mode else []
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if done.returncode or not done.stdout:
            raise Invalid(f"{rival.name}: {' '.join(map(str, command))}: {done.stdout[:400]}{done.stderr[:400]}")
        return json.loads(done.stdout)

    def body(self, length: int) -> Path:
        path = self.home / f"body-{length}"
        if not path.exists():
            path.write_bytes(random.Random(length).randbytes(length))
        return path

    def call(self, method: str, target: str, status: int, body: bytes = b"", headers=()) -> wire.Answer:
        with wire.Client(self.node.host, self.node.port, timeout=300) as client:
            answer = client.call(method, target, headers, body if method == "PUT" else None)
        if answer.status != status:
            raise Invalid(f"{method} {target}: {answer}: {answer.body[:300]!r}")
        return answer

    # 1,000 uploads at once

    def storm(self) -> None:
        few, many = STORM_CONNECTIONS
        work, blocks = f"{many:,} concurrent 8 MiB Put Blocks", max(self.arguments.storm_blocks, many)
        rates: dict[int, list[float]] = {few: [], many: []}
        for number in range(STORM_ROUNDS):
            for connections in STORM_CONNECTIONS if number % 2 == 0 else reversed(STORM_CONNECTIONS):
                run = f"storm-{number}-{connections}"
                self.node.create_run(run)
                settle()
                heads = self.template(f"{run}/s@@@@", {"comp": "block", "blockid": "0@@@"}, BLOCK, [])
                told = self.load(self.node, connections, heads, self.body(BLOCK), str(blocks))
                if told["requests"] != blocks:
                    raise Invalid(f"{work}: {told['requests']} of {blocks} were answered")
                rates[connections].append(told["requests"] * BLOCK / told["seconds"] / MIB)
                print(f"{work}: {rates[connections][-1]:.0f} MiB/s over {connections}", file=sys.stderr, flush=True)
                self.node.delete_run(run)
        ratio = median(b / a for a, b in zip(rates[few], rates[many]))
        self.tell(Figure(work, f"rate at {few}", median(rates[few]), "MiB/s"))
        self.tell(Figure(work, f"rate at {many:,}", median(rates[many]), "MiB/s"))
        self.tell(Figure(work, f"ratio, {STORM_ROUNDS} rounds of {blocks:,} blocks", ratio, "", 0.9))
        self.tell(Figure(work, "errors", 0, "", 0, most=True))
        self.tell(Figure(work, "peak resident memory", self.node.node.peak_rss() / MIB, "MiB", 512, most=True))

    # One blob of very many blocks

    def big_blob(self) -> None:
        count = self.arguments.blocks
        work = f"a blob of {count:,} blocks × 100 MiB"
        self.node.create_run("big")
        self.node.create_run("small")
        block = base64.b64encode(b"only").decode()
        entry = f"<Latest>{block}</Latest>"
        commits = []
        for run, name, times in (("big", "a", count), ("big", "b", count), ("big", "c", count), ("small", "a", 1)):
            target = self.node.target(f"{run}/{name}", comp="block", blockid=block)
            self.call("PUT", target, 201, self.body(BIG_BLOCK).read_bytes())
            xml = f"<BlockList>{entry * times}</BlockList>".encode()
            began = time.monotonic()
            self.call("PUT", self.node.target(f"{run}/{name}", comp="blocklist"), 201, xml)
            if times > 1:
                commits.append(time.monotonic() - began)
        length = self.call("HEAD", self.node.target("big/a"), 200).get("content-length")
        if length != str(count * BIG_BLOCK):
            raise Invalid(f"{work}: the length is {length}")
        self.tell(Figure(work, "commit, the slowest of 3", max(commits), "s", 3, most=True))
        chance = random.Random(1)
        content = self.body(BIG_BLOCK).read_bytes()
        for size, name in ((4 * KIB, "4 KiB"), (MIB, "1 MiB")):
            places = [chance.randrange(count) * BIG_BLOCK + chance.randrange(BIG_BLOCK - size) for _ in range(400)]
            for place in places[:3]:
                answer = self.node.exchange(self.read("big/a", place, size))
                if answer.status != 206 or answer.body != content[place % BIG_BLOCK :][:size]:
                    raise Invalid(f"{work}: other bytes at {place}: {answer}")
            big = [self.read("big/a", place, size) for place in places]
            small = [self.read("small/a", place % BIG_BLOCK, size) for place in places]
            self.compare(work, f"GET of {name} at random places, time to a small blob's", big, small)
        self.compare(work, "HEAD, time to a small blob's", [self.head_of("big/a")], [self.head_of("small/a")])
        pages = [self.page("big", entries=1)], [self.page("small", entries=1)]
        self.compare(work, "list, time to a small blob's", *pages)

    def read(self, key: str, first: int, size: int) -> bytes:
        return self.head("GET", key, {}, [("x-ms-range", f"bytes={first}-{first + size - 1}")])

    def head_of(self, key: str) -> bytes:
        return self.head("HEAD", key, {}, [])

    def compare(self, work: str, what: str, ours: list[bytes], theirs: list[bytes]) -> None:
        """Median latency on one connection, the two kinds taking turns."""
        ratios = []
        for number in range(READ_ROUNDS):
            times = {}
            for name, heads in (("a", ours), ("b", theirs)) if number % 2 else (("b", theirs), ("a", ours)):
                times[name] = self.load(self.node, 1, heads, None, "cycle", READ_SECONDS)["p50_ms"]
            ratios.append(times["a"] / times["b"])
        self.tell(Figure(work, what, median(ratios), "×", 1.2, most=True))

    # A million names

    def create(self) -> None:
        count = self.arguments.names
        work = f"create {count:,} blobs of 1 KiB, 16 connections"
        self.node.create_run("names")
        settle()
        heads = self.template("names/d@@@@/@@@", {}, SMALL_BLOB, [("x-ms-blob-type", "BlockBlob")])
        server = self.node.cpu_seconds()
        told = self.load(self.node, 16, heads, self.body(SMALL_BLOB), str(count))
        server = self.node.cpu_seconds() - server
        if told["requests"] != count:
            raise Invalid(f"{work}: {told['requests']} were answered")
        marks = [0.0, *told["marks_s"]]
        tenths = [count / 10 / (marks[n + 10] - marks[n]) for n in range(0, 100, 10)]
        self.tell(Figure(work, "rate", count / told["seconds"], "blobs/s", 5000))
        self.tell(Figure(work, "slowest tenth", min(tenths), "blobs/s", 5000))
        self.tell(Figure(work, "last tenth to the first", tenths[-1] / tenths[0], "×", 0.9))
        self.tell(Figure(work, "p99", told["p99_ms"], "ms"))
        self.tell(Figure(work, "server CPU", server * 1e6 / count, "µs/blob"))
        self.notes.append(f"Rate of each tenth of the blobs created, per second: {', '.join(map(amount, tenths))}.")
        step = 2  # hundredths in one point: a single one is a fraction of a second
        points = [
            (count * (n + step) / 100 / 1000, count * step / 100 / (marks[n + step] - marks[n]))
            for n in range(0, 100, step)
        ]
        self.charts.append(chart.Panel("Blobs created per second", {"forebay": points}, limit=5000))

    def page(self, run: str, marker: str = "", entries: int = PAGE, delimiter: str = "") -> bytes:
        query = {"restype": "container", "comp": "list", "maxresults": str(entries)}
        query |= {"marker": marker} if marker else {}
        query |= {"delimiter": delimiter} if delimiter else {}
        return self.head("GET", run, query, [])

    def fetch(self, connection: wire.Connection, head: bytes) -> tuple[float, bytes]:
        began = time.perf_counter()
        answer = connection.exchange("GET", head)
        elapsed = time.perf_counter() - began
        if answer.status != 200:
            raise Invalid(f"list: {answer}: {answer.body[:300]!r}")
        return elapsed, answer.body

    def listing(self) -> None:
        count = self.arguments.names
        work = f"list {count:,} names, pages of {PAGE:,}"
        pages: list[tuple[float, int]] = []
        markers = [""]
        server, cpu, began = self.node.cpu_seconds(), time.process_time(), time.perf_counter()
        with wire.Connection(self.node.host, self.node.port, timeout=120) as connection:
            while True:
                elapsed, body = self.fetch(connection, self.page("names", markers[-1]))
                pages.append((elapsed, body.count(b"<Name>")))
                marker = body[-400:].partition(b"<NextMarker>")[2].partition(b"</NextMarker>")[0].decode()
                if not marker:
                    break
                markers.append(marker)
            seconds, own = time.perf_counter() - began, time.process_time() - cpu
            server = self.node.cpu_seconds() - server
            found = sum(names for _, names in pages)
            if found != count:
                raise Invalid(f"{work}: {found} names")
            first = median(self.fetch(connection, self.page("names"))[0] for _ in range(9))
            last = median(self.fetch(connection, self.page("names", markers[-1]))[0] for _ in range(9))
            folders = []
            for _ in range(9):
                elapsed, body = self.fetch(connection, self.page("names", delimiter="/"))
                folders.append(elapsed)
            prefixes = body.count(b"<BlobPrefix>")
        if prefixes != min(-(-count // 1000), PAGE):
            raise Invalid(f"delimiter listing: {prefixes} prefixes")
        self.tell(Figure(work, "rate", count / seconds, "names/s", 200_000))
        self.tell(Figure(work, "server CPU", server * 1e6 / count, "µs/name"))
        self.tell(Figure(work, "last page, time to the first's", last / first, "×", 1.5, most=True))
        self.tell(Figure(work, f"delimiter, {prefixes:,} prefixes", median(folders) * 1000, "ms", 100, most=True))
        self.notes.append(f"The listing client itself used {own / seconds:.0%} of one processor while it listed.")
        points = [(PAGE * (n + 1) / 1000, names / elapsed) for n, (elapsed, names) in enumerate(pages) if names == PAGE]
        self.charts.append(chart.Panel("Names listed per second, page by page", {"forebay": points}, limit=200_000))

    # Rivals, with fewer names

    def rivals(self) -> None:
        count = self.arguments.rival_names
        rates: dict[str, tuple[float, float]] = {}
        self.node.create_run("few")
        heads = self.template("few/d@@@@/@@@", {}, SMALL_BLOB, [("x-ms-blob-type", "BlockBlob")])
        settle()
        told = self.load(self.node, 16, heads, self.body(SMALL_BLOB), str(count))
        rates[self.node.name] = (count / told["seconds"], self.list_rate(self.node, "few", count))
        for name in filter(None, self.arguments.rivals.split(",")):
            rival = RIVALS[name](self.home)
            try:
                rival.start()
                rival.create_run("few")
                heads = [rival.write_head(f"few/d{n // 1000:04d}/{n % 1000:03d}", n, SMALL_BLOB) for n in range(count)]
                settle()
                told = self.load(rival, 16, heads, self.body(SMALL_BLOB))
                rates[name] = (count / told["seconds"], self.list_rate(rival, "few", count))
            except (Invalid, RuntimeError, wire.Broken, wire.Hung) as error:
                self.notes.append(f"{name} could not: {error}"[:300])
            finally:
                rival.stop()
        ours = rates[self.node.name]
        for name, (created, listed) in rates.items():
            if name == self.node.name:
                continue
            work = (f"create {count:,} blobs of 1 KiB", f"list {count:,} names")
            for what, own, theirs in zip(work, ours, (created, listed)):
                self.tell(Figure(what, f"ratio to {name} ({amount(theirs)}/s)", own / theirs, "×", 1))

    def list_rate(self, rival: Rival, run: str, count: int) -> float:
        """Names per second over all pages, each as large as the server allows."""
        found, after, began = 0, "", time.perf_counter()
        with wire.Connection(rival.host, rival.port, timeout=120) as connection:
            while True:
                s3 = isinstance(rival, S3Rival)
                _, body = self.fetch(connection, rival.list_head(run, after) if s3 else self.page(run, after))
                parts = body.split(b"<Key>" if s3 else b"<Name>")
                found += len(parts) - 1
                if s3:
                    more = b"<IsTruncated>true" in body
                    after = parts[-1].partition(b"</Key>")[0].decode()
                else:
                    after = body[-400:].partition(b"<NextMarker>")[2].partition(b"</NextMarker>")[0].decode()
                    more = bool(after)
                if not more:
                    break
        own = 8 if isinstance(rival, SeaweedFS) else 0  # written when the bucket was made
        if found not in (count, count + own):
            raise Invalid(f"{rival.name}: {found} names of {count}")
        return found / (time.perf_counter() - began)

    # Starting with all of it

    def segments(self) -> list[Path]:
        return sorted(Path(self.node.node.data).rglob("*.seg"))

    def extents(self) -> None:
        """Stores extents of 8 MiB and takes their blocks back from the disk behind the node's back: what a start looks
        at (records, segment files, their sizes) stays as it was, and the disk need not hold it all."""
        if shutil.which("fallocate") is None:
            raise RuntimeError("no fallocate: apt-get install util-linux")
        self.node.create_run("extents")
        total = round(self.arguments.extent_gib * GIB) // BLOCK
        done = 0
        while done < total:
            batch = min(total - done, EXTENT_BATCH // BLOCK)
            run = done // (EXTENT_BATCH // BLOCK)
            heads = self.template(f"extents/e{run:03d}-@@@@", {"comp": "block", "blockid": "0@@@"}, BLOCK, [])
            self.load(self.node, 16, heads, self.body(BLOCK), str(batch))
            for blob in range(-(-batch // 1000)):
                ids = "".join(f"<Latest>0{n:03d}</Latest>" for n in range(min(1000, batch - blob * 1000)))
                target = self.node.target(f"extents/e{run:03d}-{blob:04d}", comp="blocklist")
                self.call("PUT", target, 201, f"<BlockList>{ids}</BlockList>".encode())
            for segment in self.segments():
                command = ["fallocate", "--punch-hole", "--offset", "0", "--length", str(segment.stat().st_size)]
                subprocess.run([*command, str(segment)], check=True)
            done += batch
            print(f"extents: {done * BLOCK / GIB:.0f} of {total * BLOCK / GIB:.0f} GiB", file=sys.stderr, flush=True)

    def starting(self) -> None:
        self.extents()
        work = f"start with {self.arguments.names:,} blobs and {self.arguments.extent_gib:g} GiB of extents"
        node = self.node.node
        times: dict[str, list[float]] = {"after a clean stop": [], "after SIGKILL": [], "nothing cached": []}
        for how, found in times.items():
            for _ in range(3):
                if how == "after SIGKILL":
                    node.kill()
                else:
                    node.terminate()
                if how == "nothing cached" and not drop_caches():
                    continue
                began = time.monotonic()
                node.start()
                found.append(time.monotonic() - began)
                key = f"names/d0000/{random.randrange(1000):03d}"
                self.call("HEAD", self.node.target(key), 200)
            if found:
                self.tell(Figure(work, f"ready, {how}, the slowest of 3", max(found), "s", 3, most=True))
        segments = self.segments()
        self.notes.append(
            f"The store at the start: {len(segments)} segment files of "
            f"{sum(s.stat().st_size for s in segments) / GIB:.1f} GiB in all, with extents of 8 MiB; their blocks were "
            "punched out of the files after each batch (nothing at a start reads an extent's bytes). "
            "The blobs of 1 KiB are in the metadata store."
        )


def drop_caches() -> bool:
    try:
        subprocess.run(["sync"], check=True)
        Path("/proc/sys/vm/drop_caches").write_text("3")
        return True
    except OSError:
        return False


STEPS = {
    "storm": Scale.storm,
    "big": Scale.big_blob,
    "create": Scale.create,
    "list": Scale.listing,
    "start": Scale.starting,
    "rivals": Scale.rivals,
}
