"""The disk model and the recorder themselves; no node is needed.

    python3 -m unittest e2e/powerloss/test_powerloss.py
"""

import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "crash"), str(HERE.parent)]

import recording
import tracefile
from disk import Change, Content, Disk, Inode
from model import BlobRecord, State
from tracefile import Event, Kind, TraceError
from workload import Entry, History

ROOT, FILE, OTHER = 1, 10, 11


class Script:
    """Feeds a disk with events."""

    def __init__(self, model="posix", honours=lambda _: True):
        self.disk = Disk(ROOT, model, honours)
        self.position = 0

    def add(self, kind, inode=0, offset=0, length=0, *names, data=b""):
        self.disk.apply(Event(self.position, kind, inode, offset, length, names, data))
        self.position += 1
        return self

    def create(self, name, inode=FILE):
        return self.add(Kind.CREATE, inode, 0, 0, name)

    def write(self, data, offset=0, inode=FILE):
        return self.add(Kind.WRITE, inode, offset, len(data), data=data)

    def sync(self, inode, whole=0):
        number = self.position
        self.add(Kind.SYNC_BEGIN, inode, number, whole)
        return self.add(Kind.SYNC_END, inode, number, whole)

    def add_sync_end(self, inode, number):
        return self.add(Kind.SYNC_END, inode, number, 0)

    def image(self, mode="drop", seed="1"):
        with tempfile.TemporaryDirectory() as directory:
            self.disk.image(Path(directory), mode, seed)
            found = {}
            for parent, _, files in os.walk(directory):
                for name in files:
                    path = Path(parent) / name
                    found[str(path.relative_to(directory))] = path.read_bytes()
            return found


class DiskTests(unittest.TestCase):
    def test_without_a_sync_nothing_lasts(self):
        self.assertEqual(Script().create("f").write(b"abc").image(), {})
        self.assertEqual(Script().create("f").write(b"abc").image("keep"), {"f": b"abc"})

    def test_a_name_needs_its_directory_and_bytes_need_their_file(self):
        self.assertEqual(Script().create("f").write(b"abc").sync(FILE, 1).image(), {})
        self.assertEqual(Script().create("f").write(b"abc").sync(ROOT).image(), {"f": b""})
        self.assertEqual(Script().create("f").write(b"abc").sync(ROOT).sync(FILE).image(), {"f": b"abc"})

    def test_ext4_commits_names_with_any_sync_that_commits(self):
        self.assertEqual(Script("ext4").create("f").write(b"abc").sync(FILE).image(), {"f": b"abc"})
        script = Script("ext4").create("f").write(b"abc").sync(FILE).create("g", OTHER)
        self.assertEqual(script.write(b"X").sync(FILE).image(), {"f": b"Xbc"})  # in place: nothing to commit

    def test_a_sync_covers_what_was_before_its_beginning(self):
        script = Script().create("f").sync(ROOT).write(b"abc")
        number = script.position
        script.add(Kind.SYNC_BEGIN, FILE, number, 0).write(b"def", 3).add_sync_end(FILE, number)
        self.assertEqual(script.image(), {"f": b"abc"})

    def test_a_rename_is_there_or_not(self):
        script = Script().create("f").write(b"new").sync(FILE).create("g", OTHER).write(b"old", 0, OTHER)
        script.sync(OTHER).sync(ROOT).add(Kind.RENAME, 0, 0, 0, "f", "g")
        for seed in range(20):
            copy = Script().create("f").write(b"new").sync(FILE).create("g", OTHER).write(b"old", 0, OTHER)
            copy.sync(OTHER).sync(ROOT).add(Kind.RENAME, 0, 0, 0, "f", "g")
            self.assertIn(copy.image("subset", str(seed)), ({"f": b"new", "g": b"old"}, {"g": b"new"}))
        self.assertEqual(script.image(), {"f": b"new", "g": b"old"})

    def test_names_of_one_directory_come_in_their_order(self):
        def images(model):
            scripts = ((Script(model).create("f").create("g", OTHER), str(seed)) for seed in range(60))
            return {tuple(sorted(script.image("subset", seed))) for script, seed in scripts}

        self.assertEqual(images("posix"), {(), ("f",), ("f", "g")})
        self.assertEqual(images("ext4"), {(), ("f",), ("f", "g")})
        self.assertEqual(images("unordered"), {(), ("f",), ("g",), ("f", "g")})

    def test_removed_files_come_back_until_the_directory_is_synced(self):
        script = Script().create("f").write(b"abc").sync(FILE).sync(ROOT).add(Kind.UNLINK, 0, 0, 0, "f")
        self.assertEqual(script.sync(FILE, 1).image(), {"f": b"abc"})
        script = Script().create("f").sync(ROOT).add(Kind.UNLINK, 0, 0, 0, "f").sync(ROOT)
        self.assertEqual(script.image(), {})

    def test_subsets_tear_in_whole_sectors_that_hold_a_beginning_of_the_changes(self):
        seen = set()
        for seed in range(300):
            script = Script().create("f").sync(ROOT).write(b"a" * 1536).write(b"b" * 512, 512)
            content = script.image("subset", str(seed))["f"]
            self.assertIn(len(content), (0, 1536))
            for at in range(0, len(content), 512):
                sector = content[at : at + 512]
                self.assertEqual(len(set(sector)), 1)
                self.assertIn(sector[:1], (b"\0", b"a", b"b") if at == 512 else (b"\0", b"a"))
            seen.add(bytes(content[at] for at in range(0, len(content), 512)))
        self.assertIn(b"\0aa", seen)  # the first sector lost, later ones kept
        self.assertIn(b"aba", seen)
        self.assertIn(b"", seen)
        self.assertIn(b"\0\0\0", seen)  # the size came, the bytes did not

    def test_a_cut_does_not_bring_later_bytes_with_it(self):
        for seed in range(100):
            script = Script().create("f").write(b"a" * 1024).sync(FILE).sync(ROOT)
            script.add(Kind.TRUNCATE, FILE, 0, 0).write(b"b" * 10)
            content = script.image("subset", str(seed))["f"]
            self.assertIn(content, (b"a" * 1024, b"", b"\0" * 10, b"b" * 10))

    def test_a_mutant_forgets(self):
        def honours(inode: Inode) -> bool:
            return inode.path != "f"

        self.assertEqual(Script(honours=honours).create("f").write(b"abc").sync(ROOT).sync(FILE).image(), {"f": b""})

    def test_what_the_trace_does_not_explain_is_refused(self):
        with self.assertRaises(TraceError):
            Script().write(b"abc")
        with self.assertRaises(TraceError):
            Script().add(Kind.UNLINK, 0, 0, 0, "f")
        with self.assertRaises(TraceError):
            Script().add(Kind.GAP, FILE, 0, 0, "mmap")


class ContentTests(unittest.TestCase):
    def test_against_plain_bytes(self):
        choice = random.Random(5)
        content, plain = Content(), bytearray()
        for position in range(2000):
            kind = choice.choice((Kind.WRITE, Kind.WRITE, Kind.TRUNCATE, Kind.PUNCH, Kind.ALLOCATE))
            offset, length = choice.randrange(300_000), choice.randrange(100_000)
            data = choice.randbytes(length) if kind is Kind.WRITE else b""
            event = Event(position, kind, FILE, offset, offset if kind is Kind.TRUNCATE else length, (), data)
            Change(event).apply(content)
            if kind is Kind.TRUNCATE:
                plain = plain[:offset].ljust(offset, b"\0")
            elif kind is Kind.PUNCH:
                end = min(offset + length, len(plain))
                plain[offset:end] = bytes(max(end - offset, 0))
            else:
                plain = plain.ljust(offset + length, b"\0")
                if kind is Kind.WRITE:
                    plain[offset : offset + length] = data
        with tempfile.TemporaryDirectory() as directory:
            content.store(f"{directory}/f")
            self.assertEqual(Path(directory, "f").read_bytes(), plain)
            self.assertIsNone(content.difference(f"{directory}/f"))
            Path(directory, "f").write_bytes(plain[:-1] + bytes([plain[-1] ^ 1]))
            self.assertIsNotNone(content.difference(f"{directory}/f"))


RECORDED = """
import os, sys
os.chdir(sys.argv[1])
os.makedirs("a/b")
f = os.open("a/b/x", os.O_RDWR | os.O_CREAT)
os.write(f, b"one"); os.pwrite(f, b"two", 8000); os.writev(f, [b"th", b"ree"]); os.fdatasync(f)
os.ftruncate(f, 9000); os.posix_fallocate(f, 0, 70000)
g = os.dup(f); os.lseek(g, 0, os.SEEK_END); os.write(g, b"end")
os.rename("a/b/x", "a/b/y")
d = os.open("a/b", os.O_RDONLY | os.O_DIRECTORY); os.fsync(d)
with open("a/z", "wb") as z: z.write(bytes(100000))
os.unlink("a/z")
os.link("a/b/y", "a/b/l")
h = os.open("a/b/l", os.O_WRONLY | os.O_APPEND); os.write(h, b"more")
"""
BYPASSED = """
import ctypes
libc = ctypes.CDLL(None)
libc.syscall(18, f, b"raw bytes", 9, 0)  # pwrite64 of x86-64, past the library
"""
MAPPED = """
import mmap
m = mmap.mmap(f, 4096); m[0] = 7
"""


class RecorderTests(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        self.work = Path(os.path.realpath(self.home.name))
        self.root = self.work / "disk"
        self.root.mkdir()
        self.library = recording.build_recorder(self.work)

    def record(self, program):
        environment = recording.recorder_environment(self.library, self.root, self.work / "trace")
        environment = {**os.environ, **environment, "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([sys.executable, "-c", program, self.root], env=environment, check=True)
        return list(tracefile.read(self.work / "trace"))

    def compare(self):
        return recording.compare_with_disk(self.root, self.root.stat().st_ino, self.work / "trace")

    def test_the_trace_rebuilds_the_disk(self):
        events = self.record(RECORDED)
        self.assertEqual(self.compare(), 2)
        kinds = [event.kind for event in events if event.kind.name.startswith("SYNC")]
        self.assertEqual(kinds, [Kind.SYNC_BEGIN, Kind.SYNC_END] * 2)

    def test_a_call_that_goes_by_the_recorder_is_noticed(self):
        self.record(RECORDED + BYPASSED)
        with self.assertRaisesRegex(TraceError, "went by the recorder"):
            self.compare()

    def test_a_shared_writable_mapping_is_noticed(self):
        self.record(RECORDED + MAPPED)
        with self.assertRaisesRegex(TraceError, "mmap"):
            self.compare()

    def test_a_torn_trace_is_refused(self):
        self.record(RECORDED)
        trace = self.work / "trace"
        trace.write_bytes(trace.read_bytes()[:-1])
        with self.assertRaises(TraceError):
            list(tracefile.read(trace))


class HistoryTests(unittest.TestCase):
    def test_states_at_a_cut(self):
        one, two = State(staged={"b": frozenset()}), State(staged={"c": frozenset()})
        history = History("n", State(), [Entry(1, 2, "first", one), Entry(3, 4, "second", two)])
        positions = {1: 10, 2: 20, 3: 30, 4: 40}
        expected = {5: [State()], 11: [State(), one], 21: [one], 31: [one, two], 40: [one, two], 41: [two]}
        for cut, allowed in expected.items():
            record = history.record_at(cut, positions)
            self.assertIsInstance(record, BlobRecord)
            self.assertEqual(record.allowed, allowed, cut)

    def test_uploads_of_one_flight_come_in_any_mixture(self):
        first, second = ("b1", "piece 1"), ("b2", "piece 2")
        history = History("n", State(), [Entry(1, 3, "", State(), first), Entry(2, 4, "", State(), second)])
        record = history.record_at(25, {1: 10, 2: 20, 3: 30, 4: 40})
        self.assertEqual(sorted(sorted(state.staged) for state in record.allowed), [[], ["b1"], ["b1", "b2"], ["b2"]])


if __name__ == "__main__":
    unittest.main()
