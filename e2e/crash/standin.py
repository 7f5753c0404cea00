#!/usr/bin/env python3
"""A toy node that speaks just enough Blob REST to test the crash checker, with faults to order.

    FOREBAY_BIN=e2e/crash/standin.py STANDIN_FAULT=lose python3 e2e/crash/crash.py --cycles 5

It survives SIGKILL: bytes go to a file of their own first, then one journal record names them. It checks no signature.
STANDIN_FAULT names one way of being wrong; test_checker.py shows that the checker sees each of them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import pickle
import re
import signal
import struct
import sys
import threading
import time
import urllib.parse
import zlib
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree
from xml.sax.saxutils import escape

FAULT = os.environ.get("STANDIN_FAULT", "")
FAULTS = {
    "lose": "acknowledges before the record is written",
    "half": "names a blob before its bytes are written",
    "abort": "keeps what came of a truncated body",
    "staged": "shows a staged block as the blob",
    "lease": "forgets leases when it restarts",
    "etag": "gives out the ETags of the last life again",
    "undead": "brings the blobs of a deleted container back when it is created again",
    "tags": "forgets tags when it restarts",
    "list": "lists deleted blobs after a restart",
    "extent": "frees the bytes that a copy shares when the source is deleted",
    "fsck": "leaves a store that fsck calls damaged",
}


class Refused(Exception):
    def __init__(self, status: int, code: str):
        super().__init__(code)
        self.status, self.code = status, code


class Store:
    """Everything is a value under a key; a journal record is a set of keys that change together."""

    def __init__(self, root: str):
        self.root = root
        os.makedirs(os.path.join(root, "bytes"), exist_ok=True)
        self.lock = threading.RLock()
        self.values: dict[tuple, object] = {}
        self.late: list[bytes] = []
        self.replay()
        self.journal = os.open(os.path.join(root, "journal"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.version = 1000 if FAULT == "etag" else self.values.get(("version",), 0) + 1000
        if FAULT == "lose":
            threading.Thread(target=self.write_late, daemon=True).start()

    def replay(self) -> None:
        path, good = os.path.join(self.root, "journal"), 0
        data = open(path, "rb").read() if os.path.exists(path) else b""
        while good + 8 <= len(data):
            length, check = struct.unpack_from("<II", data, good)
            record = data[good + 8 : good + 8 + length]
            if len(record) < length or zlib.crc32(record) != check:
                break
            for key, value in pickle.loads(record):
                self.put(key, value)
            good += 8 + length
        if os.path.exists(path):
            os.truncate(path, good)

    def put(self, key: tuple, value: object) -> None:
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    def commit(self, *changes: tuple[tuple, object]) -> None:
        with self.lock:
            changes += ((("version",), self.version),)
            for key, value in changes:
                self.put(key, value)
            kept = [c for c in changes if not (FAULT == "list" and c[1] is None)]
            if FAULT in ("lease", "tags"):
                kept = [
                    (k, {**v, FAULT: None if FAULT == "lease" else {}}) if k[0] == "blob" and v else (k, v)
                    for k, v in kept
                ]
            record = pickle.dumps(kept)
            framed = struct.pack("<II", len(record), zlib.crc32(record)) + record
            if FAULT == "lose":
                self.late.append(framed)
            else:
                os.write(self.journal, framed)

    def write_late(self) -> None:
        while True:
            time.sleep(0.1)
            with self.lock:
                os.write(self.journal, b"".join(self.late))
                self.late.clear()

    def etag(self) -> dict[str, str]:
        self.version += 1
        return {"ETag": f'"0x{self.version:X}"', "Last-Modified": formatdate(usegmt=True)}

    def path(self, extent: str) -> str:
        return os.path.join(self.root, "bytes", extent)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def log_message(self, *_: object) -> None:
        pass

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(6, 1, 1)  # TCP_NODELAY

    def answer(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"x-ms-request-id": "0", "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_any(self) -> None:
        path, _, query = self.path.partition("?")
        self.query = {k.lower(): v[0] for k, v in urllib.parse.parse_qs(query, keep_blank_values=True).items()}
        _, _, container, *rest = path.split("/", 3)
        blob = urllib.parse.unquote(rest[0]) if rest else None
        self.left = int(self.headers.get("Content-Length") or 0)
        try:
            operation = "_".join(
                filter(None, [self.command.lower(), "blob" if blob else "container", self.query.get("comp")])
            )
            method = getattr(self, operation, None)
            if method is None:
                raise Refused(501, "NotImplemented")
            with self.store.lock:
                known = ("container", container) in self.store.values
            if not known and operation != "put_container":
                raise Refused(404, "ContainerNotFound")
            method(container, blob)
        except Refused as refused:
            self.rfile.read(self.left)
            body = f"<Error><Code>{refused.code}</Code></Error>".encode()
            self.answer(refused.status, {"x-ms-error-code": refused.code, "Content-Length": str(len(body))}, body)
        except ConnectionError:
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = handle_any

    def body(self) -> bytes:
        data = self.rfile.read(self.left)
        self.left -= len(data)
        if self.left and FAULT != "abort":
            raise ConnectionError
        return data

    def extent(self) -> str:
        """Bytes first."""
        data, name = self.body(), os.urandom(12).hex()
        with open(self.store.path(name), "wb") as file:
            file.write(data)
        self.md5, self.size = base64.b64encode(hashlib.md5(data).digest()).decode(), len(data)
        return name

    # Rules

    def blob(self, container: str, blob: str) -> dict:
        found = self.store.values.get(("blob", container, blob))
        if found is None:
            raise Refused(404, "BlobNotFound")
        return found

    def check_write(self, container: str, blob: str) -> dict:
        old = self.store.values.get(("blob", container, blob))
        if old and self.headers.get("If-None-Match") == "*":
            raise Refused(409, "BlobAlreadyExists")
        if "If-Match" in self.headers and (not old or old["ETag"] != self.headers["If-Match"]):
            raise Refused(412, "ConditionNotMet")
        self.check_lease(old)
        return old or {}

    def check_lease(self, old: dict | None) -> None:
        held, given = (old or {}).get("lease"), self.headers.get("x-ms-lease-id")
        if held and held != given:
            raise Refused(412, "LeaseIdMismatchWithBlobOperation" if given else "LeaseIdMissing")
        if given and not held:
            raise Refused(412, "LeaseNotPresentWithBlobOperation")

    def metadata(self) -> dict[str, str]:
        return {k.lower(): v for k, v in self.headers.items() if k.lower().startswith("x-ms-meta-")}

    def properties(self) -> dict[str, str]:
        names = ("Content-Type", "Cache-Control", "Content-Language", "Content-MD5")
        return {n: self.headers["x-ms-blob-" + n] for n in names if "x-ms-blob-" + n in self.headers}

    def staged(self, container: str, blob: str) -> dict[str, tuple[str, int]]:
        return {k[3]: v for k, v in self.store.values.items() if k[:3] == ("staged", container, blob)}

    def drop_staged(self, container: str, blob: str) -> list[tuple[tuple, None]]:
        return [(("staged", container, blob, block), None) for block in self.staged(container, blob)]

    def write(
        self,
        container: str,
        blob: str,
        extents: list[tuple[str, int]],
        blocks: list,
        properties: dict[str, str],
        status: int = 201,
        extra: dict[str, str] | None = None,
    ) -> None:
        old = self.check_write(container, blob)
        tags = dict(urllib.parse.parse_qsl(self.headers.get("x-ms-tags", "")))
        new = {
            **self.store.etag(),
            "extents": extents,
            "blocks": blocks,
            "metadata": self.metadata(),
            "properties": properties,
            "tags": tags,
            "lease": old.get("lease"),
            "tier": self.headers.get("x-ms-access-tier") or old.get("tier", "Hot"),
        }
        self.store.commit((("blob", container, blob), new), *self.drop_staged(container, blob))
        self.answer(status, {"ETag": new["ETag"], "Last-Modified": new["Last-Modified"], **(extra or {})})

    # Blobs

    def put_blob(self, container: str, blob: str) -> None:
        if "x-ms-copy-source" in self.headers:
            return self.copy(container, blob)
        with self.store.lock:
            self.check_write(container, blob)
        if FAULT == "half":
            return self.put_blob_names_first(container, blob)
        extent = self.extent()
        with self.store.lock:
            self.write(container, blob, [(extent, self.size)], [], {**self.properties(), "Content-MD5": self.md5})

    def put_blob_names_first(self, container: str, blob: str) -> None:
        data, extent = self.body(), os.urandom(12).hex()
        digest = base64.b64encode(hashlib.md5(data).digest()).decode()
        self.write(container, blob, [(extent, len(data))], [], {**self.properties(), "Content-MD5": digest})
        time.sleep(0.01)
        with open(self.store.path(extent), "wb") as file:
            file.write(data)

    def copy(self, container: str, blob: str) -> None:
        path = urllib.parse.unquote(urllib.parse.urlparse(self.headers["x-ms-copy-source"]).path)
        _, _, from_container, from_blob = path.split("/", 3)
        with self.store.lock:
            source = self.blob(from_container, from_blob)
            self.write(
                container,
                blob,
                source["extents"],
                source["blocks"],
                source["properties"],
                202,
                {"x-ms-copy-status": "success"},
            )

    def put_blob_block(self, container: str, blob: str) -> None:
        block, extent = self.query["blockid"], self.extent()
        with self.store.lock:
            self.check_lease(self.store.values.get(("blob", container, blob)))
            if FAULT == "staged":
                return self.write(container, blob, [(extent, self.size)], [], {})
            self.store.commit((("staged", container, blob, block), (extent, self.size)))
        self.answer(201)

    def put_blob_blocklist(self, container: str, blob: str) -> None:
        tree = ElementTree.fromstring(self.body())
        with self.store.lock:
            staged = self.staged(container, blob)
            committed = {
                b: (e, s) for b, e, s in (self.store.values.get(("blob", container, blob)) or {"blocks": []})["blocks"]
            }
            blocks = []
            for item in tree:
                places = {"Latest": {**committed, **staged}, "Committed": committed, "Uncommitted": staged}[item.tag]
                if item.text not in places:
                    raise Refused(400, "InvalidBlockList")
                blocks.append((item.text, *places[item.text]))
            self.write(container, blob, [(e, s) for _, e, s in blocks], blocks, self.properties())

    def change(self, container: str, blob: str, status: int, renew: bool, **values: object) -> None:
        with self.store.lock:
            old = self.blob(container, blob)
            self.check_lease(old)
            new = {**old, **(self.store.etag() if renew else {}), **values}
            self.store.commit((("blob", container, blob), new))
            self.answer(status, {"ETag": new["ETag"], "Last-Modified": new["Last-Modified"]} if renew else {})

    def put_blob_metadata(self, container: str, blob: str) -> None:
        self.change(container, blob, 200, True, metadata=self.metadata())

    def put_blob_properties(self, container: str, blob: str) -> None:
        self.change(container, blob, 200, True, properties=self.properties())

    def put_blob_tier(self, container: str, blob: str) -> None:
        self.change(container, blob, 200, False, tier=self.headers["x-ms-access-tier"])

    def put_blob_tags(self, container: str, blob: str) -> None:
        tags = {t.findtext("Key"): t.findtext("Value") for t in ElementTree.fromstring(self.body()).iter("Tag")}
        self.change(container, blob, 204, False, tags=tags)

    def put_blob_lease(self, container: str, blob: str) -> None:
        with self.store.lock:
            old = self.blob(container, blob)
            self.lease(("blob", container, blob), old)

    def lease(self, key: tuple, old: dict) -> None:
        action, given = self.headers["x-ms-lease-action"], self.headers.get("x-ms-lease-id")
        if action not in ("acquire", "break") and given != old.get("lease"):
            raise Refused(409, "LeaseIdMismatchWithLeaseOperation")
        proposed = self.headers.get("x-ms-proposed-lease-id")
        new = {"acquire": proposed, "change": proposed, "renew": given}.get(action)
        self.store.commit((key, {**old, "lease": new}))
        self.answer({"acquire": 201, "break": 202}.get(action, 200), {"ETag": old["ETag"]})

    def delete_blob(self, container: str, blob: str) -> None:
        with self.store.lock:
            old = self.blob(container, blob)
            self.check_lease(old)
            self.store.commit((("blob", container, blob), None), *self.drop_staged(container, blob))
            if FAULT == "extent":
                for extent, size in old["extents"]:
                    open(self.store.path(extent), "wb").write(bytes(size))
        self.answer(202)

    def get_blob(self, container: str, blob: str) -> None:
        with self.store.lock:
            found = self.blob(container, blob)
            data = b"".join(self.read(extent) for extent, _ in found["extents"]) if self.command == "GET" else b""
        headers = {
            **found["metadata"],
            **found["properties"],
            "ETag": found["ETag"],
            "Last-Modified": found["Last-Modified"],
            "x-ms-lease-status": "locked" if found["lease"] else "unlocked",
            "x-ms-access-tier": found["tier"],
            **({"x-ms-tag-count": str(len(found["tags"]))} if found["tags"] else {}),
        }
        if self.command == "HEAD":
            headers["Content-Length"] = str(sum(size for _, size in found["extents"]))
        self.answer(200, headers, data)

    head_blob = get_blob

    def read(self, extent: str) -> bytes:
        try:
            with open(self.store.path(extent), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return b""

    def get_blob_tags(self, container: str, blob: str) -> None:
        tags = self.blob(container, blob)["tags"]
        items = "".join(f"<Tag><Key>{k}</Key><Value>{v}</Value></Tag>" for k, v in tags.items())
        self.answer(200, {}, f"<Tags><TagSet>{items}</TagSet></Tags>".encode())

    def get_blob_blocklist(self, container: str, blob: str) -> None:
        with self.store.lock:
            staged = self.staged(container, blob)
            blocks = (
                self.blob(container, blob)["blocks"]
                if not staged
                else (self.store.values.get(("blob", container, blob)) or {"blocks": []})["blocks"]
            )

        def render(items: list[tuple[str, int]]) -> str:
            return "".join(f"<Block><Name>{block}</Name><Size>{size}</Size></Block>" for block, size in items)

        self.answer(
            200,
            {},
            (
                f"<BlockList><CommittedBlocks>{render([(b, s) for b, _, s in blocks])}</CommittedBlocks><UncommittedBlocks>"
                f"{render([(b, s) for b, (_, s) in sorted(staged.items())])}</UncommittedBlocks></BlockList>"
            ).encode(),
        )

    # Containers

    def put_container(self, container: str, _: None) -> None:
        with self.store.lock:
            if ("container", container) in self.store.values:
                raise Refused(409, "ContainerAlreadyExists")
            new = {**self.store.etag(), "metadata": self.metadata(), "lease": None}
            undead = [
                (("blob", *k[1:]), v) for k, v in self.store.values.items() if k[0] == "undead" and k[1] == container
            ]
            self.store.commit((("container", container), new), *undead)
            self.answer(201, {"ETag": new["ETag"]})

    def put_container_metadata(self, container: str, _: None) -> None:
        with self.store.lock:
            new = {**self.store.values["container", container], **self.store.etag(), "metadata": self.metadata()}
            self.store.commit((("container", container), new))
            self.answer(200, {"ETag": new["ETag"]})

    def put_container_lease(self, container: str, _: None) -> None:
        with self.store.lock:
            self.lease(("container", container), self.store.values["container", container])

    def delete_container(self, container: str, _: None) -> None:
        with self.store.lock:
            self.check_lease(self.store.values["container", container])
            inside = [key for key in self.store.values if key[0] in ("blob", "staged") and key[1] == container]
            undead = [
                (("undead", *key[1:]), self.store.values[key])
                for key in inside
                if FAULT == "undead" and key[0] == "blob"
            ]
            self.store.commit((("container", container), None), *((key, None) for key in inside), *undead)
        self.answer(202)

    def get_container(self, container: str, _: None) -> None:
        found = self.store.values["container", container]
        self.answer(
            200,
            {
                **found["metadata"],
                "ETag": found["ETag"],
                "x-ms-lease-status": "locked" if found["lease"] else "unlocked",
            },
        )

    def get_container_list(self, container: str, _: None) -> None:
        include, prefix = self.query.get("include", ""), self.query.get("prefix", "")
        with self.store.lock:
            blobs = {k[2]: v for k, v in self.store.values.items() if k[0] == "blob" and k[1] == container}
            if "uncommittedblobs" in include:
                blobs = {**{k[2]: None for k in self.store.values if k[0] == "staged" and k[1] == container}, **blobs}
        names = sorted(name for name in blobs if name.startswith(prefix) and name > self.query.get("marker", ""))
        page = names[: int(self.query.get("maxresults", 5000))]
        entries = []
        for name in page:
            blob = blobs[name]
            if blob is None:
                entries.append(
                    f"<Blob><Name>{escape(name)}</Name><Properties><Content-Length>0</Content-Length></Properties></Blob>"
                )
                continue
            metadata = "".join(f"<{k[10:]}>{v}</{k[10:]}>" for k, v in blob["metadata"].items())
            tags = "".join(f"<Tag><Key>{k}</Key><Value>{v}</Value></Tag>" for k, v in blob["tags"].items())
            entries.append(
                f"<Blob><Name>{escape(name)}</Name><Properties><Etag>{escape(blob['ETag'])[1:-1]}</Etag><Content-Length>"
                f"{sum(s for _, s in blob['extents'])}</Content-Length></Properties><Metadata>{metadata}</Metadata>"
                f"<Tags><TagSet>{tags}</TagSet></Tags></Blob>"
            )
        marker = page[-1] if len(page) < len(names) else ""
        self.answer(
            200,
            {},
            f"<EnumerationResults><Blobs>{''.join(entries)}</Blobs><NextMarker>{escape(marker)}</NextMarker></EnumerationResults>".encode(),
        )

    def get_container_blobs(self, container: str, _: None) -> None:
        key, value = re.fullmatch(r"\"(\w+)\" = '(\w+)'", self.query["where"]).groups()
        with self.store.lock:
            names = [
                k[2]
                for k, v in self.store.values.items()
                if k[:2] == ("blob", container) and v["tags"].get(key) == value
            ]
        blobs = "".join(f"<Blob><Name>{escape(name)}</Name></Blob>" for name in names)
        self.answer(200, {}, f"<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker/></EnumerationResults>".encode())

    def post_container_batch(self, container: str, _: None) -> None:
        parts = []
        for part in self.body().decode().split("--batch_")[1:-1]:
            number = re.search(r"Content-ID: (\d+)", part)[1]
            name = urllib.parse.unquote(re.search(r"DELETE /[^/]+/[^/]+/(\S+) HTTP", part)[1])
            lease = re.search(r"x-ms-lease-id: (\S+)", part)
            with self.store.lock:
                old = self.blob(container, name)
                status = (
                    "412 Precondition Failed"
                    if old["lease"] and old["lease"] != (lease and lease[1])
                    else "202 Accepted"
                )
                if status.startswith("202"):
                    self.store.commit((("blob", container, name), None), *self.drop_staged(container, name))
            parts.append(
                f"--batchresponse_1\r\nContent-Type: application/http\r\nContent-ID: {number}\r\n\r\nHTTP/1.1 {status}\r\n\r\n"
            )
        self.answer(
            202,
            {"Content-Type": "multipart/mixed; boundary=batchresponse_1"},
            ("".join(parts) + "--batchresponse_1--").encode(),
        )


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def main() -> int:
    if sys.argv[1] == "version":
        print("stand-in")
        return 0
    arguments = dict(zip(sys.argv[2::2], sys.argv[3::2]))
    store = Store(arguments["--data"])
    if sys.argv[1] == "fsck":
        missing = [
            v
            for k, v in store.values.items()
            if k[0] == "blob"
            for e, _ in v["extents"]
            if not os.path.exists(store.path(e))
        ]
        print(f"{len(missing)} blobs without bytes")
        return 1 if missing or FAULT == "fsck" else 0
    host, port = arguments["--listen"].split(":")
    Handler.store = store
    server = Server((host, int(port)), Handler)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print(f"forebay ready blob=http://{host}:{port} admin=http://{arguments['--admin']}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
