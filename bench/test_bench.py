"""The bench's own arithmetic and its load generator, against a server with known answers.

python3 -m unittest bench/test_bench.py
"""

import base64
import http.server
import json
import subprocess
import sys
import tempfile
import threading
import unittest
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import chart
import goals
import growth
import report
import rows
import scale
import wire
from rows import Row, Sample


def sample(rate):
    return Sample(rate, rate * 4096, 1.0, 2.0, 10.0)


class Named:
    def __init__(self, name):
        self.name, self.note = name, "a note"


class ReportTests(unittest.TestCase):
    row = Row("GET 4 KiB", "get", 4096, 64, 1, "wrk")

    def results(self, ours, nginx):
        return {self.row: {"forebay": [sample(r) for r in ours], "nginx": [sample(r) for r in nginx]}}

    def test_ratios_pair_the_rounds(self):
        self.assertEqual(report.ratios([sample(50), sample(80)], [sample(100), sample(100)]), [0.5, 0.8])

    def test_a_ratio_is_the_median_with_least_and_most(self):
        (found,) = report.comparisons(self.results([10, 90, 50], [100, 100, 100]), {})
        self.assertEqual((found.median, found.least, found.most), (0.5, 0.1, 0.9))

    def test_a_missed_goal_is_told(self):
        found = report.comparisons(self.results([59], [100]), {})
        self.assertEqual(report.missed(found), ["GET 4 KiB: 0.59 of nginx, the goal is ≥ 0.6"])
        self.assertIn("| **missed** |", report.goals(found))
        found = report.comparisons(self.results([60], [100]), {})
        self.assertEqual(report.missed(found), [])
        self.assertIn("| met |", report.goals(found))

    def test_limits_are_held_against_bytes(self):
        row = Row("PUT 8 MiB", "block", 8192, 16, 1, "load")
        found = report.comparisons({row: {"forebay": [sample(10)]}}, {row: {goals.FIO_EACH: [10 * 4096 * 2.0]}})
        self.assertEqual([(each.against, each.median) for each in found], [(goals.FIO_EACH, 0.5)])
        self.assertEqual(len(report.missed(found)), 1)

    def test_a_rival_that_cannot_is_a_dash(self):
        rivals = [Named("forebay"), Named("rclone")]
        results = {self.row: {"forebay": [sample(60)], "rclone": []}}
        text = report.markdown(results, {}, rivals, {"forebay": "1", "rclone": "2"}, [], ["rclone cannot"], 1, 1, "x")
        self.assertIn("| – | – |", text)
        self.assertIn("– rclone cannot", text)
        self.assertEqual(report.comparisons(results, {}), [])


class GoalTests(unittest.TestCase):
    def test_every_row_has_its_goals(self):
        names = {row.name for row in rows.ROWS}
        for goal in goals.GOALS:
            self.assertIn(goal.row, names | {goals.EVERY_ROW})
        for name in names:
            self.assertEqual(goals.goal_of(name, "seaweedfs").ratio, 1.0)
            self.assertEqual(goals.goal_of(name, "rclone").ratio, 1.0)

    def test_faster_means_more_than_as_fast(self):
        self.assertFalse(goals.goal_of("GET 4 KiB", "rclone").met(1.0))
        self.assertTrue(goals.goal_of("GET 4 KiB", "rclone").met(1.01))
        self.assertTrue(goals.goal_of("GET 4 KiB", "nginx").met(0.6))

    def test_a_figure_has_a_bound_from_above_or_below(self):
        self.assertTrue(growth.Figure("", "", 3, "s", 3, most=True).met)
        self.assertFalse(growth.Figure("", "", 3.1, "s", 3, most=True).met)
        self.assertFalse(growth.Figure("", "", 4999, "", 5000).met)
        self.assertTrue(growth.Figure("", "", 0).met)


class ScaleTests(unittest.TestCase):
    def test_a_missed_figure_shows_in_the_report(self):
        figures = [growth.Figure("list", "rate", 150_000, "names/s", 200_000), growth.Figure("list", "cpu", 5.2, "µs")]
        found = growth.Scale(None, Path(), None, None, figures, ["a note"])
        text = scale.markdown(found, "forebay 1", "the command", with_chart=False)
        self.assertIn("| list | rate | 150,000 names/s | ≥ 200,000 names/s | **missed** |", text)
        self.assertIn("| list | cpu | 5.20 µs | – | – |", text)
        self.assertIn("a note", text)


class ChartTests(unittest.TestCase):
    def marks(self, text, name):
        tree = xml.etree.ElementTree.fromstring(text)
        return [line for line in tree.iter("{http://www.w3.org/2000/svg}line") if line.get("class") == name]

    def test_ratio_bars_are_well_formed_and_mark_the_goal(self):
        bars = [chart.Bar("nginx", 0.5, 0.4, 0.6, goal=0.6), chart.Bar("a & <b>", 40, 30, 50)]
        text = chart.ratio_bars("t", "n", [("GET", bars), ("PUT", bars[:1])])
        self.assertEqual(len(self.marks(text, "goal")), 2 + 1)  # and the key's
        self.assertEqual(len(self.marks(text, "whisker")), 3 + 1)

    def test_a_bar_grows_away_from_one(self):
        text = chart.ratio_bars("t", "n", [("GET", [chart.Bar("x", 0.5, 0.5, 0.5), chart.Bar("y", 4, 4, 4)])])
        (axis,) = self.marks(text, "axis")
        tree = xml.etree.ElementTree.fromstring(text)
        bars = [r for r in tree.iter("{http://www.w3.org/2000/svg}rect") if len(r)]
        ends = [(float(r.get("x")), float(r.get("x")) + float(r.get("width"))) for r in bars]
        self.assertAlmostEqual(ends[0][1], float(axis.get("x1")), delta=0.11)
        self.assertAlmostEqual(ends[1][0], float(axis.get("x1")), delta=0.11)

    def test_panels_are_well_formed(self):
        shapes = ([], [(0, 0)], [(1, 5)], [(1, 0.01), (2, 5000)])
        charts = [
            chart.Panel("p", {"a": points}, limit, log) for points in shapes for limit in (None, 7) for log in (0, 1)
        ]
        tree = xml.etree.ElementTree.fromstring(chart.panels("t", "n", "x", charts))
        self.assertEqual(len(list(tree.iter("{http://www.w3.org/2000/svg}polyline"))), len(charts))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        status, body = (200, b"b" * 70_000) if self.path == "/good" else (404, b"no")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.server.requests.append((self.path, self.headers.get("Authorization")))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()


class LoadTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.bench = rows.Bench(Path(cls.home.name), 1)
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        cls.server.bodies, cls.server.requests = [], []
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()
        cls.home.cleanup()

    def load(self, heads, body=None, mode="", seconds="0.3"):
        table, file = Path(self.home.name) / "table", "-"
        table.write_bytes(b"".join(b"%d\n%b" % (len(head), head) for head in heads))
        if body is not None:
            file = Path(self.home.name) / "body"
            file.write_bytes(body)
        command = [
            self.bench.load,
            "127.0.0.1",
            str(self.server.server_port),
            "4",
            "2",
            seconds,
            table,
            file,
            *([mode] if mode else []),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, json.loads(done.stdout)

    def test_downloads_are_counted_to_the_byte(self):
        status, told = self.load([b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n"], mode="cycle")
        self.assertEqual((status, told["bad"], told["broken"]), (0, 0, 0))
        self.assertGreater(told["requests"], 4)
        self.assertEqual(told["received"], told["requests"] * 70_000)

    def test_head_has_no_body(self):
        status, told = self.load([b"HEAD /good HTTP/1.1\r\nHost: a\r\n\r\n"], mode="cycle")
        self.assertEqual((status, told["received"]), (0, 0))

    def test_refusals_are_not_counted_as_work(self):
        status, told = self.load([b"GET /bad HTTP/1.1\r\nHost: a\r\n\r\n"], mode="cycle")
        self.assertEqual(status, 1)
        self.assertEqual((told["bad"], told["first_bad"]), (told["requests"], 404))

    def test_each_upload_is_sent_once_and_whole(self):
        for size in (0, 5, 64 * 1024, 3_000_000):
            self.server.bodies.clear()
            body = bytes(n % 251 for n in range(size))
            heads = [b"PUT /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (n, size) for n in range(9)]
            status, told = self.load(heads, body or None, seconds="20")
            self.assertEqual((status, told["requests"]), (0, 9))
            self.assertEqual(self.server.bodies, [body] * 9)

    def test_a_template_is_numbered_from_zero_and_sent_once_each(self):
        self.server.requests.clear()
        head = b"PUT /d@@/@ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
        status, told = self.load([head], b"abc", mode="120", seconds="20")
        self.assertEqual((status, told["requests"]), (0, 120))
        self.assertEqual(
            sorted(path for path, _ in self.server.requests), [f"/d{n // 10:02d}/{n % 10}" for n in range(120)]
        )
        self.assertEqual(len(told["marks_s"]), 100)
        self.assertTrue(0 < told["marks_s"][0] <= told["marks_s"][-1] <= told["seconds"] + 0.001)

    def test_a_template_is_signed_for_each_number(self):
        self.server.requests.clear()
        key = bytes(range(40))
        head = b"PUT /@@ HTTP/1.1\r\nHost: a\r\nAuthorization: %b\r\nContent-Length: 1\r\n\r\n" % (b"#" * 44)
        status, _ = self.load([head, b"PUT\n/@@\n", key], b"x", mode="30", seconds="20")
        self.assertEqual(status, 0)
        account = wire.Account("a", base64.b64encode(key).decode())
        for path, told in self.server.requests:
            self.assertEqual(told, wire.signature(account, f"PUT\n{path}\n"))
        self.assertEqual(len(self.server.requests), 30)


if __name__ == "__main__":
    unittest.main()
