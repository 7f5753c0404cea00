"""Flipped bits, zeroed pages, cut and lost files in a stored node's directory: found, said, never served.

A small store is filled (bytes that live with their names, extents, blobs of blocks, copies, tags, two containers) and
stopped. Then, one at a time on a fresh copy, a file of it is damaged. After each damage:

- `forebay fsck` reports it, or cannot run and says why; damage to bytes is traced to the blob;
- the node refuses to start and names what is damaged, or serves: each blob answers its own bytes or 500 InternalError,
  never 404, never other bytes; so do listings; with damaged bytes of one blob all others are served;
- the scrubber finds damaged bytes by itself and counts them;
- a damage that neither shows is one that touched nothing: then every answer must be right.
"""

from __future__ import annotations

import argparse
import base64
import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

import node as nodes
import wire

PAGE = 4096
CONTAINERS = ("first", "second")
# Longer than the time after which the metadata store has marked what it has synced.
MARKED_AFTER_SECONDS = 1.6


class Violation(Exception):
    """Something was served that must not be, or was not found."""


@dataclass(frozen=True)
class Damage:
    """How a file's bytes change; `None` for a file that is gone."""

    kind: str
    apply: Callable[[bytearray, random.Random], bytearray | None]


def flip(data: bytearray, rng: random.Random) -> bytearray:
    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data


def zero_page(data: bytearray, rng: random.Random) -> bytearray:
    start = rng.randrange(max(1, len(data) // PAGE)) * PAGE
    end = min(start + PAGE, len(data))
    data[start:end] = bytes(end - start)
    return data


def cut(data: bytearray, rng: random.Random) -> bytearray:
    return data[: rng.randrange(len(data))]


def empty(data: bytearray, rng: random.Random) -> bytearray:
    return bytearray()


def lose(data: bytearray, rng: random.Random) -> None:
    return None


BIT, ZERO, CUT, EMPTY, LOST = (
    Damage("bit", flip),
    Damage("zeroed page", zero_page),
    Damage("cut", cut),
    Damage("empty", empty),
    Damage("lost", lose),
)

# File, damage, how often in a full run and in a quick one.
TABLE = [
    ("extents/segments/*.seg", BIT, 24, 3),
    ("extents/segments/*.seg", ZERO, 6, 1),
    ("extents/segments/*.seg", CUT, 3, 0),
    ("extents/segments/*.seg", LOST, 2, 1),
    ("extents/FORMAT", BIT, 4, 0),
    ("extents/FORMAT", LOST, 1, 1),
    ("extents/NEXT", BIT, 4, 0),
    ("extents/NEXT", EMPTY, 1, 1),
    ("metadata/*.sst", BIT, 40, 2),
    ("metadata/*.sst", ZERO, 6, 0),
    ("metadata/*.sst", CUT, 4, 0),
    ("metadata/*.sst", LOST, 2, 1),
    ("metadata/*.log", BIT, 40, 2),
    ("metadata/*.log", ZERO, 6, 0),
    ("metadata/*.log", CUT, 10, 1),
    ("metadata/*.log", EMPTY, 1, 0),
    ("metadata/*.log", LOST, 1, 1),
    ("metadata/MANIFEST-*", BIT, 20, 1),
    ("metadata/MANIFEST-*", CUT, 6, 0),
    ("metadata/MANIFEST-*", ZERO, 1, 0),
    ("metadata/MANIFEST-*", LOST, 1, 0),
    ("metadata/CURRENT", BIT, 4, 0),
    ("metadata/CURRENT", EMPTY, 1, 0),
    ("metadata/CURRENT", LOST, 1, 1),
    ("metadata/SYNCED", BIT, 4, 0),
    ("metadata/SYNCED", ZERO, 1, 0),
    ("metadata/IDENTITY", BIT, 1, 0),
]


def copy(source: Path, target: Path) -> None:
    """Without the space that segments were allocated ahead."""
    subprocess.run(["cp", "-a", "--sparse=always", str(source), str(target)], check=True, timeout=120)


class Store:
    """The store as it was stopped, and what it must answer."""

    def __init__(self, seed: int):
        self.rng = random.Random(f"{seed}/store")
        self.node = wire.production_node("--scrub-rate", "1G")
        self.blobs: dict[tuple[str, str], bytes] = {}
        self.home = Path(tempfile.mkdtemp(prefix="forebay-damage-"))

    @property
    def pristine(self) -> Path:
        return self.home / "pristine"

    def fill(self, is_killed: bool) -> None:
        """Two runs: what the first one stored lies in tables afterwards, what the second one stored in the log."""
        self.node.start()
        with self.client() as client:
            for name in CONTAINERS:
                self.must(client.call("PUT", client.target(name, restype="container"), [], b""), 201)
            self.put_some(client, "early")
        if self.node.terminate() != 0:
            raise Violation("SIGTERM did not end the node with 0")
        self.node.start()
        with self.client() as client:
            self.put_some(client, "late")
        if is_killed:
            time.sleep(MARKED_AFTER_SECONDS)
            self.node.kill()
        elif self.node.terminate() != 0:
            raise Violation("SIGTERM did not end the node with 0")
        copy(self.node.data, self.pristine)

    def client(self) -> wire.Client:
        return wire.Client("127.0.0.1", self.node.port)

    def put_some(self, client: wire.Client, when: str) -> None:
        for index in range(12):
            container = CONTAINERS[index % 2]
            self.put(client, container, f"{when}/small-{index}", self.rng.randbytes(self.rng.randrange(1, 9_000)))
        for index in range(6):
            container = CONTAINERS[index % 2]
            self.put(client, container, f"{when}/large-{index}", self.rng.randbytes(self.rng.randrange(20_000, 300_000)))
        for index in range(2):
            self.put_blocks(client, CONTAINERS[index], f"{when}/blocks-{index}")
        source = client.target(CONTAINERS[0], f"{when}/large-0")
        headers = [
            ("x-ms-copy-source", f"http://127.0.0.1:{self.node.port}{source}"),
            ("x-ms-requires-sync", "true"),
        ]
        self.must(client.call("PUT", client.target(CONTAINERS[0], f"{when}/copy"), headers, b""), 202)
        self.blobs[CONTAINERS[0], f"{when}/copy"] = self.blobs[CONTAINERS[0], f"{when}/large-0"]

    def put(self, client: wire.Client, container: str, name: str, body: bytes) -> None:
        headers = [("x-ms-blob-type", "BlockBlob"), ("x-ms-tags", f"name={name.replace('/', '-')}")]
        self.must(client.call("PUT", client.target(container, name), headers, body), 201)
        self.blobs[container, name] = body

    def put_blocks(self, client: wire.Client, container: str, name: str) -> None:
        parts = [self.rng.randbytes(self.rng.randrange(18_000, 90_000)) for _ in range(3)]
        listing = ""
        for index, part in enumerate(parts):
            block = base64.b64encode(f"block-{index}".encode()).decode()
            self.must(client.call("PUT", client.target(container, name, comp="block", blockid=block), [], part), 201)
            listing += f"<Latest>{block}</Latest>"
        xml = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listing}</BlockList>'.encode()
        self.must(client.call("PUT", client.target(container, name, comp="blocklist"), [], xml), 201)
        self.blobs[container, name] = b"".join(parts)

    @staticmethod
    def must(answer: wire.Answer, status: int) -> None:
        if answer.status != status:
            raise Violation(f"while filling: {answer} {answer.body[:200]!r}")

    def fresh_copy(self) -> Path:
        shutil.rmtree(self.node.data, ignore_errors=True)
        copy(self.pristine, self.node.data)
        return self.node.data

    def close(self) -> None:
        self.node.close()
        shutil.rmtree(self.home, ignore_errors=True)


@dataclass
class Outcome:
    fsck: int
    fsck_text: str
    refused_start: bool = False
    damaged: int = 0
    harmless: bool = False


class Trial:
    """One damage on a fresh copy of the store."""

    def __init__(self, store: Store, pattern: str, damage: Damage, number: int, seed: int):
        self.store, self.pattern, self.damage = store, pattern, damage
        self.number = number
        self.rng = random.Random(f"{seed}/{pattern}/{damage.kind}/{number}")
        self.name = f"{pattern}:{damage.kind}:{number}"
        self.where = ""
        # With damaged bytes of a segment: the blobs that hold them, if the place is known to be one blob's.
        self.victims: set[tuple[str, str]] | None = None

    def run(self) -> Outcome:
        data = self.store.fresh_copy()
        self.apply(data)
        status, text = wire.fsck(str(data))
        outcome = Outcome(status, text)
        if status not in (0, 1, 2) or not text:
            raise Violation(f"fsck ended with {status} and said {text!r}")
        if self.victims:
            self.require_named(outcome)
        try:
            self.store.node.start()
        except nodes.NodeError as error:
            self.require_refusal(str(error))
            outcome.refused_start = True
        else:
            try:
                outcome.damaged = self.read_all()
                if self.victims:
                    self.require_scrubbed()
            finally:
                self.store.node.kill()
        outcome.harmless = status == 0 and not outcome.refused_start and outcome.damaged == 0
        if status == 0 and not outcome.harmless:
            raise Violation("fsck calls the store clean, but the node finds damage")
        if self.victims and outcome.harmless:
            raise Violation("damage to a blob's bytes was not found")
        return outcome

    def apply(self, data: Path) -> None:
        files = [path for path in sorted(data.glob(self.pattern)) if path.stat().st_size]
        if not files:
            raise Violation(f"the store has no file {self.pattern}")
        path = self.rng.choice(files)
        before = path.read_bytes()
        content = bytearray(before)
        if self.pattern.endswith(".seg") and self.damage.kind in ("bit", "zeroed page"):
            after = self.damage_in_blob(content)
        else:
            after = self.damage.apply(content, self.rng)
        if after is None:
            path.unlink()
            self.where = f"{path.relative_to(data)} lost"
            return
        path.write_bytes(after)
        if len(after) == len(before):
            self.where = f"{path.relative_to(data)} at {first_difference(before, after)}"
        else:
            self.where = f"{path.relative_to(data)} cut from {len(before)} to {len(after)}"

    def damage_in_blob(self, content: bytearray) -> bytearray:
        """Damages bytes of one blob: its content is looked for in the segment."""
        held = [
            (key, at) for key, body in self.store.blobs.items() if len(body) > 16_384
            if (at := content.find(body[:4_096])) >= 0
        ]  # fmt: skip
        if not held:
            raise Violation("the segment holds no blob that is known")
        key, start = self.rng.choice(held)
        at = start + self.rng.randrange(4_096)
        body = self.store.blobs[key]
        self.victims = {other for other, its in self.store.blobs.items() if its == body}
        if self.damage.kind == "bit":
            content[at] ^= 1 << self.rng.randrange(8)
        else:
            content[start : start + PAGE] = bytes(PAGE)
        return content

    def require_named(self, outcome: Outcome) -> None:
        if outcome.fsck != 1:
            raise Violation(f"fsck ended with {outcome.fsck} over damaged bytes:\n{outcome.fsck_text}")
        for container, name in self.victims or ():
            if name not in outcome.fsck_text:
                raise Violation(f"fsck does not name {container}/{name}:\n{outcome.fsck_text}")

    def require_refusal(self, text: str) -> None:
        if "Assertion" in text or "Signal" in text or "Fatal" in text:
            raise Violation(f"the node crashed at its start:\n{text}")
        if "cannot run" not in text or not re.search(r"damaged|unavailable|internal", text):
            raise Violation(f"the node did not start and did not say why:\n{text}")

    def read_all(self) -> int:
        """Reads everything; answers how many reads were refused as damage."""
        refused = 0
        with self.store.client() as client:
            for (container, name), body in self.store.blobs.items():
                answer = client.call("GET", client.target(container, name))
                if answer.status == 200 and answer.body == body:
                    if self.victims and (container, name) in self.victims:
                        raise Violation(f"GET {container}/{name}: 200 with the right bytes, which are not there")
                    continue
                if answer.status != 500 or answer.code != "InternalError":
                    kind = "other bytes" if answer.status == 200 else ""
                    raise Violation(f"GET {container}/{name}: {answer} {kind}")
                if self.victims is not None and (container, name) not in self.victims:
                    raise Violation(f"GET {container}/{name}: {answer}, but only {self.victims} is damaged")
                refused += 1
            refused += self.list_all(client)
        if refused and not re.search(r"error .*request failed", self.store.node.log_tail(400)):
            raise Violation("damage was answered with 500 and not logged")
        return refused

    def list_all(self, client: wire.Client) -> int:
        refused = 0
        for container in CONTAINERS:
            answer = client.call("GET", client.target(container, restype="container", comp="list"))
            if answer.status == 500 and answer.code == "InternalError":
                refused += 1
                continue
            names = set(re.findall(r"<Name>([^<]*)</Name>", answer.body.decode()))
            expected = {name for held_by, name in self.store.blobs if held_by == container}
            if answer.status != 200 or names != expected:
                raise Violation(f"listing {container}: {answer}, {len(names)} of {len(expected)} names")
        return refused

    def require_scrubbed(self) -> None:
        if not wire.wait_until(
            lambda: wire.metrics(self.store.node).get("forebay_extent_damaged_total", 0) >= 1, 20, 0.1
        ):
            raise Violation("the scrubber has not found the damaged extent")
        if "damaged extent" not in self.store.node.log_tail(400):
            raise Violation("the scrubber has found the damaged extent and not logged it")


def first_difference(before: bytes, after: bytes) -> int | None:
    chunk = 65_536
    for start in range(0, len(before), chunk):
        if before[start : start + chunk] != after[start : start + chunk]:
            return next(at for at in range(start, len(before)) if before[at] != after[at])
    return None


def trials(store: Store, arguments: argparse.Namespace) -> list[Trial]:
    found = []
    for pattern, damage, full, quick in TABLE:
        for number in range(quick if arguments.quick else full):
            found.append(Trial(store, pattern, damage, number, arguments.seed))
    if arguments.only:
        found = [
            Trial(store, pattern, damage, number, arguments.seed)
            for pattern, damage, full, _ in TABLE
            for number in range(full)
        ]
        found = [trial for trial in found if trial.name in arguments.only]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few of each kind: at most 20 s")
    parser.add_argument("--seed", type=int, default=int(time.time()) % 1_000_000)
    parser.add_argument("--only", action="append", default=[], metavar="FILE:KIND:NUMBER", help="one damage")
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    store = Store(arguments.seed)
    counts: Counter[str] = Counter()
    by_file: dict[str, Counter[str]] = {}
    began = time.monotonic()
    trial = None
    try:
        store.fill(is_killed=not arguments.quick)
        planned = trials(store, arguments)
        for index, trial in enumerate(planned):
            outcome = trial.run()
            if outcome.harmless:
                word = "touched nothing"
            elif outcome.refused_start:
                word = "refused to start"
            elif outcome.damaged:
                word = "answered 500"
            else:
                word = "found by fsck"
            counts[word] += 1
            by_file.setdefault(trial.pattern, Counter())[word] += 1
            if arguments.verbose:
                print(f"{trial.name:40} {trial.where:60} fsck {outcome.fsck}, {word}", flush=True)
            elif index % 20 == 19:
                print(f"{index + 1} of {len(planned)} damages, {time.monotonic() - began:.0f} s", flush=True)
        for pattern, words in by_file.items():
            print(f"{pattern:26} " + ", ".join(f"{word} {count}" for word, count in sorted(words.items())))
        total, idle = sum(counts.values()), counts["touched nothing"]
        print(
            f"damage: {total} flips, cuts and losses: {total - idle} detected, {idle} touched nothing that is read, "
            f"none served; {time.monotonic() - began:.1f} s, seed {arguments.seed}"
        )
        return 0
    except (Violation, nodes.NodeError, wire.Broken, wire.Hung, subprocess.TimeoutExpired) as red:
        name = trial.name if trial else "filling"
        where = trial.where if trial else ""
        print(f"\ndamage: RED at {name} ({where}): {red}\n\n{store.node.log_tail(30)}\n")
        print(f"repeat: python3 e2e/damage/damage.py --seed {arguments.seed} --only {shlex.quote(name)} --verbose{' --quick' * arguments.quick}")
        return 1
    finally:
        store.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
