"""A raw HTTP/1.1 client with Shared Key signing, for tests that must see every byte.

Standard library only. The client libraries hide what these tests look at: whether all of a body was handed to the
kernel before the node died, how many answers came on one connection, which octets a request line was made of.

Source of the signing rules: Shared Key string-to-sign, 2009-09-19 and later.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import hmac
import random
import select
import socket
import subprocess
import time
import urllib.parse
from dataclasses import dataclass, field
from collections.abc import Callable, Iterable, Sequence

import node as nodes

API_VERSION = "2023-11-03"
READ_CHUNK_BYTES = 256 * 1024
MAX_HEAD_BYTES = 256 * 1024

Headers = Sequence[tuple[str, str]]
Sink = Callable[[memoryview], None]


@dataclass(frozen=True)
class Account:
    name: str
    key: str

    @property
    def key_bytes(self) -> bytes:
        return base64.b64decode(self.key)


# The emulator's account: public, the same in every installation.
DEVELOPMENT = Account(
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)
# An account for tests that run the node as in production, with FOREBAY_ACCOUNTS.
TESTING = Account("forebaytest", base64.b64encode(hashlib.sha512(b"forebay test account").digest()).decode())


class Broken(Exception):
    """The connection ended before a whole answer came.

    `sent_all` says whether the whole request had been handed to the kernel: if not, the node cannot have applied it.
    """

    def __init__(self, reason: str, sent_all: bool):
        super().__init__(reason)
        self.sent_all = sent_all


class Hung(Exception):
    """No answer within the time limit, on a connection that stayed open."""


# --- Signing -------------------------------------------------------------------------------------------------------


def http_date(at: float | None = None) -> str:
    return email.utils.formatdate(at, usegmt=True)


def canonicalized_headers(headers: Headers) -> str:
    values: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower().startswith("x-ms-"):
            values.setdefault(name.lower(), []).append(" ".join(value.split()))
    return "".join(f"{name}:{','.join(values[name])}\n" for name in sorted(values))


def canonicalized_resource(account: str, target: str, lite: bool = False) -> str:
    path, _, query = target.partition("?")
    resource = "/" + account + (path or "/")
    parameters: dict[str, list[str]] = {}
    for pair in query.split("&") if query else []:
        name, _, value = pair.partition("=")
        parameters.setdefault(urllib.parse.unquote(name).lower(), []).append(urllib.parse.unquote(value))
    if lite:
        return resource + (f"?comp={parameters['comp'][0]}" if "comp" in parameters else "")
    return resource + "".join(f"\n{name}:{','.join(sorted(parameters[name]))}" for name in sorted(parameters))


def string_to_sign(method: str, target: str, headers: Headers, account: str, lite: bool = False) -> str:
    """`target` is the path and query exactly as on the request line."""
    first = {}
    for name, value in headers:
        first.setdefault(name.lower(), value.strip())
    length = first.get("content-length", "")
    date = "" if "x-ms-date" in first else first.get("date", "")
    tail = canonicalized_headers(headers) + canonicalized_resource(account, target, lite)
    if lite:
        return "\n".join([method, first.get("content-md5", ""), first.get("content-type", ""), date, tail])
    names = (
        "content-md5",
        "content-type",
        None,
        "if-modified-since",
        "if-match",
        "if-none-match",
        "if-unmodified-since",
        "range",
    )
    lines = [
        method,
        first.get("content-encoding", ""),
        first.get("content-language", ""),
        "" if length == "0" else length,
    ]
    lines += [date if name is None else first.get(name, "") for name in names]
    return "\n".join(lines + [tail])


def signature(account: Account, text: str) -> str:
    return base64.b64encode(hmac.digest(account.key_bytes, text.encode("utf-8", "surrogateescape"), "sha256")).decode()


def signed(
    account: Account,
    method: str,
    target: str,
    headers: Headers = (),
    lite: bool = False,
    version: str | None = API_VERSION,
    date: str | None = None,
) -> list[tuple[str, str]]:
    """The given headers plus x-ms-date, x-ms-version and Authorization."""
    result = list(headers)
    present = {name.lower() for name, _ in headers}
    if "x-ms-date" not in present:
        result.append(("x-ms-date", date or http_date()))
    if version is not None and "x-ms-version" not in present:
        result.append(("x-ms-version", version))
    text = string_to_sign(method, target, result, account.name, lite)
    scheme = "SharedKeyLite" if lite else "SharedKey"
    result.append(("Authorization", f"{scheme} {account.name}:{signature(account, text)}"))
    return result


def target_of(account: str, *segments: str, **query: str | int) -> str:
    """A path-style request target; segments and values are percent-encoded, `/` in a blob name stays."""
    path = "/" + "/".join([account, *(urllib.parse.quote(segment, safe="/~") for segment in segments)])
    pairs = [f"{name}={urllib.parse.quote(str(value), safe='')}" for name, value in query.items()]
    return path + ("?" + "&".join(pairs) if pairs else "")


def head_bytes(method: str, target: str, headers: Headers, version: str = "HTTP/1.1") -> bytes:
    lines = [f"{method} {target} {version}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


# --- Connection ----------------------------------------------------------------------------------------------------


@dataclass
class Answer:
    status: int
    reason: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    length: int = 0

    def get(self, name: str, default: str | None = None) -> str | None:
        name = name.lower()
        return next((value for key, value in self.headers if key.lower() == name), default)

    @property
    def code(self) -> str | None:
        return self.get("x-ms-error-code")

    def metadata(self) -> dict[str, str]:
        return {k.lower()[10:]: v for k, v in self.headers if k.lower().startswith("x-ms-meta-")}

    def __str__(self) -> str:
        return f"{self.status} {self.code or ''}".strip()


@dataclass
class Body:
    """A body of known length that is made while it is sent."""

    length: int
    chunks: Callable[[], Iterable[bytes | memoryview]]


class Connection:
    """One socket. Requests are written as given: nothing is added, checked or encoded."""

    def __init__(self, host: str, port: int, timeout: float = 60.0):
        self.host, self.port, self.timeout = host, port, timeout
        self.socket: socket.socket | None = None
        self.pending = bytearray()

    def open(self) -> Connection:
        try:
            self.socket = socket.create_connection((self.host, self.port), self.timeout)
        except OSError as error:
            raise Broken(f"connect: {error}", sent_all=False) from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending.clear()
        return self

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    def __enter__(self) -> Connection:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def closed_by_peer(self) -> bool:
        """True if the peer has closed this idle connection."""
        if self.socket is None:
            return True
        readable, _, _ = select.select([self.socket], [], [], 0)
        if not readable:
            return False
        try:
            return self.socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def send(self, data: bytes | memoryview) -> None:
        """Raises Broken if the peer is gone, Hung if it takes nothing for the time limit."""
        assert self.socket is not None
        try:
            self.socket.sendall(data)
        except TimeoutError as error:
            raise Hung("the peer takes no bytes") from error
        except OSError as error:
            raise Broken(f"send: {error}", sent_all=False) from error

    def receive(self) -> bytes:
        """Some bytes, or nothing at the end of the stream."""
        assert self.socket is not None
        try:
            return self.socket.recv(READ_CHUNK_BYTES)
        except TimeoutError as error:
            raise Hung("no bytes within the time limit") from error
        except OSError as error:
            raise Broken(f"receive: {error}", sent_all=True) from error

    def fill(self) -> None:
        chunk = self.receive()
        if not chunk:
            raise Broken("closed before the answer was whole", sent_all=True)
        self.pending += chunk

    def line(self) -> bytes:
        while (at := self.pending.find(b"\r\n")) < 0:
            self.fill()
        found = bytes(self.pending[:at])
        del self.pending[: at + 2]
        return found

    def exactly(self, count: int, sink: Sink) -> None:
        while count:
            if not self.pending:
                self.fill()
            with memoryview(self.pending) as view:
                part = min(count, len(view))
                sink(view[:part])
            del self.pending[:part]
            count -= part

    def read_head(self) -> Answer:
        while (at := self.pending.find(b"\r\n\r\n")) < 0:
            if len(self.pending) > MAX_HEAD_BYTES:
                raise Broken("answer head without end", sent_all=True)
            self.fill()
        lines = bytes(self.pending[:at]).decode("latin-1").split("\r\n")
        del self.pending[: at + 4]
        parts = lines[0].split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdigit():
            raise Broken(f"not an HTTP/1.x status line: {lines[0][:80]!r}", sent_all=True)
        answer = Answer(int(parts[1]), parts[2] if len(parts) > 2 else "")
        for line in lines[1:]:
            name, _, value = line.partition(":")
            answer.headers.append((name, value.strip()))
        return answer

    def read(self, method: str = "GET", sink: Sink | None = None) -> Answer:
        """The next final answer. `sink` receives the body of a 2xx in pieces instead of `answer.body`."""
        answer = self.read_head()
        while 100 <= answer.status < 200:
            answer = self.read_head()
        collected = bytearray()
        target: Sink = sink if sink is not None and answer.status < 300 else collected.extend

        def count(part: memoryview) -> None:
            answer.length += len(part)
            target(part)

        if method != "HEAD" and answer.status not in (204, 304):
            self.read_body(answer, count)
        answer.body = bytes(collected)
        if (answer.get("connection") or "").lower() == "close":
            self.close()
        return answer

    def read_body(self, answer: Answer, sink: Sink) -> None:
        if (answer.get("transfer-encoding") or "").lower() == "chunked":
            while size := int(self.line().split(b";")[0], 16):
                self.exactly(size, sink)
                self.line()
            while self.line():
                pass
        elif (length := answer.get("content-length")) is not None:
            self.exactly(int(length), sink)
        else:
            raise Broken(f"answer {answer.status} has neither a length nor chunks", sent_all=True)

    def write(self, head: bytes, body: bytes | Body | None = None) -> None:
        """Writes a request; small bodies travel with the head in one segment."""
        if isinstance(body, Body):
            self.send(head)
            for chunk in body.chunks():
                self.send(chunk)
        elif body is not None and len(body) > 64 * 1024:
            self.send(head)
            self.send(body)
        else:
            self.send(head + (body or b""))

    def exchange(self, method: str, head: bytes, body: bytes | Body | None = None, sink: Sink | None = None) -> Answer:
        """Sends a request and reads its answer, also when the node answers before it has read the whole body."""
        try:
            self.write(head, body)
        except Broken as early:
            try:
                answer = self.read(method, sink)
            except (Broken, Hung):
                raise early from None
            self.close()
            return answer
        return self.read(method, sink)


# --- Client --------------------------------------------------------------------------------------------------------


class Client:
    """Signed calls on one keep-alive connection. Not for sharing between threads."""

    def __init__(
        self, host: str, port: int, account: Account = TESTING, timeout: float = 60.0, version: str = API_VERSION
    ):
        self.connection = Connection(host, port, timeout)
        self.account, self.version = account, version

    def target(self, *segments: str, **query: str | int) -> str:
        return target_of(self.account.name, *segments, **query)

    def head(self, method: str, target: str, headers: Headers = (), length: int | None = None) -> bytes:
        given = [("Host", f"{self.connection.host}:{self.connection.port}"), *headers]
        if length is not None:
            given.append(("Content-Length", str(length)))
        return head_bytes(method, target, signed(self.account, method, target, given, version=self.version))

    def prepare(self) -> Connection:
        if self.connection.closed_by_peer():
            self.connection.close()
            self.connection.open()
        return self.connection

    def call(
        self,
        method: str,
        target: str,
        headers: Headers = (),
        body: bytes | Body | None = None,
        sink: Sink | None = None,
    ) -> Answer:
        """Raises Broken or Hung when there is no whole answer; any status is an answer."""
        length = body.length if isinstance(body, Body) else len(body or b"")
        has_length = body is not None or method in ("PUT", "POST")
        try:
            self.prepare()
            head = self.head(method, target, headers, length if has_length else None)
            return self.connection.exchange(method, head, body, sink)
        except (Broken, Hung):
            self.connection.close()
            raise

    def start(self, method: str, target: str, headers: Headers, body: bytes | Body) -> None:
        """Sends a request without waiting for the answer; `finish` reads it."""
        self.prepare()
        length = body.length if isinstance(body, Body) else len(body)
        self.connection.write(self.head(method, target, headers, length), body)

    def finish(self, method: str = "PUT") -> Answer:
        return self.connection.read(method)

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def wait_until(condition: Callable[[], bool], seconds: float, step: float = 0.05) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


# --- Node ----------------------------------------------------------------------------------------------------------


def free_port() -> int:
    """A port below the range that the kernel gives to outgoing connections: while the node is down, no client's own
    socket can take its port (and be connected to itself)."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def production_node(*options: str) -> nodes.Node:
    """A node, not started, with the TESTING account and fixed ports, as in production: no `--dev`."""
    return nodes.Node(
        dev=False,
        accounts={TESTING.name: [TESTING.key]},
        listen=f"127.0.0.1:{free_port()}",
        admin=f"127.0.0.1:{free_port()}",
        options=options,
    )


def admin_get(node: nodes.Node, path: str) -> tuple[int, str]:
    """Status and text of a page of the admin port; (0, reason) if there is no answer."""
    host, _, port = node.admin_url.removeprefix("http://").partition(":")
    try:
        with Connection(host, int(port), timeout=10) as connection:
            fields = [("Host", f"{host}:{port}"), ("Connection", "close")]
            if not path.startswith("/healthz/"):
                fields.append(("Authorization", f"Bearer {node.admin_token}"))
            head = head_bytes("GET", path, fields)
            answer = connection.exchange("GET", head)
            return answer.status, answer.body.decode("utf-8", "replace")
    except (Broken, Hung) as error:
        return 0, str(error)


def metrics(node: nodes.Node) -> dict[str, float]:
    """The samples of /metrics by name and labels, empty if there are none."""
    status, text = admin_get(node, "/metrics")
    samples: dict[str, float] = {}
    for line in text.splitlines() if status == 200 else []:
        name, _, value = line.rpartition(" ")
        if name and not line.startswith("#"):
            try:
                samples[name] = float(value)
            except ValueError:
                continue
    return samples


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100  # USER_HZ is 100 in Linux's interface


def fsck(data: str, timeout: float = 600) -> tuple[int, str]:
    """Exit status and output of `forebay fsck` on a store whose node is down."""
    done = subprocess.run(
        [str(nodes.binary()), "fsck", "--data", data], capture_output=True, text=True, timeout=timeout, check=False
    )
    return done.returncode, (done.stdout + done.stderr).strip()
