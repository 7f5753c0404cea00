"""A node with TLS, accounts and roles beside an issuer that stands for Entra ID: where the identity tests start."""

import json
import os
import subprocess
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import node as nodes
from issuer import TENANT
from node import Node

OTHER_TENANT = "0f8d6a3c-55aa-4f09-8a8e-c1b2f7e99d42"
# Claims that are times, given to `mint` as seconds from now.
TIMES = ("exp", "nbf", "iat")


def now():
    return datetime.now(timezone.utc)


def later(minutes=60):
    return now() + timedelta(minutes=minutes)


@dataclass(frozen=True)
class Principal:
    """Somebody in the tenant; the names of roles are also the names of those who have them."""

    name: str

    def _id(self, kind):
        return str(uuid.uuid5(uuid.UUID(TENANT), f"{kind}/{self.name}"))

    @property
    def object_id(self):
        return self._id("object")

    @property
    def client_id(self):
        return self._id("client")

    @property
    def secret(self):
        return f"secret-of-{self._id('secret')}"

    def enrol(self, issuer):
        """Makes the principal known to the issuer, as an application with a secret."""
        return issuer.clients.get(self.client_id) or issuer.add_client(
            self.secret, client_id=self.client_id, object_id=self.object_id
        )

    def mint(self, issuer, **claims):
        """A token of this principal; times among the claims are seconds from now."""
        times = {name: issuer.now() + claims[name] for name in TIMES if name in claims}
        return issuer.mint(self.enrol(issuer), **{**claims, **times})


ROLES = ("reader", "contributor", "owner", "delegator")
READER, CONTRIBUTOR, OWNER, DELEGATOR = map(Principal, ROLES)
STRANGER = Principal("stranger")


class Deployment:
    """One node with a plain and a TLS listener and the account `harbor`, made on the command line as operators do."""

    def __init__(self, authority, issuer, *options, env=None, names=("localhost", "127.0.0.1", "*.blob.localhost")):
        certificate, key = authority.issue(*names)
        self.authority = authority
        self.issuer = issuer
        self.node = Node(
            dev=False, tls_listen="127.0.0.1:0", env=env,
            options=[
                "--tls-certificate", str(certificate), "--tls-key", str(key), "--entra-tenant", TENANT,
                "--entra-authority", issuer.url, "--entra-ca-file", str(authority.certificate), *options,
            ],
        )  # fmt: skip

    def start(self):
        self.node.start()
        try:
            self.administer("account", "create", "harbor")
        except BaseException:
            self.node.close()
            raise
        return self

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.node.close()

    # Administration

    def command(self, *arguments):
        return [
            str(nodes.binary()), *arguments, "--admin", self.node.admin_authority, "--data", str(self.node.data),
        ]  # fmt: skip

    def administer(self, *arguments):
        """Runs `forebay account …` or `forebay role …`. Returns what it prints."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
        done = subprocess.run(self.command(*arguments), env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"forebay {' '.join(arguments)} ended with {done.returncode}: {done.stderr}"
        return done.stdout

    def keys(self, account="harbor"):
        """The keys in use, key 1 first."""
        listed = json.loads(self.administer("account", "keys", account, "--json"))["keys"]
        return [item["key"] for item in sorted(listed, key=lambda item: item["number"])]

    def assign(self, principal, role, *scope, account="harbor"):
        """Returns the id of the assignment."""
        said = self.administer(
            "role", "assign", "--account", account, "--role", role, "--object", principal.object_id, *scope, "--json"
        )
        return json.loads(said)["id"]

    def remove(self, assignment, account="harbor"):
        self.administer("role", "remove", "--account", account, assignment)

    # Clients

    def url(self, account="harbor"):
        return f"{self.node.tls_url}/{account}"

    def connection_string(self, key, account="harbor"):
        return (
            f"DefaultEndpointsProtocol=https;AccountName={account};AccountKey={key};BlobEndpoint={self.url(account)};"
        )

    @property
    def options(self):
        """What every Azure client here is made with: the authority to trust, and no hidden second try."""
        return {"connection_verify": str(self.authority.certificate), "retry_total": 0}

    def service(self, credential=None, account="harbor"):
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient(self.url(account), credential=credential, **self.options)

    def delegation_key(self, principal, account="harbor"):
        """A user delegation key for a day, as the principal asks for it."""
        service = self.service(self.credential(principal), account)
        return service.get_user_delegation_key(later(-5), later(24 * 60))

    def credential(self, principal, **claims):
        return MintedCredential(self.issuer, principal, claims)

    def client_secret(self, principal):
        """azure-identity's own credential, pointed to the issuer."""
        from azure.identity import ClientSecretCredential

        principal.enrol(self.issuer)

        return ClientSecretCredential(
            TENANT, principal.client_id, principal.secret, authority=self.issuer.url, disable_instance_discovery=True,
            connection_verify=str(self.authority.certificate),
        )  # fmt: skip


class MintedCredential:
    """A token credential of our own: it asks nobody and remembers how it was asked."""

    def __init__(self, issuer, principal, claims):
        self._issuer, self._principal, self._claims = issuer, principal, claims
        self.asked = []

    def mint(self):
        return self._principal.mint(self._issuer, **self._claims)

    def get_token(self, *scopes, **options):
        from azure.core.credentials import AccessToken

        self.asked.append((scopes, options))
        # The client would keep a token that has not expired: it is to take what it is given.
        return AccessToken(self.mint(), int(time.time()) + 3600)

    def close(self):
        pass


class AsyncMintedCredential(MintedCredential):
    async def get_token(self, *scopes, **options):
        return super().get_token(*scopes, **options)

    async def close(self):
        pass

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass
