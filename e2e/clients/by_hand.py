"""Signed requests written by hand, for what no client library lets a test say."""

from dataclasses import dataclass
from xml.etree import ElementTree

import wire


@dataclass
class Reply:
    status: int
    headers: dict
    body: bytes

    @property
    def xml(self):
        return ElementTree.fromstring(self.body)

    @property
    def code(self):
        """The error code, on which header and body must agree."""
        header = self.headers.get("x-ms-error-code")
        if self.body:
            assert self.xml.tag == "Error"
            assert self.xml.findtext("Code") == header
            assert self.xml.findtext("Message")
        return header


def send(node, method, target, *, account, key, headers=None, body=b"", version="2021-08-06", lite=False, host=None):
    """One request; `target` is path and query as on the request line. Header names of the reply are lower case."""
    address, _, port = node.authority.rpartition(":")
    fields = [("Host", host or node.authority), *(headers or {}).items()]
    if body or method in ("PUT", "POST"):
        fields.append(("Content-Length", str(len(body))))
    fields = wire.signed(wire.Account(account, key), method, target, fields, lite=lite, version=version)
    with wire.Connection(address, int(port)) as connection:
        answer = connection.exchange(method, wire.head_bytes(method, target, fields), body)
    return Reply(answer.status, {name.lower(): value for name, value in answer.headers}, answer.body)
