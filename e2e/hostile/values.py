"""Header values that are well-formed HTTP and wrong Blob REST: conditions, ranges, checksums, ids, leases, metadata,
tags."""

from __future__ import annotations

import base64
import hashlib

import wire
from case import CONTAINER, SEED_BYTES, Case, Context, absent, codes, statuses

BLOCK_BLOB = [("x-ms-blob-type", "BlockBlob")]
BAD = statuses(400)
VICTIM = "victim"
NOT_WRITTEN = absent(CONTAINER, VICTIM)
NO_BLOCKS = absent(CONTAINER, VICTIM, comp="blocklist")
HEADER_VALUE = codes("InvalidHeaderValue")


def put(
    name: str,
    headers: list[tuple[str, str]],
    allow=BAD,
    allowed=codes(),
    body: bytes = b"12345",
    kind=BLOCK_BLOB,
    **options,
) -> Case:
    """A Put Blob that must leave nothing behind."""
    options.setdefault("check", NOT_WRITTEN)
    return Case(
        options.pop("group", "put blob"),
        name,
        lambda c: c.request("PUT", c.blob(VICTIM), [*kind, *headers], body),
        allow,
        allowed,
        method="PUT",
        **options,
    )


def get(
    name: str,
    headers: list[tuple[str, str]],
    allow,
    allowed=codes(),
    group: str = "range",
    method: str = "GET",
    **options,
) -> Case:
    return Case(group, name, lambda c: c.request(method, c.blob(), headers), allow, allowed, method=method, **options)


def whole(_: Context, answers: list[wire.Answer]) -> str | None:
    return None if answers[0].body == SEED_BYTES else f"{len(answers[0].body)} bytes instead of the whole blob"


def blob_headers() -> list[Case]:
    digest = base64.b64encode(hashlib.md5(b"12345").digest()).decode()
    crc = base64.b64encode(bytes(8)).decode()
    refused_kind = statuses(400, 409, 501)
    return [
        put("no blob type", [], allowed=codes("MissingRequiredHeader", "InvalidHeaderValue"), kind=[]),
        put("unknown blob type", [("x-ms-blob-type", "BananaBlob")], allowed=HEADER_VALUE, kind=[]),
        put(
            "page blob",
            [("x-ms-blob-type", "PageBlob"), ("x-ms-blob-content-length", "512")],
            refused_kind,
            kind=[],
            body=b"",
        ),
        put("append blob", [("x-ms-blob-type", "AppendBlob")], refused_kind, kind=[], body=b""),
        put("MD5 not Base64", [("Content-MD5", "not base64 at all!")], allowed=codes("InvalidMd5")),
        put("MD5 of 3 bytes", [("Content-MD5", "QUFB")], allowed=codes("InvalidMd5")),
        put("MD5 of 4 KiB", [("Content-MD5", "A" * 4096)], allowed=codes("InvalidMd5")),
        put(
            "MD5 of other bytes", [("Content-MD5", base64.b64encode(bytes(16)).decode())], allowed=codes("Md5Mismatch")
        ),
        put(
            "blob MD5 of other bytes",
            [("x-ms-blob-content-md5", base64.b64encode(bytes(16)).decode())],
            allowed=codes("Md5Mismatch"),
        ),
        put("CRC of other bytes", [("x-ms-content-crc64", crc)], allowed=codes("Crc64Mismatch")),
        put("CRC not Base64", [("x-ms-content-crc64", "not base64 at all!")], allowed=HEADER_VALUE),
        put("CRC of 3 bytes", [("x-ms-content-crc64", "QUFB")], allowed=HEADER_VALUE),
        put(
            "MD5 and CRC",
            [("Content-MD5", digest), ("x-ms-content-crc64", crc)],
            allowed=codes("BothCrc64AndMd5HeaderPresent"),
        ),
        put("unknown tier", [("x-ms-access-tier", "Lukewarm")], allowed=codes("InvalidHeaderValue", "InvalidBlobTier")),
        put("lease id that is no GUID", [("x-ms-lease-id", "mine")], statuses(400, 412)),
        put(
            "lease id on nothing",
            [("x-ms-lease-id", "11111111-2222-3333-4444-555555555555")],
            statuses(412),
            codes("LeaseNotPresentWithBlobOperation"),
        ),
        put(
            "customer key",
            [
                ("x-ms-encryption-key", crc),
                ("x-ms-encryption-key-sha256", crc),
                ("x-ms-encryption-algorithm", "AES256"),
            ],
            statuses(400, 409, 501),
        ),
        put(
            "structured body, damaged",
            [("x-ms-structured-body", "XSM/1.0; properties=crc64"), ("x-ms-structured-content-length", "5")],
            statuses(400, 501),
        ),
        put("content type with a control byte", [("x-ms-blob-content-type", "text/\x01plain")]),
    ]


def metadata() -> list[Case]:
    def case(name: str, headers: list[tuple[str, str]], allow=BAD, allowed=codes("InvalidMetadata")) -> Case:
        return put(name, headers, allow, allowed, group="metadata")

    return [
        case("name that begins with a digit", [("x-ms-meta-1a", "v")]),
        case("name with a hyphen", [("x-ms-meta-a-b", "v")]),
        case("name with a dot", [("x-ms-meta-a.b", "v")]),
        case("empty name", [("x-ms-meta-", "v")], allowed=codes("EmptyMetadataKey")),
        case("name with a plus", [("x-ms-meta-a+b", "v")]),
        case("same name twice", [("x-ms-meta-a", "1"), ("x-ms-meta-A", "2")], BAD, codes()),
        case("one value of 9 KiB", [("x-ms-meta-a", "v" * 9216)], statuses(400, 431), codes()),
        case(
            "100 values of 100 bytes",
            [(f"x-ms-meta-k{n}", "v" * 100) for n in range(100)],
            allowed=codes("MetadataTooLarge"),
        ),
        case("one byte over 8 KiB", [("x-ms-meta-abcd", "v" * (8192 - 4 + 1))], allowed=codes("MetadataTooLarge")),
    ]


def conditions() -> list[Case]:
    def case(name: str, headers: list[tuple[str, str]], allow=BAD, allowed=HEADER_VALUE, method: str = "GET") -> Case:
        return get(name, headers, allow, allowed, "condition", method)

    past, etag = "Fri, 01 Mar 2013 12:00:00 GMT", '"0x1"'
    both = codes("MultipleConditionHeadersNotSupported")
    return [
        case("bad date", [("If-Modified-Since", "yesterday")]),
        case("bad date, unmodified", [("If-Unmodified-Since", "31 Feb")]),
        case("date of 8 KiB", [("If-Modified-Since", "9" * 8192)]),
        case("star on a read", [("If-None-Match", "*")], allowed=codes("UnsatisfiableCondition")),
        case("wrong ETag", [("If-Match", etag)], statuses(412), codes("ConditionNotMet")),
        case("ETag without an end", [("If-Match", '"0x1')], statuses(400, 412), codes()),
        case(
            "1,000 ETags",
            [("If-None-Match", ", ".join(f'"0x{n}"' for n in range(1000)))],
            statuses(200, 304, 400),
            codes(),
        ),
        put(
            "four conditions",
            [("If-Match", etag), ("If-None-Match", etag), ("If-Modified-Since", past), ("If-Unmodified-Since", past)],
            statuses(400, 412),
            codes("MultipleConditionHeadersNotSupported", "ConditionNotMet"),
            group="condition",
        ),
        put("If-Match and If-None-Match", [("If-Match", etag), ("If-None-Match", etag)], BAD, both, group="condition"),
        put("If-Match on nothing", [("If-Match", etag)], statuses(412), codes("ConditionNotMet"), group="condition"),
        put("bad date on a write", [("If-Unmodified-Since", "soon")], BAD, HEADER_VALUE, group="condition"),
        case("tag condition without sense", [("x-ms-if-tags", "((((")], statuses(400), codes("InvalidHeaderValue")),
        case(
            "tag condition, 5,000 deep",
            [("x-ms-if-tags", "(" * 5000 + "\"a\" = 'b'" + ")" * 5000)],
            statuses(200, 400, 412),
            codes(),
        ),
    ]


def ranges() -> list[Case]:
    full, beyond = statuses(200), statuses(416)
    big = 10**30
    return [
        get("start at the end", [("Range", f"bytes={len(SEED_BYTES)}-")], beyond, codes("InvalidRange")),
        get(
            "start far beyond",
            [("x-ms-range", "bytes=9223372036854775807-9223372036854775807")],
            beyond,
            codes("InvalidRange"),
        ),
        get(
            "start of 30 digits",
            [("Range", f"bytes={big}-")],
            statuses(200, 400, 416),
            codes("InvalidRange", "InvalidHeaderValue"),
        ),
        get("end of 30 digits", [("Range", f"bytes=0-{big}")], statuses(200, 206, 400)),
        get("end at 2^63-1", [("Range", "bytes=0-9223372036854775807")], statuses(206)),
        get("end at 2^64-1", [("Range", "bytes=0-18446744073709551615")], statuses(200, 206)),
        get("end before start", [("Range", "bytes=5-2")], full, check=whole),
        get("suffix", [("Range", "bytes=-5")], full, check=whole),
        get("suffix of zero", [("Range", "bytes=-0")], full, check=whole),
        get("two ranges", [("Range", "bytes=0-1,3-4")], full, check=whole),
        get("2,000 ranges", [("Range", "bytes=" + ",".join("0-1" for _ in range(2000)))], statuses(200, 400), codes()),
        get("words", [("Range", "bytes=a-b")], full, check=whole),
        get("other unit", [("Range", "lines=0-1")], full, check=whole),
        get("negative start", [("Range", "bytes=--5")], full, check=whole),
        get("no bounds", [("Range", "bytes=-")], full, check=whole),
        get("empty", [("Range", "")], full, check=whole),
        get("MD5 without a range", [("x-ms-range-get-content-md5", "true")], BAD),
        get(
            "MD5 and CRC of a range",
            [("Range", "bytes=0-1"), ("x-ms-range-get-content-md5", "true"), ("x-ms-range-get-content-crc64", "true")],
            BAD,
        ),
        get(
            "MD5 of 4 MiB and a byte",
            [("Range", f"bytes=0-{4 << 20}"), ("x-ms-range-get-content-md5", "true")],
            statuses(206, 400),
        ),
        get(
            "MD5 switch of another kind",
            [("Range", "bytes=0-1"), ("x-ms-range-get-content-md5", "perhaps")],
            statuses(206, 400),
        ),
    ]


def blocks() -> list[Case]:
    bad_id = codes(
        "InvalidQueryParameterValue",
        "InvalidBlockId",
        "OutOfRangeQueryParameterValue",
        "InvalidBlobOrBlock",
        "MissingRequiredQueryParameter",
    )

    def case(name: str, block: str, allow=BAD, allowed=bad_id) -> Case:
        return Case(
            "block id",
            name,
            lambda c: c.request("PUT", c.blob(VICTIM) + f"?comp=block&blockid={block}", [], b"12345"),
            allow,
            allowed,
            method="PUT",
            check=NO_BLOCKS,
        )

    return [
        case("empty", ""),
        case("not Base64", "%21%21%21%21"),
        case("padding missing", "QUE"),
        case("padding in the middle", "QU%3DFB"),
        case("URL-safe alphabet", "_-_-"),
        case("65 bytes", base64.b64encode(bytes(65)).decode().replace("+", "%2B").replace("=", "%3D")),
        case("6 KiB", "QUFB" * 1500),
        case("20 KiB", "QUFB" * 5000, statuses(400, 414), codes()),
        case("NUL", "QUFB%00"),
        case("invalid UTF-8", "QUFB%ff", statuses(400, 403), codes()),
        case("line end", "QUFB%0d%0a"),
        Case(
            "block id",
            "other length than the block before",
            other_length,
            BAD,
            codes("InvalidBlobOrBlock"),
            method="PUT",
        ),
        Case(
            "block id",
            "block with a condition that fails",
            lambda c: c.request(
                "PUT", c.blob("blocks", comp="block", blockid="QUFB"), [("If-Match", '"0x1"')], b"12345"
            ),
            statuses(201, 400, 412),
            method="PUT",
        ),
    ]


def other_length(context: Context) -> bytes:
    """`blocks` holds an uncommitted block with an id of 3 bytes."""
    context.call("PUT", context.blob("blocks", comp="block", blockid="QUFB"), [], b"12345")
    return context.request("PUT", context.blob("blocks", comp="block", blockid="QUFBQUFB"), [], b"12345")


def leases() -> list[Case]:
    def case(name: str, headers: list[tuple[str, str]], allow=BAD, allowed=HEADER_VALUE) -> Case:
        return Case(
            "lease", name, lambda c: c.request("PUT", c.blob(comp="lease"), headers, b""), allow, allowed, method="PUT"
        )

    acquire = ("x-ms-lease-action", "acquire")
    missing = codes("MissingRequiredHeader", "InvalidHeaderValue")
    return [
        case("no action", [], allowed=missing),
        case("unknown action", [("x-ms-lease-action", "steal")]),
        case("no duration", [acquire], allowed=missing),
        case("duration 14", [acquire, ("x-ms-lease-duration", "14")]),
        case("duration 61", [acquire, ("x-ms-lease-duration", "61")]),
        case("duration -2", [acquire, ("x-ms-lease-duration", "-2")]),
        case("duration of 30 digits", [acquire, ("x-ms-lease-duration", "9" * 30)]),
        case("duration in words", [acquire, ("x-ms-lease-duration", "forever")]),
        case(
            "proposed id that is no GUID", [acquire, ("x-ms-lease-duration", "15"), ("x-ms-proposed-lease-id", "mine")]
        ),
        case("renewal without an id", [("x-ms-lease-action", "renew")], allowed=missing),
        case(
            "break period 61",
            [("x-ms-lease-action", "break"), ("x-ms-lease-break-period", "61")],
            statuses(400, 409),
            codes("InvalidHeaderValue", "LeaseNotPresentWithLeaseOperation"),
        ),
        case(
            "release of another's",
            [("x-ms-lease-action", "release"), ("x-ms-lease-id", "11111111-2222-3333-4444-555555555555")],
            statuses(409),
            codes("LeaseIdMismatchWithLeaseOperation", "LeaseNotPresentWithLeaseOperation"),
        ),
    ]


def tags() -> list[Case]:
    def header(name: str, text: str, allowed) -> Case:
        return put(name, [("x-ms-tags", text)], BAD, allowed, group="tags header")

    def xml(name: str, items: str, allowed=codes("InvalidXmlDocument", "InvalidXmlNodeValue")) -> Case:
        body = f'<?xml version="1.0" encoding="utf-8"?>{items}'.encode()
        return Case(
            "tags XML", name, lambda c: c.request("PUT", c.blob(comp="tags"), [], body), BAD, allowed, method="PUT"
        )

    def tag(key: str, value: str = "v") -> str:
        return f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>"

    def wrap(items: str) -> str:
        return f"<Tags><TagSet>{items}</TagSet></Tags>"

    invalid = codes("InvalidTag", "DuplicateTagNames", "InvalidHeaderValue", "TagsTooLarge", "OutOfRangeInput")
    return [
        header("11 tags", "&".join(f"k{n}=v" for n in range(11)), codes("TagsTooLarge")),
        header("key of 129 letters", "k" * 129 + "=v", invalid),
        header("value of 257 letters", "k=" + "v" * 257, invalid),
        header("empty key", "=v", codes("EmptyTagName")),
        header("same key twice", "a=1&a=2", codes("DuplicateTagNames")),
        header("character that is not allowed", "a=%3C", invalid),
        header("NUL", "a=%00", invalid),
        header("invalid UTF-8", "a=%ff", invalid),
        header("broken escape", "a=%zz", invalid),
        header("no equals sign", "a", codes("InvalidHeaderValue", "InvalidTag")),
        xml("11 tags", wrap("".join(tag(f"k{n}") for n in range(11))), codes("TagsTooLarge")),
        xml(
            "10,000 tags",
            wrap("".join(tag(f"k{n}") for n in range(10_000))),
            codes("TagsTooLarge", "InvalidXmlDocument", "RequestBodyTooLarge"),
        ),
        xml("key of 129 letters", wrap(tag("k" * 129)), invalid),
        xml("empty key", wrap(tag("")), codes("EmptyTagName", "InvalidXmlNodeValue")),
        xml("same key twice", wrap(tag("a") + tag("a")), codes("DuplicateTagNames")),
        xml("character that is not allowed", wrap(tag("a", "&lt;")), invalid),
        xml("other root", "<Labels/>"),
        xml("no document", ""),
        xml(
            "key missing",
            wrap("<Tag><Value>v</Value></Tag>"),
            codes("InvalidXmlDocument", "InvalidXmlNodeValue", "MissingRequiredXmlNode", "EmptyTagName"),
        ),
    ]


def cases() -> list[Case]:
    return [*blob_headers(), *metadata(), *conditions(), *ranges(), *blocks(), *leases(), *tags()]
