"""What the project wants of each row: the least ratio of its rate to a rival's or to a limit of the machine."""

from __future__ import annotations

from dataclasses import dataclass

EVERY_ROW = "*"


@dataclass(frozen=True)
class Goal:
    row: str  # a row's name, or EVERY_ROW
    against: str  # a rival's or a limit's name
    ratio: float
    inclusive: bool = True  # whether the ratio itself is enough

    def met(self, ratio: float) -> bool:
        return ratio >= self.ratio if self.inclusive else ratio > self.ratio

    def __str__(self) -> str:
        return f"{'≥' if self.inclusive else '>'} {self.ratio:g}"


FIO_EACH = "fio, fdatasync after each write"
FIO_SHARED = "fio, fdatasync after 16 writes"  # as many as the row has connections: the harder of the two

GOALS = [
    Goal("GET 8 MiB ranges", "nginx", 0.95),
    Goal("GET 64 KiB", "nginx", 0.8),
    Goal("GET 4 KiB", "nginx", 0.6),
    Goal("HEAD 4 KiB", "nginx", 0.6),
    Goal("PUT 8 MiB", FIO_EACH, 0.95),
    Goal("PUT 8 MiB", FIO_SHARED, 0.95),
    Goal("PUT 4 KiB", "nginx", 0.8),
    Goal(EVERY_ROW, "seaweedfs", 1.0, inclusive=False),
    Goal(EVERY_ROW, "rclone", 1.0, inclusive=False),
]


def goal_of(row: str, against: str) -> Goal | None:
    return next((goal for goal in GOALS if goal.row in (row, EVERY_ROW) and goal.against == against), None)
