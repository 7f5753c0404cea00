"""The bench's own arithmetic and its load generator, against a server with known answers.

python3 -m unittest bench/test_bench.py
"""

import http.server
import json
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import report
import rows
from rows import Row, Sample


def sample(rate):
    return Sample(rate, rate * 4096, 1.0, 2.0, 10.0)


class ReportTests(unittest.TestCase):
    class Named:
        def __init__(self, name):
            self.name = name

    def test_ratios_pair_the_rounds(self):
        self.assertEqual(report.ratios([sample(50), sample(80)], [sample(100), sample(100)]), [0.5, 0.8])

    def test_a_row_below_its_bar_is_told(self):
        row = Row("GET", "get", 4096, 64, 1, "wrk", bar=0.5)
        rivals = [self.Named("forebay"), self.Named("nginx")]
        results = {row: {"forebay": [sample(40)], "nginx": [sample(100)]}}
        self.assertEqual(report.bars(results, rivals), ["GET: 0.40 of nginx, the bar is 0.5"])
        results[row]["forebay"] = [sample(60)]
        self.assertEqual(report.bars(results, rivals), [])


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
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()


class LoadTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.bench = rows.Bench(Path(cls.home.name), 1)
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        cls.server.bodies = []
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()
        cls.home.cleanup()

    def load(self, heads, body=None, cycle=False, seconds="0.3"):
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
            *(["cycle"] if cycle else []),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, json.loads(done.stdout)

    def test_downloads_are_counted_to_the_byte(self):
        status, told = self.load([b"GET /good HTTP/1.1\r\nHost: a\r\n\r\n"], cycle=True)
        self.assertEqual((status, told["bad"], told["broken"]), (0, 0, 0))
        self.assertGreater(told["requests"], 4)
        self.assertEqual(told["received"], told["requests"] * 70_000)

    def test_head_has_no_body(self):
        status, told = self.load([b"HEAD /good HTTP/1.1\r\nHost: a\r\n\r\n"], cycle=True)
        self.assertEqual((status, told["received"]), (0, 0))

    def test_refusals_are_not_counted_as_work(self):
        status, told = self.load([b"GET /bad HTTP/1.1\r\nHost: a\r\n\r\n"], cycle=True)
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


if __name__ == "__main__":
    unittest.main()
