"""A promise that the node broke, with the history that shows it."""

from __future__ import annotations

import time

from model import Record


class Violation(Exception):
    def __init__(self, name: str, complaint: str, history: list[str], allowed: list[str]):
        super().__init__(f"{name}: {complaint}")
        self.name, self.complaint, self.history, self.allowed = name, complaint, history, allowed

    def report(self) -> str:
        lines = [f"VIOLATION {self.name}: {self.complaint}", "  allowed:"]
        lines += [f"    {state}" for state in self.allowed]
        lines += ["  history, oldest first:", *(f"    {line}" for line in self.history)]
        return "\n".join(lines)


def violation(record: Record, complaint: str) -> Violation:
    return Violation(record.name, complaint, list(record.history), [str(state) for state in record.allowed])


class NodeGone(Exception):
    """The connection is gone, so the node is down or about to be. `at` is the monotonic time when this was seen."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.at = time.monotonic()
