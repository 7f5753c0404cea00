"""Bodies that are well-formed HTTP and malicious XML or broken batches."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import wire
from case import CONTAINER, Case, Context, codes, statuses
from values import BAD, NOT_WRITTEN, VICTIM

PROLOG = b'<?xml version="1.0" encoding="utf-8"?>'
LAUGHS = (
    b'<!DOCTYPE l [<!ENTITY a "aaaaaaaaaaaaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, (b"&%c;" % (97 + n)) * 20) for n in range(12))
    + b"]>"
)
LOCAL_FILE = b'<!DOCTYPE l [<!ENTITY f SYSTEM "file:///etc/passwd">]>'
REMOTE = b'<!DOCTYPE l SYSTEM "http://127.0.0.1:9/evil.dtd">'
XML_CODES = codes("InvalidXmlDocument", "InvalidXmlNodeValue", "UnsupportedXmlNode", "InvalidInput")


def block_list(name: str, body: bytes, allow=BAD, allowed=XML_CODES, **options) -> Case:
    return Case(
        "block list XML",
        name,
        lambda c: c.request("PUT", c.blob(VICTIM, comp="blocklist"), [], body),
        allow,
        allowed,
        method="PUT",
        check=NOT_WRITTEN,
        **options,
    )


def bombs(group: str, root: bytes, target) -> list[Case]:
    """The same attacks on every operation that reads XML. `target(context)` is what is put to."""
    inner = {
        "billion laughs": PROLOG + LAUGHS + b"<%s>&m;</%s>" % (root, root),
        "entity of a local file": PROLOG + LOCAL_FILE + b"<%s>&f;</%s>" % (root, root),
        "remote document type": PROLOG + REMOTE + b"<%s/>" % root,
        "100,000 levels": PROLOG + b"<a>" * 100_000 + b"</a>" * 100_000,
        "100,000 levels inside the root": PROLOG
        + b"<%s>" % root
        + b"<a>" * 100_000
        + b"</a>" * 100_000
        + b"</%s>" % root,
        "100,000 levels without end": PROLOG + b"<a>" * 100_000,
        "10,000 attributes": PROLOG + b"<wrong " + b" ".join(b'a%d="1"' % n for n in range(10_000)) + b"/>",
        "end missing": PROLOG + b"<%s>" % root,
        "two roots": PROLOG + b"<%s/><%s/>" % (root, root),
        "other root": PROLOG + b"<Wrong/>",
        "not XML": b'{"json": true}',
        "nothing but blanks": b"   \n ",
        "NUL": PROLOG + b"<%s>\0</%s>" % (root, root),
        "invalid UTF-8": PROLOG + b"<%s>\xff\xfe</%s>" % (root, root),
        "claims an unknown encoding": b'<?xml version="1.0" encoding="klingon"?><Wrong/>',
        "unknown entity": PROLOG + b"<%s>&nbsp;</%s>" % (root, root),
        "character reference to NUL": PROLOG + b"<%s>&#0;</%s>" % (root, root),
    }
    # An ACL may come without a body, so one of blanks may pass for an empty list.
    may_be_empty = {("ACL XML", "nothing but blanks"): statuses(200, 400)}
    return [
        Case(
            group,
            name,
            lambda c, b=body: c.request("PUT", target(c), [], b),
            may_be_empty.get((group, name), statuses(400, 413)),
            codes(*XML_CODES, "RequestBodyTooLarge"),
            method="PUT",
        )
        for name, body in inner.items()
    ]


def xml_bodies() -> list[Case]:
    known = PROLOG + b"<BlockList>%s</BlockList>"
    names = b"".join(b"<Latest>%s</Latest>" % base64.b64encode(b"%06d" % n) for n in range(50_001))
    rule = b"<SignedIdentifier><Id>i%d</Id><AccessPolicy><Permission>r</Permission></AccessPolicy></SignedIdentifier>"
    acl = lambda c: c.target(CONTAINER, restype="container", comp="acl")  # noqa: E731
    properties = lambda c: c.target(restype="service", comp="properties")  # noqa: E731
    return [
        *bombs("block list XML", b"BlockList", lambda c: c.blob(VICTIM, comp="blocklist")),
        *bombs("tags XML", b"Tags", lambda c: c.blob(comp="tags")),
        *bombs("ACL XML", b"SignedIdentifiers", acl),
        *bombs("service XML", b"StorageServiceProperties", properties),
        block_list("empty body", b""),
        block_list("unknown id", known % b"<Latest>QUFB</Latest>", allowed=codes("InvalidBlockList")),
        block_list("unknown child", known % b"<Newest>QUFB</Newest>"),
        block_list(
            "id not Base64",
            known % b"<Latest>!!!</Latest>",
            allowed=codes(*XML_CODES, "InvalidBlockList", "InvalidBlockId"),
        ),
        block_list(
            "id empty", known % b"<Latest></Latest>", allowed=codes(*XML_CODES, "InvalidBlockList", "InvalidBlockId")
        ),
        block_list("50,001 ids", known % names, allowed=codes("BlockListTooLong")),
        block_list("50,000 unknown ids", known % names[: names.rindex(b"<Latest>")], allowed=codes("InvalidBlockList")),
        block_list(
            "one id of 1 MiB",
            known % (b"<Latest>" + b"QUFB" * (1 << 18) + b"</Latest>"),
            statuses(400, 413),
            codes(*XML_CODES, "InvalidBlockList", "InvalidBlockId", "RequestBodyTooLarge"),
        ),
        Case(
            "block list XML",
            "64 MiB of blanks",
            blanks,
            statuses(400, 413),
            codes(*XML_CODES, "RequestBodyTooLarge"),
            method="PUT",
        ),
        Case(
            "block list XML",
            "MD5 of another body",
            lambda c: c.request(
                "PUT",
                c.blob(VICTIM, comp="blocklist"),
                [("Content-MD5", base64.b64encode(bytes(16)).decode())],
                known % b"",
            ),
            BAD,
            codes("Md5Mismatch"),
            method="PUT",
            check=NOT_WRITTEN,
        ),
        Case(
            "ACL XML",
            "six identifiers",
            lambda c: c.request(
                "PUT",
                acl(c),
                [],
                PROLOG + b"<SignedIdentifiers>" + b"".join(rule % n for n in range(6)) + b"</SignedIdentifiers>",
            ),
            BAD,
            codes("InvalidXmlDocument"),
            method="PUT",
        ),
        Case(
            "ACL XML",
            "id of 65 letters",
            lambda c: c.request(
                "PUT",
                acl(c),
                [],
                PROLOG + b"<SignedIdentifiers>" + (rule % 1).replace(b"i1", b"i" * 65) + b"</SignedIdentifiers>",
            ),
            BAD,
            codes("InvalidXmlDocument", "InvalidXmlNodeValue", "OutOfRangeInput"),
            method="PUT",
        ),
        Case(
            "ACL XML",
            "unknown permission",
            lambda c: c.request(
                "PUT",
                acl(c),
                [],
                PROLOG + b"<SignedIdentifiers>" + (rule % 1).replace(b">r<", b">rQ<") + b"</SignedIdentifiers>",
            ),
            BAD,
            codes("InvalidXmlNodeValue", "InvalidXmlDocument"),
            method="PUT",
        ),
    ]


def blanks(context: Context) -> Iterator[bytes]:
    yield context.head("PUT", context.blob(VICTIM, comp="blocklist"), length=64 << 20)
    for _ in range(64):
        yield b" " * (1 << 20)


# --- Batch ---------------------------------------------------------------------------------------------------------


def part(context: Context, line: str, number: str = "0", headers: wire.Headers | None = None) -> bytes:
    method, target = line.split(" ")[:2]
    fields = (
        wire.signed(context.account, method, target, [("Content-Length", "0")], version=None)
        if headers is None
        else headers
    )
    return (
        f"--b\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {number}\r\n\r\n"
        f"{line}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields) + "\r\n"
    ).encode("utf-8", "surrogateescape")


def batch(
    name: str, make, allow=BAD, allowed=codes(), content_type: str | None = "multipart/mixed; boundary=b", check=None
) -> Case:
    """A container-level batch. 202 is allowed where the parts carry the refusals; then none may have succeeded."""

    def send(context: Context) -> bytes:
        headers = [("Content-Type", content_type)] if content_type is not None else []
        return context.request(
            "POST", context.target(CONTAINER, restype="container", comp="batch"), headers, make(context)
        )

    return Case("batch", name, send, allow, allowed, method="POST", check=check or nothing_done)


def nothing_done(context: Context, answers: list[wire.Answer]) -> str | None:
    if b"HTTP/1.1 2" in answers[0].body:
        return f"a part succeeded: {answers[0].body[:300]!r}"
    return None if context.call("HEAD", context.blob()).status == 200 else "the seed blob is gone"


def batches() -> list[Case]:
    either = statuses(202, 400)
    end = b"--b--\r\n"
    gone = lambda c: f"DELETE {c.blob('missing')} HTTP/1.1"  # noqa: E731
    return [
        batch(
            "no content type",
            lambda c: part(c, gone(c)) + end,
            allowed=codes("MissingRequiredHeader", "InvalidHeaderValue"),
            content_type=None,
        ),
        batch("content type text", lambda c: part(c, gone(c)) + end, content_type="text/plain"),
        batch(
            "no boundary",
            lambda c: part(c, gone(c)) + end,
            allowed=codes("InvalidHeaderValue", "InvalidInput"),
            content_type="multipart/mixed",
        ),
        batch(
            "boundary of 4 KiB",
            lambda c: part(c, gone(c)) + end,
            either,
            content_type="multipart/mixed; boundary=" + "b" * 4096,
        ),
        batch("empty body", lambda c: b"", either),
        batch("no part", lambda c: end, either),
        batch("no end", lambda c: part(c, gone(c)), either),
        batch("other boundary in the body", lambda c: part(c, gone(c)).replace(b"--b", b"--x") + b"--x--\r\n", either),
        batch("garbage", lambda c: bytes(range(256)) * 16, either),
        batch(
            "part without a request line",
            lambda c: b"--b\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n\r\n\r\n" + end,
            either,
        ),
        batch("part with headers only", lambda c: b"--b\r\nContent-Type: application/http\r\n" + end, either),
        batch(
            "257 parts",
            lambda c: b"".join(part(c, gone(c), str(n)) for n in range(257)) + end,
            either,
            codes("ExceedsMaxBatchRequestCount", "InvalidInput"),
        ),
        batch(
            "5 MiB",
            lambda c: part(c, gone(c)) + b"x" * (5 << 20) + end,
            statuses(400, 413),
            codes("RequestBodyTooLarge", "InvalidInput", "InvalidHeaderValue"),
        ),
        batch("PUT inside", lambda c: part(c, f"PUT {c.blob('victim')} HTTP/1.1") + end, either),
        batch("GET inside", lambda c: part(c, f"GET {c.blob()} HTTP/1.1") + end, either),
        batch("a batch inside", lambda c: part(c, f"POST {c.target(comp='batch')} HTTP/1.1") + end, either),
        batch(
            "delete of a container inside",
            lambda c: part(c, f"DELETE {c.target(CONTAINER, restype='container')} HTTP/1.1") + end,
            either,
        ),
        batch(
            "unsigned part",
            lambda c: part(c, f"DELETE {c.blob()} HTTP/1.1", headers=[("Content-Length", "0")]) + end,
            either,
        ),
        batch(
            "part with a false signature",
            lambda c: (
                part(
                    c,
                    f"DELETE {c.blob()} HTTP/1.1",
                    headers=[
                        ("x-ms-date", wire.http_date()),
                        ("Authorization", f"SharedKey {c.account.name}:AAAA"),
                        ("Content-Length", "0"),
                    ],
                )
                + end
            ),
            either,
        ),
        batch(
            "part of another container",
            lambda c: part(c, f"DELETE {c.target(c.public_container, 'seed')} HTTP/1.1") + end,
            either,
        ),
        batch("part with dot-dot", lambda c: part(c, f"DELETE {c.target(CONTAINER)}/x/../seed HTTP/1.1") + end, either),
        batch("part with an absolute target", lambda c: part(c, "DELETE http://example.test/x HTTP/1.1") + end, either),
        batch(
            "part with a body length",
            lambda c: (
                part(c, f"DELETE {c.blob()} HTTP/1.1", headers=[("Content-Length", "99999999999999999999")]) + end
            ),
            either,
        ),
        batch("parts with the same id", lambda c: part(c, gone(c)) + part(c, gone(c)) + end, either),
        batch("part with NUL", lambda c: part(c, f"DELETE {c.blob()}\0 HTTP/1.1") + end, either),
        batch("line feeds alone", lambda c: (part(c, gone(c)) + end).replace(b"\r\n", b"\n"), either),
        batch(
            "100,000 headers in a part",
            lambda c: part(c, gone(c), headers=[(f"x-{n}", "v") for n in range(100_000)]) + end,
            either,
        ),
    ]


def cases() -> list[Case]:
    return [*xml_bodies(), *batches()]
