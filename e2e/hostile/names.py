"""Paths, names, queries, methods, credentials, dates and versions."""

from __future__ import annotations

import time

import wire
from case import CONTAINER, Case, Context, codes, statuses

NAME_CODES = codes(
    "InvalidResourceName",
    "InvalidUri",
    "OutOfRangeInput",
    "RequestUrlFailedToParse",
    "InvalidInput",
    "InvalidQueryParameterValue",
)
PUT_HEADERS = [("x-ms-blob-type", "BlockBlob")]


def names_nothing_new(context: Context, _: list[wire.Answer]) -> str | None:
    """The listing of the container is as it was: no trick has made a blob under another name."""
    answer = context.call("GET", context.target(CONTAINER, restype="container", comp="list"))
    listed = answer.body.count(b"<Blob>")
    known = sum(f"<Name>{name}</Name>".encode() in answer.body for name in ("seed", "sound", "public"))
    return (
        None
        if answer.status == 200 and listed == known
        else f"the container lists {listed} blobs, {known} of them known"
    )


def path(name: str, tail: str, allow=statuses(400), allowed_codes=NAME_CODES, method: str = "PUT") -> Case:
    """A request, signed as sent, whose path is /ACCOUNT/ and the tail, not encoded."""

    def send(context: Context) -> bytes:
        target = f"/{context.account.name}/{tail}"
        return context.request(
            method, target, PUT_HEADERS if method == "PUT" else [], b"12345" if method == "PUT" else None
        )

    return Case("path", name, send, allow, allowed_codes, method=method, check=names_nothing_new)


def paths() -> list[Case]:
    box = CONTAINER
    anything = statuses(400, 401, 403, 404)
    return [
        path("dot segment", f"{box}/a/./b"),
        path("dot-dot segment", f"{box}/a/../b"),
        path("dot-dot out of the container", f"{box}/../{box}/b", anything, codes()),
        path("dot-dot out of the account", f"{box}/../../etc/passwd", anything, codes()),
        path("encoded dot-dot", f"{box}/%2e%2e/b"),
        path("encoded dot-dot and slash", f"{box}/..%2f..%2f..%2fetc%2fpasswd"),
        path("trailing dot-dot", f"{box}/a/.."),
        path("read: encoded twice", f"{box}/%252e%252e%252fseed", statuses(400, 404), codes(), method="GET"),
        path("dot alone", f"{box}/."),
        path("empty segment", f"{box}/a//b"),
        path("encoded empty segment", f"{box}/a%2f%2fb"),
        path("leading slash in the name", f"{box}//b"),
        path("NUL", f"{box}/a%00b"),
        path("NUL at the end", f"{box}/a%00"),
        path("control character", f"{box}/a%01b"),
        path("line end", f"{box}/a%0d%0ab"),
        path("DEL", f"{box}/a%7fb"),
        path("C1 control", f"{box}/a%c2%81b"),
        path("overlong slash", f"{box}/..%c0%af..%c0%afb"),
        path("overlong dot", f"{box}/%c0%ae%c0%ae/b"),
        path("overlong NUL", f"{box}/a%c0%80b"),
        path("invalid UTF-8", f"{box}/a%ff%feb"),
        path("cut UTF-8", f"{box}/a%e2%82"),
        path("encoded surrogate", f"{box}/a%ed%a0%80b"),
        path("beyond Unicode", f"{box}/a%f5%80%80%80b"),
        path("percent without digits", f"{box}/a%zzb"),
        path("percent at the end", f"{box}/a%"),
        path("percent with one digit", f"{box}/a%4"),
        path("IIS style escape", f"{box}/a%u0041b"),
        path("name of 1,025 characters", f"{box}/{'n' * 1025}"),
        path("name of 30,000 characters", f"{box}/{'n' * 30_000}", statuses(400, 414), codes()),
        path("255 segments", f"{box}/" + "/".join("s" * 255)),
        path("container with capitals", "BOX/a"),
        path("container of two letters", "bx/a"),
        path("container of 64 letters", "b" * 64 + "/a"),
        path("container with two hyphens", "bo--x/a"),
        path("container that begins with a hyphen", "-box/a"),
        path("container with a dot", "bo.x/a"),
        path("container with an encoded slash", "bo%2fx", statuses(400, 404), codes()),
        path("container of dots", "../a", anything, codes()),
        path("container with a dollar", "$evil/a"),
        path("nothing but slashes", "///", anything, codes()),
        path("read: backslashes", f"{box}/..%5c..%5cetc%5cpasswd", statuses(400, 404), codes(), method="GET"),
        path("read: dot-dot", f"{box}/../../../../etc/passwd", anything, codes(), method="GET"),
        path(
            "read: encoded dot-dot", f"{box}/%2e%2e/%2e%2e/%2e%2e/etc/passwd", statuses(400, 404), codes(), method="GET"
        ),
        path("read: NUL", f"{box}/seed%00.txt", statuses(400, 404), codes(), method="GET"),
        path("delete: dot-dot", f"{box}/x/../seed", statuses(400, 404), codes(), method="DELETE"),
        path(
            "list: prefix with NUL",
            f"{box}?restype=container&comp=list&prefix=a%00",
            statuses(200, 400),
            codes(),
            method="GET",
        ),
        path(
            "list: prefix with invalid UTF-8",
            f"{box}?restype=container&comp=list&prefix=%ff",
            statuses(200, 400, 403),
            codes(),
            method="GET",
        ),
    ]


def query(
    name: str,
    text: str,
    allow=statuses(400),
    allowed_codes=codes(),
    method: str = "GET",
    body: bytes | None = None,
    tail: str = CONTAINER,
) -> Case:
    def send(context: Context) -> bytes:
        return context.request(method, f"/{context.account.name}/{tail}?{text}", body=body)

    return Case("query", name, send, allow, allowed_codes, method=method)


def queries() -> list[Case]:
    listing = "restype=container&comp=list"
    value = codes("InvalidQueryParameterValue")
    out = codes("OutOfRangeQueryParameterValue", "InvalidQueryParameterValue")
    seed = f"{CONTAINER}/seed"
    return [
        query("unknown comp", "restype=container&comp=nonsense", allowed_codes=value),
        query("unknown comp on a blob", "comp=nonsense", tail=seed, allowed_codes=value),
        query("unknown restype", "restype=nonsense", statuses(400, 404)),
        query("comp given twice", "restype=container&comp=list&comp=acl", statuses(200, 400)),
        query("maxresults 0", f"{listing}&maxresults=0", allowed_codes=out),
        query("maxresults -1", f"{listing}&maxresults=-1", allowed_codes=out),
        query("maxresults of 30 digits", f"{listing}&maxresults={'9' * 30}", statuses(200, 400)),
        query("maxresults in words", f"{listing}&maxresults=many", allowed_codes=out),
        query("include of something else", f"{listing}&include=secrets", allowed_codes=value),
        query("marker of garbage", f"{listing}&marker=%00%ff!!", statuses(200, 400, 403)),
        query("marker of 20 KiB", f"{listing}&marker={'A' * 20_000}", statuses(200, 400)),
        query("delimiter of NUL", f"{listing}&delimiter=%00", statuses(200, 400)),
        query(
            "3,000 parameters", f"{listing}&" + "&".join(f"p{n}=1" for n in range(3000)), statuses(200, 400, 414, 431)
        ),
        query("query of 1 MiB", f"{listing}&x={'q' * (1 << 20)}", statuses(400, 414, 431)),
        query("broken escape in a value", f"{listing}&prefix=%zz", statuses(200, 400, 403)),
        query("parameter without a name", f"{listing}&=x&&&", statuses(200, 400, 403)),
        query("timeout in words", f"{listing}&timeout=soon", statuses(200, 400)),
        query("timeout negative", f"{listing}&timeout=-5", statuses(200, 400)),
        query("timeout of 40 digits", f"{listing}&timeout={'9' * 40}", statuses(200, 400)),
        query("snapshot of a date that is none", "snapshot=yesterday", statuses(400, 404, 501), tail=seed),
        query("block list of another type", "comp=blocklist&blocklisttype=odd", tail=seed, allowed_codes=value),
        query("find without an expression", "comp=blobs&restype=container", statuses(400, 501)),
        query(
            "find with a broken expression", "comp=blobs&restype=container&where=%22a%22%20=%20%27", statuses(400, 501)
        ),
        query(
            "find with 1,000 terms",
            "comp=blobs&restype=container&where=" + "%20AND%20".join(["%22a%22=%27b%27"] * 1000),
            statuses(200, 400, 414, 501),
        ),
        query(
            "find with parentheses, deep", "comp=blobs&restype=container&where=" + "(" * 10_000, statuses(400, 414, 501)
        ),
        query(
            "block id missing",
            "comp=block",
            method="PUT",
            body=b"12345",
            tail=f"{CONTAINER}/victim",
            allowed_codes=codes("MissingRequiredQueryParameter", "InvalidQueryParameterValue", "InvalidBlockId"),
        ),
    ]


def methods() -> list[Case]:
    allow = statuses(400, 405, 501)
    listed = [
        Case("method", method, lambda c, m=method: c.request(m, c.blob(), body=b""), allow, method=method)
        for method in ("BREW", "PATCH", "TRACE", "MERGE", "PROPFIND", "get", "Put", "POST", "M-SEARCH")
    ]
    listed.append(
        Case(
            "method",
            "POST on a container",
            lambda c: c.request("POST", c.target(CONTAINER, restype="container"), body=b""),
            allow,
            codes(),
        )
    )
    listed.append(Case("method", "DELETE on the account", lambda c: c.request("DELETE", c.target()), allow, codes()))
    return listed


def credentials() -> list[Case]:
    refused = codes("AuthenticationFailed")
    malformed = codes(
        "InvalidAuthenticationInfo", "AuthenticationFailed", "InvalidHeaderValue", "NoAuthenticationInformation"
    )
    loose = statuses(400, 401, 403)

    def authorization(name: str, value, allow=loose, allowed=malformed) -> Case:
        def send(context: Context) -> bytes:
            text = value(context) if callable(value) else value
            fields = [("x-ms-date", wire.http_date()), ("x-ms-version", wire.API_VERSION), ("Authorization", text)]
            return context.head("GET", context.blob(), fields, sign=False)

        return Case("credentials", name, send, allow, allowed)

    def good(context: Context) -> str:
        return dict(wire.signed(context.account, "GET", context.blob()))["Authorization"]

    def other(context: Context) -> bytes:
        target = context.blob()
        fields = wire.signed(context.other_account, "GET", target, [("Host", f"{context.host}:{context.port}")])
        return wire.head_bytes("GET", target, fields)

    def stranger(context: Context) -> bytes:
        stranger = wire.Account("nobodyhere", context.account.key)
        target = wire.target_of("nobodyhere", CONTAINER, "seed")
        return wire.head_bytes(
            "GET", target, wire.signed(stranger, "GET", target, [("Host", f"{context.host}:{context.port}")])
        )

    return (
        [
            authorization(
                "signature of zeroes", lambda c: f"SharedKey {c.account.name}:{'A' * 43}=", statuses(403), refused
            ),
            authorization("signature not Base64", lambda c: f"SharedKey {c.account.name}:!!!"),
            authorization("signature empty", lambda c: f"SharedKey {c.account.name}:"),
            authorization("signature of 8 KiB", lambda c: f"SharedKey {c.account.name}:{'A' * 8192}"),
            authorization("no signature", lambda c: f"SharedKey {c.account.name}"),
            authorization("scheme alone", "SharedKey"),
            authorization("empty", "", statuses(400, 401, 403, 404, 409), codes()),
            authorization("Basic", "Basic dXNlcjpwYXNz"),
            authorization("Bearer of garbage", "Bearer aaa.bbb.ccc", loose, codes()),
            authorization("Bearer without signature", "Bearer eyJhbGciOiJub25lIn0.e30.", loose, codes()),
            authorization("colons", "SharedKey :::::"),
            authorization("account with NUL escape", "SharedKey a%00b:AAAA"),
            authorization("non-ASCII", "SharedKey \u00e9:AAAA"),
            Case(
                "credentials",
                "signed by another account",
                other,
                statuses(403, 404),
                codes("AuthenticationFailed", "ResourceNotFound", "AuthorizationFailure"),
            ),
            Case(
                "credentials",
                "account that does not exist",
                stranger,
                statuses(403, 404),
                codes("AuthenticationFailed", "ResourceNotFound"),
            ),
            Case(
                "credentials",
                "signed for another method",
                lambda c: c.head("HEAD", c.blob()).replace(b"HEAD ", b"GET ", 1),
                statuses(403),
                refused,
            ),
            Case(
                "credentials",
                "signed for another path",
                lambda c: c.head("GET", c.blob()).replace(b"/seed", b"/sead", 1),
                statuses(403),
                refused,
            ),
            Case(
                "credentials",
                "a signed header changed",
                lambda c: c.head("GET", c.blob(), [("x-ms-meta-a", "1")]).replace(b"a: 1", b"a: 2"),
                statuses(403),
                refused,
            ),
            Case(
                "credentials",
                "a header to be signed added",
                lambda c: c.head("GET", c.blob(), unsigned=[("x-ms-meta-a", "1")]),
                statuses(403),
                refused,
            ),
            Case(
                "credentials",
                "signed range changed",
                lambda c: c.head("GET", c.blob(), [("Range", "bytes=0-1")]).replace(b"0-1", b"0-9"),
                statuses(403),
                refused,
            ),
            Case(
                "credentials",
                "two Authorization headers",
                lambda c: c.head("GET", c.blob(), unsigned=[("Authorization", "SharedKey x:AAAA")]),
                loose,
                codes(),
            ),
            Case(
                "credentials",
                "two dates",
                lambda c: c.head("GET", c.blob(), unsigned=[("x-ms-date", wire.http_date())]),
                loose,
                codes(),
            ),
            Case(
                "credentials",
                "none, private container",
                lambda c: c.head("GET", c.blob(), [("x-ms-version", wire.API_VERSION)], sign=False),
                statuses(401, 404, 409),
                codes("NoAuthenticationInformation", "ResourceNotFound", "PublicAccessNotPermitted"),
            ),
            Case(
                "credentials",
                "none, write to a public container",
                lambda c: c.request(
                    "PUT",
                    c.target(c.public_container, "evil"),
                    [*PUT_HEADERS, ("x-ms-version", wire.API_VERSION)],
                    b"12345",
                    sign=False,
                ),
                statuses(401, 403, 404, 409),
                codes(),
                check=lambda c, _: (
                    None if c.call("HEAD", c.target(c.public_container, "evil")).status == 404 else "was written"
                ),
            ),
            Case(
                "credentials",
                "credentials in the query",
                lambda c: c.head("GET", c.blob() + "?sig=AAAA&sv=2021-08-06&sr=b&sp=r&se=2099-01-01", sign=False),
                statuses(400, 401, 403, 404, 501),
                codes(),
            ),
            Case(
                "credentials",
                "Lite signature for a full one",
                lambda c: c.head("GET", c.blob()).replace(b"SharedKey ", b"SharedKeyLite "),
                statuses(403),
                refused,
            ),
        ]
        + [
            Case(
                "credentials",
                f"good signature is accepted ({method})",
                lambda c, m=method: c.head(m, c.blob()),
                statuses(200),
                method=method,
            )
            for method in ("GET", "HEAD")
        ]
        + [authorization("good signature, date altered", good, statuses(200, 403), refused)]
    )


def dates_and_versions() -> list[Case]:
    def dated(
        name: str,
        value: str | None,
        allow=statuses(400, 403),
        allowed=codes("AuthenticationFailed", "InvalidHeaderValue", "MissingRequiredHeader"),
    ) -> Case:
        return Case("date", name, lambda c: c.head("GET", c.blob(), date=value), allow, allowed)

    def versioned(name: str, value: str | None, allow=statuses(400), allowed=codes("InvalidHeaderValue")) -> Case:
        return Case("version", name, lambda c: c.head("GET", c.blob(), version=value), allow, allowed)

    def undated(context: Context) -> bytes:
        target = context.blob()
        fields = [("Host", context.host), ("x-ms-version", wire.API_VERSION)]
        text = wire.string_to_sign("GET", target, fields, context.account.name)
        fields.append(("Authorization", f"SharedKey {context.account.name}:{wire.signature(context.account, text)}"))
        return wire.head_bytes("GET", target, fields)

    now = time.time()
    return [
        dated("20 minutes ago", wire.http_date(now - 1200), statuses(403), codes("AuthenticationFailed")),
        dated("in 20 minutes", wire.http_date(now + 1200), statuses(403), codes("AuthenticationFailed")),
        dated("year 1601", "Mon, 01 Jan 1601 00:00:00 GMT"),
        dated("year 9999", "Fri, 31 Dec 9999 23:59:59 GMT"),
        dated("year of 20 digits", f"Fri, 31 Dec {'9' * 20} 23:59:59 GMT"),
        dated("31 February", "Sat, 31 Feb 2024 12:00:00 GMT"),
        dated("hour 25", "Fri, 01 Mar 2024 25:61:61 GMT"),
        dated("words", "now"),
        dated("ISO 8601", "2024-03-01T12:00:00Z"),
        dated("10 KiB", "x" * 10_000),
        Case(
            "date",
            "none",
            undated,
            statuses(400, 403),
            codes("AuthenticationFailed", "MissingRequiredHeader", "InvalidHeaderValue"),
        ),
        versioned("words", "banana"),
        versioned("without hyphens", "20231103"),
        versioned("empty", "", statuses(400)),
        versioned("month 13", "2023-13-45", statuses(200, 400)),
        versioned("trailing words", "2023-11-03; drop"),
        versioned("8 KiB", "2" * 8192),
        versioned("negative", "-2023-11-03"),
        versioned("other digits", "\u0662\u0660\u0662\u0663-11-03", statuses(400)),
        versioned("later than any known", "2031-01-01", statuses(200), codes()),
        versioned("earliest supported", "2017-04-17", statuses(200), codes()),
        versioned("none", None, statuses(200, 400, 403), codes()),
        Case(
            "version",
            "two that differ",
            lambda c: c.head("GET", c.blob(), [("x-ms-version", "2021-08-06"), ("x-ms-version", "2023-11-03")]),
            statuses(200, 400, 403),
        ),
    ]


def cases() -> list[Case]:
    return [*paths(), *queries(), *methods(), *credentials(), *dates_and_versions()]
