"""A hostile input: what is sent, and what a sound node may say to it."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from collections.abc import Callable, Iterable
from xml.etree import ElementTree

import wire

CONTAINER = "box"
SEED_BLOB = "seed"
SEED_BYTES = b"forebay" * 100
# In these groups the connection is watched after the answer, for a second one that nobody asked for.
WATCHED_GROUPS = ("request line", "header", "length", "chunks", "smuggling", "sound")
QUIET_SECONDS = 0.4
ANSWER_SECONDS = 20.0
# Texts of the node's own machine: an answer that holds one leaks.
LEAKS = re.compile(rb"root:x?:0:|/usr/lib/|Fatal error|\.swift:\d+|SwiftNIO|rocksdb", re.IGNORECASE)


@dataclass
class Context:
    """Builds requests for one node. Everything is signed as the protocol asks unless a case says otherwise."""

    host: str
    port: int
    account: wire.Account
    other_account: wire.Account
    public_container: str

    def target(self, *segments: str, **query: str | int) -> str:
        return wire.target_of(self.account.name, *segments, **query)

    def blob(self, name: str = SEED_BLOB, **query: str | int) -> str:
        return self.target(CONTAINER, name, **query)

    def head(
        self,
        method: str,
        target: str,
        headers: wire.Headers = (),
        length: int | None = None,
        sign: bool = True,
        unsigned: wire.Headers = (),
        host: bool = True,
        version: str | None = wire.API_VERSION,
        date: str | None = None,
        http: str = "HTTP/1.1",
    ) -> bytes:
        """`unsigned` headers are added after the signature was made."""
        given = [("Host", f"{self.host}:{self.port}")] if host else []
        given += headers
        if length is not None:
            given.append(("Content-Length", str(length)))
        if sign:
            given = wire.signed(self.account, method, target, given, version=version, date=date)
        return wire.head_bytes(method, target, [*given, *unsigned], http)

    def request(
        self, method: str, target: str, headers: wire.Headers = (), body: bytes | None = None, **options
    ) -> bytes:
        """A whole request; a body, also an empty one, brings a Content-Length."""
        return self.head(method, target, headers, None if body is None else len(body), **options) + (body or b"")

    def call(self, method: str, target: str, headers: wire.Headers = (), body: bytes | None = None) -> wire.Answer:
        with wire.Client(self.host, self.port, self.account, timeout=30) as client:
            return client.call(method, target, headers, body)


Sending = Callable[[Context], bytes | Iterable[bytes]]
Check = Callable[[Context, list[wire.Answer]], str | None]


@dataclass(frozen=True)
class Case:
    group: str
    name: str
    send: Sending
    allow: frozenset[int]
    codes: frozenset[str] = frozenset()  # empty: any code, but there must be one
    may_close: bool = False  # closing without an answer is all that HTTP leaves
    half_close: bool = False  # the client ends its side after sending
    method: str = "GET"  # decides whether an answer has a body
    most_answers: int = 1  # more final answers than this on the connection: a part was taken for a request
    check: Check | None = None


@dataclass
class Verdict:
    got: str
    complaint: str | None
    seconds: float


def statuses(*allowed: int) -> frozenset[int]:
    return frozenset(allowed)


def codes(*allowed: str) -> frozenset[str]:
    return frozenset(allowed)


def run(case: Case, context: Context) -> Verdict:
    began = time.monotonic()
    try:
        answers, ended = converse(case, context)
        complaint = judge(case, context, answers, ended)
    except (wire.Broken, wire.Hung) as error:
        answers, ended, complaint = [], "", f"{type(error).__name__}: {error}"
    got = ", ".join(map(str, answers)) or ended or "nothing"
    return Verdict(got, complaint, time.monotonic() - began)


def converse(case: Case, context: Context) -> tuple[list[wire.Answer], str]:
    """The answers, and how the connection ended if it did."""
    data = case.send(context)
    with wire.Connection(context.host, context.port, timeout=ANSWER_SECONDS) as connection:
        try:
            for chunk in [data] if isinstance(data, bytes) else data:
                connection.send(chunk)
            if case.half_close:
                connection.socket.shutdown(socket.SHUT_WR)
        except wire.Broken:
            pass  # refused before everything was sent: the answer may still be there
        except OSError:
            pass
        answers: list[wire.Answer] = []
        while True:
            try:
                answers.append(connection.read(case.method))
            except wire.Broken as end:
                return answers, f"closed ({end})" if not answers else ""
            except wire.Hung:
                if answers:
                    return answers, ""
                raise wire.Hung(f"no answer within {ANSWER_SECONDS:.0f} s and no close") from None
            if connection.socket is None:
                return answers, ""
            if len(answers) > case.most_answers or case.group not in WATCHED_GROUPS:
                return answers, ""
            connection.socket.settimeout(QUIET_SECONDS)


def judge(case: Case, context: Context, answers: list[wire.Answer], ended: str) -> str | None:
    if not answers:
        if not case.may_close:
            return f"no answer: {ended}"
        return case.check(context, answers) if case.check else None
    if len(answers) > case.most_answers:
        return f"{len(answers)} answers: a part of the input was taken for another request"
    first = answers[0]
    if first.status not in case.allow:
        return f"status {first.status}: {first.body[:160]!r}"
    return unclear(case, first) or (case.check(context, answers) if case.check else None)


def unclear(case: Case, answer: wire.Answer) -> str | None:
    """Why an error answer is not a clear one: id, code and XML body must be there and agree."""
    if leak := LEAKS.search(answer.body):
        return f"the answer tells too much: {leak[0]!r}"
    if answer.status < 400:
        return None
    if not answer.get("x-ms-request-id"):
        return "an error without x-ms-request-id"
    if not answer.code:
        return "an error without x-ms-error-code"
    if case.codes and answer.code not in case.codes:
        return f"code {answer.code}"
    if case.method == "HEAD":
        return None
    try:
        told = ElementTree.fromstring(answer.body.removeprefix(b"\xef\xbb\xbf")).findtext("Code")
    except ElementTree.ParseError as error:
        return f"an error body that is not XML: {error}: {answer.body[:80]!r}"
    return None if told == answer.code else f"body says {told}, header says {answer.code}"


def absent(*segments: str, **query: str) -> Check:
    """After the case, nothing may be there."""

    def check(context: Context, _: list[wire.Answer]) -> str | None:
        answer = context.call("GET", context.target(*segments, **query))
        return None if answer.status == 404 else f"left something behind: GET /{'/'.join(segments)} says {answer}"

    return check
