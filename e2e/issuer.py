"""A stand-in for Entra ID: discovery documents, keys, the token endpoints of applications and of managed identities.

    with Issuer(certificate=..., private_key=...) as issuer:
        issuer.add_client("secret")                     # an application that may ask for tokens
        issuer.mint(oid=..., exp=issuer.now() - 3600)   # any token, also a bad one
        issuer.rotate()                                 # new tokens are signed with a new key
        issuer.requests["/common/discovery/keys"]       # how often something was asked for

Runs by itself too: `python e2e/issuer.py --help`. Its shapes are those of Entra's documentation; it checks nothing but
what a test needs, and nobody outside of a test may trust it.
"""

from __future__ import annotations

import argparse
import base64
import collections
import json
import ssl
import threading
import time
import urllib.parse
import uuid
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

TENANT = "7a1c0de0-0000-4000-8000-00000000beef"
STORAGE = "https://storage.azure.com"
TOKEN_SECONDS = 3600
PUBLIC_AUTHORITY = "https://login.microsoftonline.com"
MAX_FORM_BYTES = 64 * 1024


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def new_id() -> str:
    return str(uuid.uuid4())


class SigningKey:
    """An RSA key under a name."""

    def __init__(self, name: str | None = None, bits: int = 2048):
        self.name = name or f"key-{uuid.uuid4().hex[:12]}"
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)

    @property
    def pem(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def jwk(self) -> dict:
        numbers = self.private.public_key().public_numbers()
        return {
            "kty": "RSA",
            "use": "sig",
            "kid": self.name,
            "x5t": self.name,
            "n": base64url(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
            "e": base64url(numbers.e.to_bytes(3, "big")),
        }

    def sign(self, header: dict, payload: dict) -> str:
        """A token with exactly this header and payload; RS256 unless the header's `alg` is one that PyJWT knows."""
        parts = [base64url(json.dumps(part, separators=(",", ":")).encode()) for part in (header, payload)]
        signing_input = ".".join(parts).encode()
        signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(signing_input, self.private)
        return ".".join([*parts, base64url(signature)])


@dataclass
class Client:
    """An application, or a managed identity when it has a resource."""

    secret: str
    client_id: str = field(default_factory=new_id)
    object_id: str = field(default_factory=new_id)
    groups: list[str] = field(default_factory=list)
    #: The ARM id of a managed identity: `xms_mirid`.
    resource_id: str | None = None


class Issuer:
    """Serves HTTPS when it has a certificate, HTTP otherwise; on a port of its own unless one is named.

    `authority` is the address by which the node and the clients know it, when that is not where it listens: with
    `https://login.microsoftonline.com` and a hosts file it stands in Entra's own place, version 1 issuer included.
    """

    def __init__(self, *, tenant=TENANT, host="127.0.0.1", port=0, certificate=None, private_key=None, authority=None,
                 token_version=1):
        self.tenant = tenant
        self.token_version = token_version
        self.keys = [SigningKey()]
        self.clients: dict[str, Client] = {}
        #: The identity of "this machine", which the metadata endpoint gives to whoever names none.
        self.machine = Client(
            secret="", resource_id="/subscriptions/s/resourcegroups/r/providers/Microsoft.Compute/virtualMachines/t1")
        #: Path -> count, without queries.
        self.requests: collections.Counter[str] = collections.Counter()
        #: Answers 503 to everything while it is true.
        self.is_down = False
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer((host, port), self._handler())
        self._server.daemon_threads = True
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, private_key)
            # Handshakes belong to the connection's own thread, so that a silent client holds up nobody.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False)
            scheme = "https"
        self.port = self._server.server_address[1]
        self.url = f"{scheme}://{host}:{self.port}"
        self.authority = (authority or self.url).rstrip("/")
        self._thread = threading.Thread(target=self._server.serve_forever, name="issuer", daemon=True)

    # Life

    def start(self) -> Issuer:
        self._thread.start()
        return self

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Issuer:
        return self.start()

    def __exit__(self, *_) -> None:
        self.close()

    # What tests ask for

    @staticmethod
    def now() -> int:
        return int(time.time())

    @property
    def key(self) -> SigningKey:
        """The one that tokens are signed with."""
        return self.keys[-1]

    @property
    def key_set(self) -> bytes:
        """What the keys endpoint answers, and what a node without a way out reads from a file."""
        return json.dumps({"keys": [key.jwk for key in self.keys]}).encode()

    def rotate(self, *, keep_old=True) -> SigningKey:
        """Signs with a new key from now on; the old ones stay published unless they are not to be kept."""
        key = SigningKey()
        with self._lock:
            self.keys = [*(self.keys if keep_old else []), key]
        return key

    def add_client(self, secret: str, **properties) -> Client:
        client = Client(secret, **properties)
        self.clients[client.client_id] = client
        return client

    def issuer_name(self, version: int | None = None) -> str:
        if (version or self.token_version) == 2:
            return f"{self.authority}/{self.tenant}/v2.0"
        return f"{'https://sts.windows.net' if self.authority == PUBLIC_AUTHORITY else self.authority}/{self.tenant}/"

    def claims(self, client: Client | None = None, *, audience=STORAGE, version=None, user=None, **changes) -> dict:
        """A good token's claims for an application, or for a user (`user` is an object id) by way of it.

        `changes` replace claims; None takes one away.
        """
        client = client or self.machine
        version = version or self.token_version
        now = self.now()
        claims = {
            "aud": audience,
            "iss": self.issuer_name(version),
            "iat": now - 5,
            "nbf": now - 5,
            "exp": now + TOKEN_SECONDS,
            "oid": user or client.object_id,
            "sub": user or client.object_id,
            "tid": self.tenant,
            "uti": uuid.uuid4().hex[:22],
            "ver": f"{version}.0",
            "azp" if version == 2 else "appid": client.client_id,
            "azpacr" if version == 2 else "appidacr": "1",
        }
        if user:
            claims.update(idtyp="user", scp="user_impersonation", upn="mara@example.net")
        else:
            claims["idtyp"] = "app"
        if client.groups:
            claims["groups"] = client.groups
        if client.resource_id and not user:
            claims["xms_mirid"] = client.resource_id
        claims.update(changes)
        return {name: value for name, value in claims.items() if value is not None}

    def mint(self, client: Client | None = None, *, key: SigningKey | None = None, header: dict | None = None,
             **claims) -> str:
        """A token; `header` and the claims replace what a good one has, None takes it away."""
        key = key or self.key
        whole = {"typ": "JWT", "alg": "RS256", "kid": key.name, "x5t": key.name, **(header or {})}
        return key.sign({name: value for name, value in whole.items() if value is not None},
                        self.claims(client, **claims))

    def mint_unsigned(self, client: Client | None = None, **claims) -> str:
        """`alg` none."""
        return jwt.encode(self.claims(client, **claims), None, algorithm="none", headers={"kid": self.key.name})

    def mint_confused(self, client: Client | None = None, **claims) -> str:
        """HS256 with the published key as the secret: what a verifier takes that believes the header."""
        parts = [
            base64url(json.dumps(part).encode())
            for part in ({"typ": "JWT", "alg": "HS256", "kid": self.key.name}, self.claims(client, **claims))
        ]
        hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
        return ".".join([*parts, base64url(hmac.sign(".".join(parts).encode(), self.key.public_pem))])

    # What it serves

    def _discovery(self, version: int, tenant: str) -> dict:
        path = "/v2.0" if version == 2 else ""
        base = f"{self.authority}/{tenant}"
        issuer = self.issuer_name(version)
        return {
            "issuer": issuer.replace(self.tenant, "{tenantid}") if tenant in ("common", "organizations") else issuer,
            "authorization_endpoint": f"{base}/oauth2{path}/authorize",
            "token_endpoint": f"{base}/oauth2{path}/token",
            "jwks_uri": f"{base}/discovery/v2.0/keys" if version == 2 else f"{self.authority}/common/discovery/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _instance(self) -> dict:
        host = urllib.parse.urlsplit(self.authority).netloc
        return {
            "tenant_discovery_endpoint": f"{self.authority}/{self.tenant}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }

    def _get(self, path: str, query: dict, headers) -> tuple[int, dict]:
        parts = path.strip("/").split("/")
        if path == "/metadata/identity/oauth2/token":
            return self._machine_token(query, headers)
        if path == "/common/discovery/instance":
            return 200, self._instance()
        if parts[0] not in (self.tenant, "common", "organizations"):
            return 400, {"error": "invalid_tenant", "error_description": "AADSTS90002: tenant not found"}
        match parts[1:]:
            case ["v2.0", ".well-known", "openid-configuration"]:
                return 200, self._discovery(2, parts[0])
            case [".well-known", "openid-configuration"]:
                return 200, self._discovery(1, parts[0])
            case ["discovery", "v2.0", "keys"] | ["discovery", "keys"]:
                return 200, json.loads(self.key_set)
        return 404, {"error": "not_found"}

    def _post(self, path: str, form: dict, headers) -> tuple[int, dict]:
        match path.strip("/").split("/"):
            case [self.tenant, "oauth2", "v2.0", "token"]:
                audience = form.get("scope", "").split(" ")[0].removesuffix("/.default")
            case [self.tenant, "oauth2", "token"]:
                audience = form.get("resource", "")
            case _:
                return 404, {"error": "not_found"}
        if form.get("grant_type") != "client_credentials":
            return 400, self._error("unsupported_grant_type", "AADSTS70003: the grant type is not supported")
        client_id, secret = form.get("client_id"), form.get("client_secret")
        if headers.get("authorization", "").startswith("Basic "):
            basic = base64.b64decode(headers["authorization"][6:]).decode()
            client_id, secret = map(urllib.parse.unquote, basic.split(":", 1))
        client = self.clients.get(client_id or "")
        if not client or client.secret != secret:
            return 401, self._error("invalid_client", "AADSTS7000215: invalid client secret provided")
        if not audience:
            return 400, self._error("invalid_scope", "AADSTS70011: no scope or resource")
        return 200, self._answer(client, audience, texts="v2.0" not in path)

    def _machine_token(self, query: dict, headers) -> tuple[int, dict]:
        if headers.get("metadata", "").lower() != "true" or "x-forwarded-for" in headers:
            return 400, {"error": "invalid_request", "error_description": "Required metadata header not specified"}
        if not query.get("resource"):
            return 400, {"error": "invalid_request", "error_description": "Required query variable 'resource'"}
        client = self.machine
        if name := query.get("client_id"):
            client = self.clients.get(name)
        elif name := query.get("object_id"):
            client = next((known for known in self.clients.values() if known.object_id == name), None)
        elif name := query.get("msi_res_id") or query.get("mi_res_id"):
            client = next((known for known in self.clients.values() if known.resource_id == name), None)
        if not client or not client.resource_id:
            return 400, {"error": "invalid_request", "error_description": "Identity not found"}
        return 200, {**self._answer(client, query["resource"], texts=True), "client_id": client.client_id}

    def _answer(self, client: Client, audience: str, *, texts: bool) -> dict:
        """The version 1 endpoint and the metadata endpoint write numbers as texts, and say more."""
        number = str if texts else int
        answer = {
            "token_type": "Bearer",
            "expires_in": number(TOKEN_SECONDS),
            "ext_expires_in": number(TOKEN_SECONDS),
            "access_token": self.mint(client, audience=audience),
        }
        if texts:
            now = self.now()
            answer.update(expires_on=str(now + TOKEN_SECONDS), not_before=str(now), resource=audience)
        return answer

    @staticmethod
    def _error(code: str, description: str) -> dict:
        return {"error": code, "error_description": description, "error_codes": [], "trace_id": new_id(),
                "correlation_id": new_id()}

    def _handler(self):
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def _serve(self, answer):
                url = urllib.parse.urlsplit(self.path)
                with issuer._lock:
                    issuer.requests[url.path] += 1
                body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_FORM_BYTES))
                pairs = urllib.parse.parse_qsl(body.decode() if self.command == "POST" else url.query)
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, value = (503, {}) if issuer.is_down else answer(url.path, dict(pairs), headers)
                text = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self):
                self._serve(issuer._get)

            def do_POST(self):
                self._serve(issuer._post)

            def log_message(self, *_):
                pass

        return Handler


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", help="PEM; with it the issuer speaks HTTPS")
    parser.add_argument("--private-key", help="PEM, of the certificate")
    parser.add_argument("--tenant", default=TENANT)
    parser.add_argument("--authority", help="how the node and the clients call it (default: where it listens)")
    parser.add_argument("--client", action="append", default=[], metavar="CLIENT_ID:OBJECT_ID:SECRET",
                        help="an application; of a test, its secret is none")
    parser.add_argument("--keys-file", help="writes the key set there")
    options = parser.parse_args()
    issuer = Issuer(
        tenant=options.tenant, host=options.host, port=options.port, certificate=options.certificate,
        private_key=options.private_key, authority=options.authority)
    for text in options.client:
        client_id, object_id, secret = text.split(":", 2)
        issuer.add_client(secret, client_id=client_id, object_id=object_id)
    if options.keys_file:
        with open(options.keys_file, "wb") as file:
            file.write(issuer.key_set)
    with issuer:
        print(f"issuer ready url={issuer.url} authority={issuer.authority} tenant={issuer.tenant}", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
