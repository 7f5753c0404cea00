"""Request lines, header lines, message framing, smuggling: what is refused before any protocol is asked."""

from __future__ import annotations

from collections.abc import Iterator

import wire
from case import CONTAINER, SEED_BLOB, SEED_BYTES, Case, Context, absent, codes, statuses

BAD = statuses(400)
TOO_LARGE = statuses(400, 413, 414, 431)
PUT_HEADERS = [("x-ms-blob-type", "BlockBlob")]


def line(name: str, text: bytes, allow=BAD, **options) -> Case:
    """Raw bytes in place of the request line; a valid Host follows."""
    return Case(
        "request line", name, lambda c: text + f"\r\nHost: {c.host}:{c.port}\r\n\r\n".encode(), allow, **options
    )


def request_lines() -> list[Case]:
    return [
        line("no target", b"GET HTTP/1.1"),
        line("no version (HTTP/0.9)", b"GET /", statuses(400, 505), may_close=True),
        Case(
            "request line",
            "HTTP/0.9 alone",
            lambda c: b"GET /\r\n",
            statuses(400, 505),
            may_close=True,
            half_close=True,
        ),
        line("only spaces", b"     "),
        line("two spaces", b"GET  / HTTP/1.1", statuses(400, 401, 403, 404)),
        line("tab for space", b"GET\t/\tHTTP/1.1"),
        line("words after the version", b"GET / HTTP/1.1 extra"),
        line("version 9.9", b"GET / HTTP/9.9", statuses(400, 505)),
        line("version 2.0", b"GET / HTTP/2.0", statuses(400, 505)),
        line("version in lower case", b"GET / http/1.1"),
        line("version without digits", b"GET / HTTP/x.y"),
        line("target without a slash", b"GET box/seed HTTP/1.1"),
        line("target with a fragment", b"GET /box#part HTTP/1.1", statuses(400, 401, 403, 404)),
        line("NUL in the target", b"GET /bo\0x HTTP/1.1"),
        line("control byte in the target", b"GET /bo\x01x HTTP/1.1"),
        line("DEL in the target", b"GET /bo\x7fx HTTP/1.1"),
        line("carriage return in the target", b"GET /bo\rx HTTP/1.1"),
        line("invalid UTF-8 in the target", b"GET /bo\xff\xfex HTTP/1.1"),
        line("method with a slash", b"GE/T / HTTP/1.1"),
        line("method with a control byte", b"G\x02T / HTTP/1.1"),
        line("method of 10,000 letters", b"G" * 10_000 + b" / HTTP/1.1", statuses(400, 405, 414, 431, 501)),
        line("CONNECT to another host", b"CONNECT example.test:443 HTTP/1.1", statuses(400, 403, 405, 501)),
        line(
            "absolute target on another host",
            b"GET http://example.test/box/seed HTTP/1.1",
            statuses(400, 401, 403, 404),
        ),
        line("absolute target with an unknown scheme", b"GET ftp://example.test/ HTTP/1.1", statuses(400, 403, 404)),
        line("target of 1 MiB", b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1", TOO_LARGE),
        line("target of 64 KiB of percent signs", b"GET /" + b"%" * 65536 + b" HTTP/1.1", TOO_LARGE),
        Case(
            "request line",
            "HTTP/2 preface",
            lambda c: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
            statuses(400, 405, 501, 505),
            may_close=True,
        ),
        Case(
            "request line",
            "TLS hello",
            lambda c: bytes.fromhex("16030100c8010000c40303") + bytes(200),
            BAD,
            may_close=True,
        ),
        Case(
            "request line",
            "random bytes",
            lambda c: bytes((i * 37 + 11) % 256 for i in range(4096)),
            BAD,
            may_close=True,
        ),
        Case("request line", "64 KiB of NUL", lambda c: bytes(65536), BAD, may_close=True),
        Case("request line", "many empty lines", lambda c: b"\r\n" * 100_000, BAD, may_close=True),
        Case(
            "request line",
            "bare line feeds",
            lambda c: f"GET /{c.account.name} HTTP/1.1\nHost: {c.host}\n\n".encode(),
            statuses(400, 401, 403, 404),
        ),
        Case("request line", "SSH banner", lambda c: b"SSH-2.0-OpenSSH_9.0\r\n", statuses(400, 408), may_close=True),
    ]


def header(name: str, raw: bytes, allow=BAD, **options) -> Case:
    """A good signed GET with a raw header line added."""
    return Case("header", name, lambda c: c.head("GET", c.blob())[:-2] + raw + b"\r\n\r\n", allow, **options)


def endless_headers(count: int):
    def send(context: Context) -> Iterator[bytes]:
        yield context.head("GET", context.blob())[:-2]
        for start in range(0, count, 1000):
            yield b"".join(b"x-h-%d: v\r\n" % n for n in range(start, start + 1000))
        yield b"\r\n"

    return send


def endless_value(length: int):
    def send(context: Context) -> Iterator[bytes]:
        yield context.head("GET", context.blob())[:-2] + b"x-long: "
        for _ in range(length // 65536):
            yield b"v" * 65536
        yield b"\r\n\r\n"

    return send


def host_case(name: str, *hosts: str, allow=BAD, http: str = "HTTP/1.1") -> Case:
    headers = [("Host", host) for host in hosts]
    return Case("header", name, lambda c: c.head("GET", c.blob(), headers, host=False, http=http), allow)


def headers() -> list[Case]:
    large = statuses(400, 413, 431)
    return [
        header("no colon", b"nonsense"),
        header("empty name", b": value"),
        header("space before the colon", b"x-a : 1"),
        header("space in the name", b"x a: 1"),
        header("tab in the name", b"x\ta: 1"),
        header("control byte in the name", b"x\x01a: 1"),
        header("non-ASCII name", b"x-\xc3\xa9: 1"),
        header("NUL in the value", b"x-a: 1\x002"),
        header("carriage return in the value", b"x-a: 1\r2"),
        header("control byte in the value", b"x-a: 1\x012"),
        header("invalid UTF-8 in the value", b"x-a: \xff\xfe", statuses(200, 400)),
        header("folded line", b"x-a: 1\r\n 2", statuses(200, 400)),
        header("folded first line", b" x-a: 1", statuses(400)),
        header("line feed alone ends a header", b"x-a: 1\nx-b: 2", statuses(200, 400)),
        Case("header", "100,000 headers", endless_headers(100_000), large),
        Case("header", "header of 16 MiB", endless_value(16 << 20), large),
        Case("header", "header of 128 KiB", endless_value(128 << 10), large),
        host_case("no Host"),
        host_case("two Hosts", "a.test", "b.test"),
        host_case("Host with a space", "a b"),
        host_case("Host with a path", "a.test/evil"),
        host_case("Host empty", "", allow=statuses(200, 400, 403, 404)),
        host_case("Host of 300 labels", "a." * 300 + "test", allow=statuses(200, 400, 403, 404)),
        header("Expect of another kind", b"Expect: 200-maybe", statuses(200, 400, 417)),
        header(
            "upgrade to h2c",
            b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__",
            statuses(200, 400),
        ),
        header(
            "upgrade to WebSocket",
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            statuses(200, 400),
        ),
        header("Connection names Authorization", b"Connection: close, authorization", statuses(200, 400, 401, 403)),
    ]


def length(name: str, *values: str, allow=BAD, body: bytes = b"12345", group: str = "length", **options) -> Case:
    """A Put Blob whose Content-Length lines are as given; signed over the first of them."""

    def send(context: Context) -> bytes:
        fields = [*PUT_HEADERS, *(("Content-Length", value) for value in values)]
        return context.head("PUT", context.blob("victim"), fields) + body

    options.setdefault("check", absent(CONTAINER, "victim"))
    return Case(group, name, send, allow, method="PUT", **options)


def lengths() -> list[Case]:
    huge = statuses(400, 413)
    return [
        length("negative", "-1"),
        length("plus sign", "+5"),
        length("hexadecimal", "0x5"),
        length("with a fraction", "5.0"),
        length("words", "five"),
        length("empty", "", allow=statuses(400, 411)),
        length("list of two", "5, 6"),
        length("list of the same", "5, 5", allow=statuses(400)),
        length("two lines that differ", "5", "6"),
        length("two lines that agree", "5", "5", allow=statuses(201, 400), check=None),
        length("beyond 64 bits", "99999999999999999999999999"),
        length("largest 63-bit number", "9223372036854775807", allow=huge),
        length("largest 64-bit number", "18446744073709551615", allow=huge),
        length(
            "just over Put Blob's limit",
            str(5000 * (1 << 20) + 1),
            allow=statuses(413),
            codes=codes("RequestBodyTooLarge"),
        ),
        Case(
            "length",
            "just over Put Block's limit",
            lambda c: (
                c.head("PUT", c.blob("victim", comp="block", blockid="QUFB"), length=4000 * (1 << 20) + 1) + b"12345"
            ),
            statuses(413),
            codes("RequestBodyTooLarge"),
            method="PUT",
            check=absent(CONTAINER, "victim", comp="blocklist"),
        ),
        Case(
            "length",
            "none at all",
            lambda c: c.head("PUT", c.blob("victim"), PUT_HEADERS),
            statuses(411),
            codes("MissingContentLengthHeader"),
            method="PUT",
            check=absent(CONTAINER, "victim"),
        ),
        length("body shorter, then closed", "50", allow=statuses(400, 408), may_close=True, half_close=True),
        Case(
            "length",
            "block shorter, then closed",
            lambda c: c.head("PUT", c.blob("victim", comp="block", blockid="QUFB"), length=50) + b"12345",
            statuses(400, 408),
            may_close=True,
            half_close=True,
            method="PUT",
            check=absent(CONTAINER, "victim", comp="blocklist"),
        ),
    ]


def chunked(name: str, body: bytes, allow=BAD, encoding: str = "chunked", **options) -> Case:
    def send(context: Context) -> bytes:
        return context.head("PUT", context.blob("victim"), [*PUT_HEADERS, ("Transfer-Encoding", encoding)]) + body

    options.setdefault("check", absent(CONTAINER, "victim"))
    return Case("chunks", name, send, allow, method="PUT", **options)


def chunks() -> list[Case]:
    end = b"0\r\n\r\n"
    refused = statuses(400, 411, 501)
    return [
        chunked("size not hexadecimal", b"zz\r\nabc\r\n" + end, refused),
        chunked("size negative", b"-3\r\nabc\r\n" + end, refused),
        chunked("size with 0x", b"0x3\r\nabc\r\n" + end, refused),
        chunked("size with a space before", b" 3\r\nabc\r\n" + end, refused),
        chunked("size empty", b"\r\nabc\r\n" + end, refused),
        chunked("size beyond 64 bits", b"fffffffffffffffff\r\nabc\r\n" + end, refused),
        chunked("size of 2^63", b"8000000000000000\r\nabc\r\n" + end, statuses(400, 411, 413, 501)),
        chunked(
            "size of 2^60",
            b"1000000000000000\r\nabc\r\n",
            statuses(400, 411, 413, 501),
            half_close=True,
            may_close=True,
        ),
        chunked("no line end after the data", b"3\r\nabcd\r\n" + end, refused),
        chunked("line feed alone", b"3\nabc\n0\n\n", refused),
        chunked(
            "extension of 1 MiB", b"3;" + b"x" * (1 << 20) + b"\r\nabc\r\n" + end, statuses(400, 411, 413, 431, 501)
        ),
        chunked("NUL in an extension", b"3;\0\r\nabc\r\n" + end, refused),
        chunked(
            "trailers without end",
            b"3\r\nabc\r\n0\r\n" + b"x-t: v\r\n" * 100_000 + b"\r\n",
            statuses(400, 411, 413, 431, 501),
        ),
        chunked("a trailer that is no header", b"3\r\nabc\r\n0\r\nnonsense\r\n\r\n", refused),
        chunked("cut in the middle of a chunk", b"a\r\nabc", statuses(400, 408), half_close=True, may_close=True),
        chunked("cut before the last chunk", b"3\r\nabc\r\n", statuses(400, 408), half_close=True, may_close=True),
        chunked("coding unknown", b"3\r\nabc\r\n" + end, refused, encoding="xchunked"),
        chunked("coding identity", b"abc", refused, encoding="identity"),
        chunked("coding gzip, chunked", b"3\r\nabc\r\n" + end, refused, encoding="gzip, chunked"),
        chunked("coding chunked, gzip", b"3\r\nabc\r\n" + end, refused, encoding="chunked, gzip"),
        chunked("coding chunked twice", b"3\r\nabc\r\n" + end, refused, encoding="chunked, chunked"),
        chunked("coding after a vertical tab", b"3\r\nabc\r\n" + end, refused, encoding="\x0bchunked"),
        chunked("coding in quotes", b"3\r\nabc\r\n" + end, refused, encoding='"chunked"'),
        chunked("coding empty", b"3\r\nabc\r\n" + end, refused, encoding=""),
        Case(
            "chunks",
            "in HTTP/1.0",
            lambda c: (
                c.head("PUT", c.blob("victim"), [*PUT_HEADERS, ("Transfer-Encoding", "chunked")], http="HTTP/1.0")
                + b"3\r\nabc\r\n"
                + end
            ),
            statuses(400, 411, 501),
            method="PUT",
            check=absent(CONTAINER, "victim"),
        ),
    ]


def smuggled(name: str, make, allow=BAD, **options) -> Case:
    """`make(context, hidden)` builds an input in which a whole signed request that creates a container is hidden."""

    def send(context: Context) -> bytes:
        hidden = context.request("PUT", context.target("smuggled", restype="container"), body=b"")
        return make(context, hidden)

    options.setdefault("check", absent("smuggled", restype="container"))
    return Case("smuggling", name, send, allow, method="PUT", **options)


def smuggling() -> list[Case]:
    def put(context: Context, fields: list[tuple[str, str]], body: bytes) -> bytes:
        return context.head("PUT", context.blob("victim"), [*PUT_HEADERS, *fields]) + body

    chunked_field = ("Transfer-Encoding", "chunked")
    gone = statuses(400, 411, 501)
    return [
        smuggled(
            "length and chunks, chunks end first",
            lambda c, h: put(c, [("Content-Length", str(5 + len(h))), chunked_field], b"0\r\n\r\n" + h),
        ),
        smuggled(
            "chunks and length, other order",
            lambda c, h: put(c, [chunked_field, ("Content-Length", str(5 + len(h)))], b"0\r\n\r\n" + h),
        ),
        smuggled("length ends first", lambda c, h: put(c, [("Content-Length", "3"), chunked_field], b"5\r\n" + h)),
        smuggled(
            "two lengths, second shorter",
            lambda c, h: put(c, [("Content-Length", str(5 + len(h))), ("Content-Length", "5")], b"12345" + h),
        ),
        smuggled(
            "two lengths, first shorter",
            lambda c, h: put(c, [("Content-Length", "5"), ("Content-Length", str(5 + len(h)))], b"12345" + h),
        ),
        smuggled(
            "space before the colon of the coding",
            lambda c, h: put(
                c, [("Content-Length", str(5 + len(h))), ("Transfer-Encoding ", "chunked")], b"0\r\n\r\n" + h
            ),
        ),
        smuggled(
            "folded coding",
            lambda c, h: put(
                c, [("Content-Length", str(5 + len(h))), ("Transfer-Encoding", "\r\n chunked")], b"0\r\n\r\n" + h
            ),
        ),
        smuggled(
            "coding in two lines",
            lambda c, h: put(c, [("Transfer-Encoding", "identity"), chunked_field], b"0\r\n\r\n" + h),
            gone,
        ),
        smuggled("unknown coding", lambda c, h: put(c, [("Transfer-Encoding", "chunkedx")], b"0\r\n\r\n" + h), gone),
        smuggled(
            "chunk size that wraps around",
            lambda c, h: put(c, [chunked_field], b"10000000000000000\r\n\r\n0\r\n\r\n" + h),
            gone,
        ),
        smuggled(
            "line feed in a chunk extension",
            lambda c, h: put(c, [chunked_field], b"1;a\nb\r\nX\r\n0\r\n\r\n" + h),
            gone,
        ),
        smuggled(
            "request in an unread body, after a bad signature",
            lambda c, h: (
                c.head(
                    "PUT",
                    c.blob("victim"),
                    [*PUT_HEADERS, ("Authorization", f"SharedKey {c.account.name}:AAAA")],
                    len(h),
                    sign=False,
                )
                + h
            ),
            statuses(400, 403),
        ),
        smuggled(
            "request in an unread body, unknown method",
            lambda c, h: c.head("BREW", c.blob("victim"), length=len(h)) + h,
            statuses(400, 405, 501),
        ),
        smuggled(
            "request in the body of a GET", lambda c, h: c.head("GET", c.blob(), length=len(h)) + h, statuses(200, 400)
        ),
        smuggled(
            "request in the body of a DELETE",
            lambda c, h: c.head("DELETE", c.blob("victim"), length=len(h)) + h,
            statuses(400, 404),
        ),
        smuggled("after a malformed head", lambda c, h: b"GET / HTTP/1.1\r\nbroken\r\n\r\n" + h),
    ]


def sound_pipelines() -> list[Case]:
    """Not hostile: strictness must not cost what HTTP allows. The answers come in order and are all there."""

    def order(expected: list[int]):
        def check(_: Context, answers: list[wire.Answer]) -> str | None:
            got = [answer.status for answer in answers]
            return None if got == expected else f"answers {got} instead of {expected}"

        return check

    def seed(_: Context, answers: list[wire.Answer]) -> str | None:
        return None if answers[0].body == SEED_BYTES else "other bytes"

    return [
        Case(
            "sound",
            "three requests in one segment",
            lambda c: c.request("GET", c.blob()) + c.request("GET", c.blob("missing")) + c.request("GET", c.blob()),
            statuses(200),
            most_answers=3,
            check=order([200, 404, 200]),
        ),
        Case(
            "sound",
            "upload and read in one segment",
            lambda c: c.request("PUT", c.blob("sound"), PUT_HEADERS, b"12345") + c.request("GET", c.blob("sound")),
            statuses(201),
            most_answers=2,
            check=order([201, 200]),
        ),
        Case(
            "sound",
            "refused upload, then a read, in one segment",
            lambda c: c.request("PUT", c.blob("missing", comp="metadata"), body=b"") + c.request("GET", c.blob()),
            statuses(404),
            most_answers=2,
            check=order([404, 200]),
        ),
        Case(
            "sound",
            "chunked upload",
            lambda c: (
                c.head("PUT", c.blob("sound"), [*PUT_HEADERS, ("Transfer-Encoding", "chunked")])
                + b"3;x=y\r\nabc\r\n0\r\nx-t: v\r\n\r\n"
            ),
            statuses(201),
            method="PUT",
        ),
        Case(
            "sound",
            "absolute target on this host",
            lambda c: c.head("GET", c.blob()).replace(b"GET /", f"GET http://{c.host}:{c.port}/".encode(), 1),
            statuses(200),
            check=seed,
        ),
        Case(
            "sound",
            "empty line before the request",
            lambda c: b"\r\n" + c.head("GET", c.blob()),
            statuses(200),
            check=seed,
        ),
        Case("sound", "HTTP/1.0", lambda c: c.head("GET", c.blob(), http="HTTP/1.0"), statuses(200), check=seed),
        Case(
            "sound",
            "GET with a body",
            lambda c: c.request("GET", c.blob(), body=b"ignored") + c.request("GET", c.blob()),
            statuses(200, 400),
            most_answers=2,
        ),
        Case(
            "sound",
            "Expect: 100-continue",
            lambda c: c.request("PUT", c.blob("sound"), [*PUT_HEADERS, ("Expect", "100-continue")], b"12345"),
            statuses(201),
            method="PUT",
        ),
        Case(
            "sound",
            "one byte in each segment",
            lambda c: (bytes([b]) for b in c.request("GET", c.blob())),
            statuses(200),
            check=seed,
        ),
        Case(
            "sound",
            "OPTIONS *",
            lambda c: f"OPTIONS * HTTP/1.1\r\nHost: {c.host}\r\n\r\n".encode(),
            statuses(200, 204, 400, 403),
        ),
        Case("sound", f"HEAD of {SEED_BLOB}", lambda c: c.request("HEAD", c.blob()), statuses(200), method="HEAD"),
        Case(
            "sound",
            "HEAD of nothing",
            lambda c: c.request("HEAD", c.blob("missing")),
            statuses(404),
            codes("BlobNotFound"),
            method="HEAD",
        ),
    ]


def cases() -> list[Case]:
    return [*sound_pipelines(), *request_lines(), *headers(), *lengths(), *chunks(), *smuggling()]
