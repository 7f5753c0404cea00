"""The crash checker must be able to turn red: run against the stand-in, sound and with each of its faults.

python3 -m unittest e2e/crash/test_checker.py
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import standin

# What the report of each fault must speak of: red for the right reason.
SIGNS = {
    "lose": "read back",
    "half": "bytes|Content-Length|while written|read after write",
    "abort": "while written|read back|read after write|got",
    "staged": "VIOLATION",
    "lease": "lease",
    "etag": "was that of an earlier version|ETag",
    "undead": "blobs differ",
    "tags": "tags",
    "list": "listing and reads disagree|read back|blobs differ|got",
    "extent": "zeroes",
    "fsck": "fsck ended with 1",
}


def run(fault, cycles, seed=7):
    environment = {**os.environ, "FOREBAY_BIN": os.path.join(HERE, "standin.py"), "STANDIN_FAULT": fault}
    environment.pop("FOREBAY_E2E_KEEP", None)
    command = [
        sys.executable,
        os.path.join(HERE, "crash.py"),
        "--cycles",
        str(cycles),
        "--seed",
        str(seed),
        "--processes",
        "2",
        "--longest",
        "1.2",
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    for kept in re.findall(r"^kept (\S+)$", done.stdout, re.MULTILINE):
        shutil.rmtree(kept, ignore_errors=True)
    return done.returncode, done.stdout + done.stderr


class CheckerTests(unittest.TestCase):
    def test_sound_store_is_green(self):
        status, output = run("", 3)
        self.assertEqual(status, 0, output[-4000:])

    def test_every_fault_has_a_sign(self):
        self.assertEqual(set(SIGNS), set(standin.FAULTS))


def fault_test(fault):
    def test(self):
        status, output = run(fault, 5)
        self.assertEqual(status, 1, f"not seen: {standin.FAULTS[fault]}\n{output[-2000:]}")
        self.assertRegex(output, SIGNS[fault])
        self.assertIn("repeat: python3 e2e/crash/crash.py --cycles 5 --seed 7", output)
        self.assertNotIn("FAULT OF THE TEST", output)

    return test


for name in standin.FAULTS:
    setattr(CheckerTests, f"test_fault_{name}_is_seen", fault_test(name))

if __name__ == "__main__":
    unittest.main()
