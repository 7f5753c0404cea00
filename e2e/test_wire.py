"""Shared Key signing against vectors that others computed (fact sheet on authentication, section 2.4), and the framing
of the raw client. Run: `python3 -m unittest e2e/test_wire.py`, or `python3 -m unittest test_wire` in e2e/."""

import os
import socket
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import wire

DATE = ("x-ms-date", "Fri, 01 Mar 2024 12:00:00 GMT")
VERSION = ("x-ms-version", "2021-08-06")
PUT_HEADERS = [
    ("Content-Length", "5"),
    ("Content-Type", "text/plain"),
    ("x-ms-blob-type", "BlockBlob"),
    ("x-ms-client-request-id", "11111111-2222-3333-4444-555555555555"),
    DATE,
    ("x-ms-meta-a", "1"),
    VERSION,
]


def sign(method, target, headers, lite=False):
    text = wire.string_to_sign(method, target, headers, wire.DEVELOPMENT.name, lite)
    return wire.signature(wire.DEVELOPMENT, text)


class SigningTests(unittest.TestCase):
    def test_put_path_style(self):
        self.assertEqual(
            sign("PUT", "/devstoreaccount1/box/dir/a%20b.txt?timeout=30", PUT_HEADERS),
            "xbIIOZfkSXQz+gk3FFu8KeIJZ1LPLNA7AG2zo5CK0xw=",
        )

    def test_put_host_style(self):
        self.assertEqual(
            sign("PUT", "/box/dir/a%20b.txt?timeout=30", PUT_HEADERS), "841W+1pw34BeIZHnS2rAA3g5+LHZPqaJgiLn63KAnQU="
        )

    def test_list_host_style(self):
        target = "/box?restype=container&comp=list&include=metadata,tags&prefix=a%20b/"
        self.assertEqual(sign("GET", target, [DATE, VERSION]), "up6tbK8fHfvYuL/ZGZh/RyN4nFe9nJzTnOOAV+OPGT4=")

    def test_lite(self):
        self.assertEqual(
            sign("GET", "/box?restype=container&comp=list", [DATE, VERSION], lite=True),
            "Js3r8ZvFAV0XaetK7AoR1uMwsm/nDqbEBsMWxv/TFXs=",
        )

    def test_zero_length_is_signed_as_empty(self):
        text = wire.string_to_sign("PUT", "/a/c", [("Content-Length", "0"), DATE], "a")
        self.assertEqual(text.split("\n")[3], "")

    def test_target_encodes_names_but_keeps_slashes(self):
        self.assertEqual(
            wire.target_of("acct", "box", "d/a b%.txt", comp="block", blockid="a+/="),
            "/acct/box/d/a%20b%25.txt?comp=block&blockid=a%2B%2F%3D",
        )


class ConnectionTests(unittest.TestCase):
    """Against a peer that sends fixed bytes."""

    def serve(self, reply, read=True):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def run():
            peer, _ = listener.accept()
            with peer:
                if read:
                    peer.recv(65536)
                peer.sendall(reply)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join)
        connection = wire.Connection("127.0.0.1", listener.getsockname()[1], timeout=5).open()
        self.addCleanup(connection.close)
        return connection

    def test_length_and_next_answer_on_one_connection(self):
        connection = self.serve(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
            b"HTTP/1.1 404 No\r\nx-ms-error-code: BlobNotFound\r\nContent-Length: 0\r\n\r\n"
        )
        first = connection.exchange("GET", b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual((first.status, first.body, first.length), (200, b"abc", 3))
        self.assertEqual(str(connection.read()), "404 BlobNotFound")

    def test_chunked(self):
        connection = self.serve(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=1\r\n0123456789\r\n0\r\n\r\n"
        )
        self.assertEqual(connection.exchange("GET", b"GET / HTTP/1.1\r\n\r\n").body, b"abc0123456789")

    def test_truncated_answer_is_broken_after_everything_was_sent(self):
        connection = self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        with self.assertRaises(wire.Broken) as caught:
            connection.exchange("GET", b"GET / HTTP/1.1\r\n\r\n")
        self.assertTrue(caught.exception.sent_all)

    def test_unsent_body_is_known_as_unsent(self):
        connection = self.serve(b"", read=False)
        body = wire.Body(1 << 30, lambda: iter([b"x" * (1 << 20)] * 1024))
        with self.assertRaises(wire.Broken) as caught:
            connection.exchange("PUT", b"PUT / HTTP/1.1\r\n\r\n", body)
        self.assertFalse(caught.exception.sent_all)

    def test_early_answer_is_read_though_the_body_was_refused(self):
        connection = self.serve(b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n")
        body = wire.Body(1 << 30, lambda: iter([b"x" * (1 << 20)] * 1024))
        self.assertEqual(connection.exchange("PUT", b"PUT / HTTP/1.1\r\n\r\n", body).status, 413)


if __name__ == "__main__":
    unittest.main()
