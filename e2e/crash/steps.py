"""The operations of the load: each is a request and what it does to the model. One place per operation."""

from __future__ import annotations

import base64
import hashlib
import random
import urllib.parse
import uuid
from dataclasses import dataclass, replace
from xml.sax.saxutils import escape

import wire
from content import Piece, md5, recipe, stream, total
from model import Blob, Change, State, alters, deletes, stages, writes

CONTAINER = "crash"
INLINE_BYTES = 16 * 1024
MIB = 1 << 20
LARGEST_BYTES = 20 * MIB
MAX_BLOCKS = 40
TIERS = ("Hot", "Cool", "Cold")


@dataclass(frozen=True)
class Step:
    """One request. `expect` is the status of success; `change` None means that the node must refuse it."""

    text: str
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes | wire.Body | None
    expect: int
    change: Change | None
    code: str | None = None


class Steps:
    """Makes the steps of one writer from its random numbers and the present state of a name."""

    def __init__(self, account: str, writer: int, rng: random.Random, options: frozenset[str]):
        self.account, self.rng, self.options = account, rng, options
        self.seeds = writer << 40
        self.number = 0

    def fresh(self, length: int) -> Piece:
        self.seeds += 1
        return Piece(self.seeds, length)

    def target(self, name: str, **query: str | int) -> str:
        return wire.target_of(self.account, CONTAINER, name, **query)

    def size(self) -> int:
        """Mostly small: on both sides of the inline bound, some of hundreds of KiB, few of many MiB."""
        kind = self.rng.random()
        if kind < 0.03:
            return 0
        if kind < 0.55:
            return self.rng.randint(1, INLINE_BYTES + 2048)
        if kind < 0.9:
            return self.rng.randint(INLINE_BYTES, MIB)
        return self.rng.randint(MIB, LARGEST_BYTES)

    def block_size(self) -> int:
        kind = self.rng.random()
        return self.rng.randint(1, 20_000 if kind < 0.5 else MIB if kind < 0.9 else 6 * MIB)

    # What a write carries

    def metadata(self, pieces: tuple[Piece, ...]) -> dict[str, str]:
        self.number += 1
        return {"recipe": recipe(pieces), "step": str(self.number)}

    def properties(self) -> dict[str, str]:
        values = {"content-type": f"text/x-{self.rng.randint(1, 99)}"}
        if self.rng.random() < 0.3:
            values["cache-control"] = f"max-age={self.rng.randint(1, 9999)}"
        if self.rng.random() < 0.2:
            values["content-language"] = self.rng.choice(["en", "de", "cy"])
        return values

    def tags(self) -> dict[str, str]:
        if self.rng.random() < 0.6:
            return {}
        return {
            "shelf": str(self.rng.randint(0, 5)),
            **({"n": str(self.rng.randint(0, 999))} if self.rng.random() < 0.5 else {}),
        }

    @staticmethod
    def carried(metadata: dict[str, str], properties: dict[str, str], tags: dict[str, str]) -> list[tuple[str, str]]:
        headers = [(f"x-ms-meta-{key}", value) for key, value in metadata.items()]
        headers += [(f"x-ms-blob-{key}", value) for key, value in properties.items()]
        if tags:
            headers.append(("x-ms-tags", urllib.parse.urlencode(tags)))
        return headers

    @staticmethod
    def lease_of(state: State) -> list[tuple[str, str]]:
        return [("x-ms-lease-id", state.blob.lease)] if state.blob is not None and state.blob.lease else []

    # Writes of content

    def put_blob(self, name: str, state: State, length: int | None = None) -> Step:
        piece = self.fresh(self.size() if length is None else length)
        pieces = (piece,)
        metadata, properties, tags = self.metadata(pieces), self.properties(), self.tags()
        digest = base64.b64encode(md5(pieces)).decode()
        headers = [("x-ms-blob-type", "BlockBlob"), *self.carried(metadata, properties, tags), *self.lease_of(state)]
        if self.rng.random() < 0.3:
            headers.append(("Content-MD5", digest))
        tier = state.blob.tier if state.blob is not None else None
        if self.rng.random() < 0.1:
            tier = self.rng.choice(TIERS)
            headers.append(("x-ms-access-tier", tier))
        if self.rng.random() < 0.2:
            headers += self.condition(state)
        blob = Blob(pieces, (), metadata, {**properties, "content-md5": digest}, tags, tier)
        return Step(
            f"put blob {piece}, tags {tags}, tier {tier}",
            "PUT",
            self.target(name),
            headers,
            self.body(pieces),
            201,
            writes(lambda _: blob),
        )

    @staticmethod
    def body(pieces: tuple[Piece, ...]) -> bytes | wire.Body:
        length = total(pieces)
        return b"".join(stream(pieces)) if length <= 64 * 1024 else wire.Body(length, lambda: stream(pieces))

    def condition(self, state: State) -> list[tuple[str, str]]:
        """A condition that holds, so that it is checked against what the node remembers."""
        if state.blob is None:
            return [("If-None-Match", "*")]
        return [("If-Match", state.blob.etag)] if state.blob.etag else []

    def put_block(self, name: str, state: State, block: str | None = None) -> Step:
        held = {p.length for may in state.staged.values() for p in may if p is not None}
        committed = [key for key, _ in state.blob.blocks] if state.blob is not None else []
        if block is None:
            known = committed + list(state.staged)
            block = self.rng.choice(known) if known and self.rng.random() < 0.25 else self.block_id()
        length = next(
            size for size in iter(self.block_size, None) if size not in held
        )  # size tells staged pieces apart
        piece = self.fresh(length)
        headers = self.lease_of(state)
        if self.rng.random() < 0.3:
            headers.append(("Content-MD5", base64.b64encode(md5((piece,))).decode()))
        target = self.target(name, comp="block", blockid=block)
        return Step(
            f"put block {block} {piece}", "PUT", target, headers, self.body((piece,)), 201, stages(block, piece)
        )

    def block_id(self) -> str:
        self.number += 1
        return base64.b64encode(b"%09d" % self.number).decode()

    def put_block_list(self, name: str, state: State) -> Step:
        staged = state.known_staged()
        committed = dict(state.blob.blocks) if state.blob is not None else {}
        ids = [key for key in staged if self.rng.random() < 0.85]
        ids += [key for key in committed if key not in ids and self.rng.random() < 0.6]
        self.rng.shuffle(ids)
        if ids and self.rng.random() < 0.2:
            ids.append(self.rng.choice(ids))  # a repeated id is allowed
        lines, blocks = [], []
        for key in ids[:MAX_BLOCKS]:
            kinds = ["Latest"] + ["Uncommitted"] * (key in staged) + ["Committed"] * (key in committed)
            kind = self.rng.choice(kinds)
            piece = committed[key] if kind == "Committed" or key not in staged else staged[key]
            if any(other == key and kept != piece for other, kept in blocks):
                continue  # one id with two contents in one list: the read-back list could not be told apart
            lines.append(f"<{kind}>{escape(key)}</{kind}>")
            blocks.append((key, piece))
        pieces = tuple(piece for _, piece in blocks)
        metadata, properties, tags = self.metadata(pieces), self.properties(), self.tags()
        if self.rng.random() < 0.3:
            properties["content-md5"] = base64.b64encode(hashlib.md5(recipe(pieces).encode()).digest()).decode()
        headers = [*self.carried(metadata, properties, tags), *self.lease_of(state)]
        if self.rng.random() < 0.2:
            headers += self.condition(state)
        xml = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{"".join(lines)}</BlockList>'.encode()
        blob = Blob(pieces, tuple(blocks), metadata, properties, tags)
        text = f"put block list [{' '.join(f'{key}={piece}' for key, piece in blocks)}], tags {tags}"
        return Step(text, "PUT", self.target(name, comp="blocklist"), headers, xml, 201, writes(lambda _: blob))

    def copy(self, name: str, state: State, source: str, origin: Blob, endpoint: str) -> Step:
        """Copy Blob From URL inside the account: the extents are shared, so a later delete of one must spare the other."""
        metadata = self.metadata(origin.pieces)
        url = f"{endpoint}{self.target(source)}"
        headers = [
            ("x-ms-copy-source", url),
            ("x-ms-requires-sync", "true"),
            *self.carried(metadata, {}, {}),
            *self.lease_of(state),
        ]
        blob = Blob(origin.pieces, origin.blocks, metadata, origin.properties)
        return Step(
            f"copy from {source} ({recipe(origin.pieces)})",
            "PUT",
            self.target(name),
            headers,
            b"",
            202,
            writes(lambda _: blob),
        )

    # Writes of what surrounds the content

    def set_metadata(self, name: str, state: State) -> Step:
        assert state.blob is not None
        metadata = self.metadata(state.blob.pieces)
        headers = [*self.carried(metadata, {}, {}), *self.lease_of(state)]
        return Step(
            f"set metadata step={metadata['step']}",
            "PUT",
            self.target(name, comp="metadata"),
            headers,
            b"",
            200,
            alters(True, metadata=metadata),
        )

    def set_properties(self, name: str, state: State) -> Step:
        properties = self.properties()
        if self.rng.random() < 0.5:
            properties["content-md5"] = base64.b64encode(self.rng.randbytes(16)).decode()
        headers = [*self.carried({}, properties, {}), *self.lease_of(state)]
        return Step(
            f"set properties {properties}",
            "PUT",
            self.target(name, comp="properties"),
            headers,
            b"",
            200,
            alters(True, properties=properties),
        )

    def set_tags(self, name: str, state: State) -> Step:
        tags = {"shelf": str(self.rng.randint(0, 5))} if self.rng.random() < 0.8 else {}
        items = "".join(f"<Tag><Key>{escape(k)}</Key><Value>{escape(v)}</Value></Tag>" for k, v in tags.items())
        xml = f'<?xml version="1.0" encoding="utf-8"?><Tags><TagSet>{items}</TagSet></Tags>'.encode()
        return Step(
            f"set tags {tags}",
            "PUT",
            self.target(name, comp="tags"),
            self.lease_of(state),
            xml,
            204,
            alters(False, tags=tags),
        )

    def set_tier(self, name: str, state: State) -> Step:
        tier = self.rng.choice(TIERS)
        headers = [("x-ms-access-tier", tier), *self.lease_of(state)]
        return Step(
            f"set tier {tier}", "PUT", self.target(name, comp="tier"), headers, b"", 200, alters(False, tier=tier)
        )

    def delete(self, name: str, state: State) -> Step:
        return Step("delete", "DELETE", self.target(name), self.lease_of(state), None, 202, deletes)

    # Leases: infinite ones, because only those do not depend on the clock

    def lease(self, name: str, state: State) -> Step:
        assert state.blob is not None
        held, new = state.blob.lease, str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        if held is None:
            headers = [("x-ms-lease-action", "acquire"), ("x-ms-lease-duration", "-1"), ("x-ms-proposed-lease-id", new)]
            status, after = 201, new
        else:
            action = self.rng.choice(["renew", "change", "release", "release", "break", "break"])
            headers = [("x-ms-lease-action", action)]
            if action != "break":
                headers.append(("x-ms-lease-id", held))
            if action == "change":
                headers.append(("x-ms-proposed-lease-id", new))
            status = 202 if action == "break" else 200
            after = {"renew": held, "change": new}.get(action)
        return Step(
            f"lease {headers[0][1]} {held or ''} -> {after}",
            "PUT",
            self.target(name, comp="lease"),
            headers,
            b"",
            status,
            alters(False, lease=after),
        )

    # What the node must refuse: the refusal proves that it still knows

    def refused(self, name: str, state: State) -> Step:
        blob = state.blob
        if blob is None:
            headers = [("x-ms-meta-recipe", "never")]
            return Step(
                "set metadata of nothing",
                "PUT",
                self.target(name, comp="metadata"),
                headers,
                b"",
                404,
                None,
                "BlobNotFound",
            )
        if blob.lease:
            wrong = replace(blob, lease=None)
            step = self.rng.choice([self.set_metadata, self.delete])(name, State(wrong))
            return replace(
                step, text=f"{step.text} without the lease id", expect=412, change=None, code="LeaseIdMissing"
            )
        headers = [("x-ms-blob-type", "BlockBlob"), ("If-None-Match", "*")]
        return Step("create what exists", "PUT", self.target(name), headers, b"never", 409, None, "BlobAlreadyExists")
