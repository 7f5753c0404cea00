"""The rule that decides, and the counting library under a program whose allocations are known.

python3 -m unittest e2e/allocations/test_allocations.py
"""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import allocations
import counted
from counted import KINDS, MIB

KNOWN = """
#include <stdlib.h>
#include <stdint.h>
int main(void) {
    volatile uintptr_t sum = 0;
    for (int n = 0; n < 1000; n++) {
        void *a = malloc(10), *b = calloc(3, 7), *c = realloc(a, 4000), *d = aligned_alloc(64, 128), *e = NULL;
        sum += (uintptr_t)b | (uintptr_t)c | (uintptr_t)d | (uintptr_t)posix_memalign(&e, 4096, 4096);
        if ((uintptr_t)e % 4096 || (uintptr_t)d % 64) return 1;
        free(b), free(c), free(d), free(e);
    }
    return 0;
}
"""


class VerdictTests(unittest.TestCase):
    head = next(kind for kind in KINDS if kind.name == "HEAD")
    block = next(kind for kind in KINDS if len(kind.body) == 8 * MIB)

    def test_more_than_the_slack_is_red(self):
        self.assertFalse(allocations.verdict(self.head, 21.1, 20)[0])
        self.assertTrue(allocations.verdict(self.head, 21.0, 20)[0])
        self.assertFalse(allocations.verdict(self.head, 207, 200)[0])
        self.assertTrue(allocations.verdict(self.head, 206, 200)[0])

    def test_a_large_body_has_more_slack(self):
        self.assertTrue(allocations.verdict(self.block, 599, 400)[0])
        self.assertFalse(allocations.verdict(self.block, 601, 400)[0])

    def test_a_loose_threshold_is_told(self):
        self.assertIn("--update", allocations.verdict(self.head, 30, 40)[1])
        self.assertNotIn("--update", allocations.verdict(self.head, 39.5, 40)[1])

    def test_no_threshold_is_red(self):
        self.assertFalse(allocations.verdict(self.head, 1, None)[0])


class CountTests(unittest.TestCase):
    def test_every_way_to_allocate_counts_once(self):
        with tempfile.TemporaryDirectory() as home:
            source, program, library, board = (Path(home) / name for name in ("a.c", "a", "count.so", "board"))
            source.write_text(KNOWN)
            compiler = os.environ.get("CC", "cc")
            subprocess.run([compiler, "-O0", "-fno-builtin", "-o", program, source], check=True)
            command = [compiler, "-O2", "-shared", "-fPIC", "-fno-builtin", "-o", library, HERE / "count.c"]
            subprocess.run(command, check=True)
            board.write_bytes(bytes(counted.BOARD_BYTES))
            environment = {**os.environ, "LD_PRELOAD": str(library), "ALLOCATION_COUNTS": str(board)}
            subprocess.run([program], check=True, env=environment)
            calls, size, *_ = counted.HEADER.unpack_from(board.read_bytes())
        self.assertEqual((calls, size), (5000, 1000 * (10 + 21 + 4000 + 128 + 4096)))


if __name__ == "__main__":
    unittest.main()
