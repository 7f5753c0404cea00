#!/usr/bin/env python3
"""Throws malformed and malicious input at the released node while a neighbour's transfers go on.

    python3 e2e/hostile/hostile.py [--case TEXT] [--list] [--no-slow]

Each case names the statuses and codes that a sound node may give. After each the node must still be the same process
and serve a known blob; the neighbour must see no error, no other byte and no long stall on its open connections.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE), os.path.join(os.path.dirname(HERE), "crash")]

import bodies
import framing
import names
import neighbour
import node as nodes
import slow
import values
import wire
from case import CONTAINER, SEED_BLOB, SEED_BYTES, Case, Context, run

PUBLIC = "public"


def all_cases() -> list[Case]:
    return [*framing.cases(), *names.cases(), *values.cases(), *bodies.cases()]


class Hostile:
    def __init__(self, arguments: argparse.Namespace):
        self.arguments = arguments
        self.other = wire.Account("othertest", wire.TESTING.key)
        accounts = {wire.TESTING.name: [wire.TESTING.key], self.other.name: [self.other.key]}
        self.node = nodes.Node(
            dev=False,
            accounts=accounts,
            listen=f"127.0.0.1:{wire.free_port()}",
            admin=f"127.0.0.1:{wire.free_port()}",
            options=["--allow-public-access"],
        )
        self.context = Context("127.0.0.1", self.node.port, wire.TESTING, self.other, PUBLIC)
        self.misses: list[str] = []
        self.count = 0

    def prepare(self) -> None:
        self.node.start()
        self.pid = self.node.pid
        context = self.context
        for container, headers in ((CONTAINER, []), (PUBLIC, [("x-ms-blob-public-access", "container")])):
            answer = context.call("PUT", context.target(container, restype="container"), headers, b"")
            assert answer.status == 201, f"create {container}: {answer}"
            answer = context.call(
                "PUT", context.target(container, SEED_BLOB), [("x-ms-blob-type", "BlockBlob")], SEED_BYTES
            )
            assert answer.status == 201, f"put {container}/{SEED_BLOB}: {answer}"
        neighbour.prepare(context)

    def health(self) -> str | None:
        if not self.node.alive or self.node.pid != self.pid:
            return "THE PROCESS HAS ENDED"
        try:
            answer = self.context.call("GET", self.context.blob())
        except (wire.Broken, wire.Hung) as error:
            return f"does not serve any more: {error}"
        return None if answer.status == 200 and answer.body == SEED_BYTES else f"serves the seed blob as {answer}"

    def row(self, group: str, name: str, got: str, expected: str, complaint: str | None, seconds: float = 0.0) -> None:
        self.count += 1
        if complaint:
            self.misses.append(f"{group} / {name}: {complaint}")
        if complaint or not self.arguments.quiet:
            verdict = "ok" if complaint is None else f"MISS: {complaint}"
            print(
                f"{group:16.16} | {name:44.44} | {got:44.44} | {expected:24.24} | {seconds * 1000:6.0f} ms | {verdict}",
                flush=True,
            )

    def table(self) -> None:
        for case in all_cases():
            if self.arguments.case and self.arguments.case.lower() not in f"{case.group} / {case.name}".lower():
                continue
            verdict = run(case, self.context)
            expected = "/".join(map(str, sorted(case.allow))) + (" or close" if case.may_close else "")
            complaint = verdict.complaint or self.health()
            self.row(case.group, case.name, verdict.got, expected, complaint, verdict.seconds)
            if not self.node.alive:
                return

    def run(self) -> None:
        self.prepare()
        whole = not self.arguments.case
        dripping = slow.Dripping(self.context, self.arguments.slow_limit)
        if whole and not self.arguments.no_slow:
            dripping.start()
        neighbours = [neighbour.Uploader(self.context, "upload"), neighbour.Downloader(self.context, "download")]
        for each in neighbours:
            each.start()
        self.table()
        if whole and self.node.alive:
            for name, got, complaint in slow.cut_uploads(self.context, self.node):
                self.row("cut upload", name, got, "as before", complaint or self.health())
        for name, got, complaint in dripping.finish():
            self.row("slow", name, got, f"ended in {self.arguments.slow_limit:.0f} s", complaint or self.health())
        for each in neighbours:
            each.stop()
            got = f"{each.rounds} rounds, {each.moved >> 20} MiB, worst wait {each.longest:.1f} s"
            complaint = each.error or (None if each.rounds or not whole else "finished no round")
            self.row("neighbour", each.name, got, "no error", complaint)
        self.ending()

    def ending(self) -> None:
        status, text = wire.admin_get(self.node, "/healthz/ready")
        self.row("node", "ready", f"{status} {text[:30]!r}", "200", None if status == 200 else "not ready")
        self.row("node", "same process", f"pid {self.node.pid}", f"pid {self.pid}", self.health())
        stopped = self.node.terminate() if self.node.alive else "already gone"
        self.row("node", "SIGTERM", f"exit {stopped}", "exit 0", None if stopped == 0 else "did not end well")
        status, output = wire.fsck(str(self.node.data))
        self.row("node", "fsck", f"exit {status}", "exit 0", None if status == 0 else output[:500])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", default="", help="only cases whose group or name contains this text")
    parser.add_argument("--list", action="store_true", help="print the cases and end")
    parser.add_argument("--quiet", action="store_true", help="print misses only")
    parser.add_argument("--no-slow", action="store_true", help="without the peers that drip bytes (about a minute)")
    parser.add_argument("--slow-limit", type=float, default=90.0, help="seconds within which such a peer must be ended")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    if arguments.list:
        for case in all_cases():
            print(f"{case.group} / {case.name}: {sorted(case.allow)} {sorted(case.codes)}")
        return 0
    began = time.monotonic()
    hostile = Hostile(arguments)
    try:
        hostile.run()
    except (nodes.NodeError, wire.Broken, wire.Hung, AssertionError) as error:
        hostile.misses.append(f"{type(error).__name__}: {error}")
    finally:
        if hostile.misses:
            print(f"\n{hostile.node.log_tail(20)}\n")
        hostile.node.close()
    for miss in hostile.misses:
        print(f"MISS {miss}")
    print(
        f"hostile: {hostile.count - len(hostile.misses)} of {hostile.count} as they should be in {time.monotonic() - began:.1f} s"
    )
    if hostile.misses:
        print(
            "repeat: python3 e2e/hostile/hostile.py"
            + (f" --case {arguments.case!r}" if arguments.case else " [--case TEXT]")
        )
    return 1 if hostile.misses else 0


if __name__ == "__main__":
    sys.exit(main())
