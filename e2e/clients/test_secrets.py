"""A node that says all it can, under every kind of credential: neither its log nor its audit lines nor its command line
nor what it stores may hold a key, a token or a signature."""

import base64
import contextlib
import json
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import parse_qs, quote, quote_plus, unquote

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.storage.blob import (
    AccessPolicy, AccountSasPermissions, BlobClient, BlobServiceClient, ContainerClient, ContainerSasPermissions,
    ResourceTypes, generate_account_sas, generate_blob_sas, generate_container_sas,
)  # fmt: skip

from identity import ROLES, STRANGER, Deployment, Principal

# Shorter texts would be found by chance.
SHORTEST_SECRET = 16


class Secrets:
    """Texts by what they are, in every form in which somebody could have written them down."""

    def __init__(self):
        self.texts = {}

    def add(self, what, text):
        assert len(text) >= SHORTEST_SECRET, f"{what} is too short to be looked for"
        forms = {text, unquote(text), quote(text, safe=""), quote_plus(text), quote(text)}
        with contextlib.suppress(ValueError):
            raw = base64.b64decode(text, validate=True)
            forms |= {raw.hex(), raw.hex().upper(), base64.urlsafe_b64encode(raw).decode().rstrip("=")}
        for form in forms:
            self.texts.setdefault(form.encode(), what)

    def add_token(self, what, token):
        self.add(what, token)
        self.add(f"the signature of {what}", token.rsplit(".", 1)[1])
        self.add(f"the claims of {what}", token.split(".")[1])

    def add_signature(self, what, sas):
        self.add(f"the signature of {what}", parse_qs(sas)["sig"][0])

    def found_in(self, data):
        return {what for text, what in self.texts.items() if text in data}


class Recorder(SansIOHTTPPolicy):
    """Takes the Authorization header of each request of a client."""

    def __init__(self, secrets, what):
        self._secrets, self._what = secrets, what

    def on_request(self, request):
        value = request.http_request.headers.get("Authorization", "")
        if value.startswith("SharedKey"):
            self._secrets.add(f"a Shared Key signature ({self._what})", value.rsplit(":", 1)[1])
        elif value.startswith("Bearer "):
            self._secrets.add_token(f"a token ({self._what})", value.removeprefix("Bearer "))


@pytest.fixture(scope="module")
def loud(authority, issuer, tmp_path_factory):
    """A node that has been asked everything, what it was told in confidence, and where it writes."""
    audit = tmp_path_factory.mktemp("audit") / "audit.log"
    options = ("--log-level", "trace", "--audit", str(audit))
    secrets = Secrets()
    with Deployment(authority, issuer, *options) as deployment:
        ask_everything(deployment, secrets)
        # Lines are written a little later than answers: the last answer's line says that all are there.
        last = deployment.service(deployment.keys()[0]).get_service_properties
        identity = []
        last(raw_response_hook=lambda answer: identity.append(answer.http_response.headers["x-ms-request-id"]))
        deadline = time.monotonic() + 30
        while identity[0] not in audit.read_text():
            assert time.monotonic() < deadline, "the last audit line has not come"
            time.sleep(0.1)
        yield deployment, secrets, audit


def ask_everything(harbor, secrets):
    for role in ROLES:
        harbor.assign(Principal(role), role)
    keys = harbor.keys()
    for number, key in enumerate(keys, 1):
        secrets.add(f"key {number}", key)
    secrets.add("the admin token", (harbor.node.data / "admin.token").read_text().strip())
    secrets.add("the node key", (harbor.node.data / "node.key").read_text().strip())
    for file in harbor.authority.directory.glob("*.key"):
        for line in file.read_text().splitlines()[1:-1]:
            secrets.add("a line of a TLS key", line) if len(line) >= SHORTEST_SECRET else None

    expiry = datetime.now(timezone.utc) + timedelta(hours=1)

    def client(credential, what):
        recorder = {"_additional_pipeline_policies": [Recorder(secrets, what)]}
        return BlobServiceClient(harbor.url(), credential=credential, **recorder, **harbor.options)

    def attempt(call):
        with contextlib.suppress(HttpResponseError):
            call()

    # Each kind of credential, for what it allows and for what it does not.
    service = client(keys[0], "key")
    box = service.create_container("box")
    box.upload_blob("kept", b"kept")
    box.set_container_access_policy({"p": AccessPolicy(ContainerSasPermissions(read=True), expiry=expiry)})
    signatures = {
        "an account SAS": generate_account_sas(
            "harbor", keys[0], ResourceTypes(service=True, container=True, object=True),
            AccountSasPermissions(read=True, write=True, list=True), expiry),
        "a container SAS": generate_container_sas("harbor", "box", keys[1], permission="rwl", expiry=expiry),
        "a blob SAS": generate_blob_sas("harbor", "box", "kept", account_key=keys[0], permission="r", expiry=expiry),
        "a SAS with a policy": generate_container_sas("harbor", "box", keys[0], policy_id="p"),
        "an expired SAS": generate_blob_sas(
            "harbor", "box", "kept", account_key=keys[0], permission="r", expiry=expiry - timedelta(days=1)),
        "a SAS with a wrong key": generate_blob_sas(
            "harbor", "box", "kept", account_key="bm90IHRoZSBrZXk=", permission="r", expiry=expiry),
    }  # fmt: skip
    for role in (*ROLES, STRANGER.name):
        as_role = client(harbor.credential(Principal(role)), role)
        attempt(as_role.get_blob_client("box", "kept").download_blob)
        attempt(lambda: as_role.get_container_client("box").upload_blob("kept", b"kept", overwrite=True))
        with contextlib.suppress(HttpResponseError):
            delegated = as_role.get_user_delegation_key(expiry - timedelta(hours=2), expiry)
            secrets.add(f"a user delegation key ({role})", delegated.value)
            signatures[f"a user delegation SAS ({role})"] = generate_blob_sas(
                "harbor", "box", "kept", user_delegation_key=delegated, permission="rw", expiry=expiry
            )
    assert any(what.startswith("a user delegation SAS") for what in signatures)
    for bad in ({"exp": -7200}, {"audience": "https://vault.azure.net"}, {"tid": "nobody"}, {"oid": None}):
        attempt(client(harbor.credential(Principal("owner"), **bad), f"bad {bad}").get_service_properties)
    attempt(client(base64.b64encode(b"another key, not the account's").decode(), "wrong key").get_service_properties)

    for what, sas in signatures.items():
        secrets.add_signature(what, sas)
        blob = BlobClient(harbor.url(), "box", "kept", credential=sas, **harbor.options)
        attempt(blob.download_blob)
        attempt(lambda: blob.upload_blob(b"kept", overwrite=True))
        attempt(lambda: list(ContainerClient(harbor.url(), "box", credential=sas, **harbor.options).list_blobs()))
        # As the source of copies, whole and by blocks; with a token of its own for the source.
        source = f"{box.url}/kept?{sas}"
        attempt(lambda: box.get_blob_client("copied").start_copy_from_url(source))
        attempt(lambda: box.get_blob_client("copied").upload_blob_from_url(source, overwrite=True))
        attempt(lambda: box.get_blob_client("copied").stage_block_from_url("QUJD", source))
    token = harbor.credential(Principal("reader")).mint()
    secrets.add_token("the token for a source", token)
    copied = box.get_blob_client("copied")
    attempt(lambda: copied.upload_blob_from_url(f"{box.url}/kept", source_authorization=f"Bearer {token}"))
    attempt(lambda: box.delete_blobs("copied", "none"))
    ask_badly(harbor, secrets, signatures["a blob SAS"], keys[0])

    # What administrators do, and what they get wrong.
    secrets.add("key 1 after its rotation",
                json.loads(harbor.administer("account", "rotate-key", "harbor", "1", "--json"))["key"])  # fmt: skip
    harbor.administer("account", "show", "harbor")
    harbor.administer("account", "revoke-delegation-keys", "harbor")
    harbor.administer("account", "create", "quarry", "--json")
    for key in harbor.keys("quarry"):
        secrets.add("a key of another account", key)
    wrong = "a-wrong-admin-token-that-somebody-has-tried"
    secrets.add("a wrong admin token", wrong)
    headers = {"Authorization": f"Bearer {wrong}"}
    for path in ("/accounts", "/accounts/harbor/keys", "/metrics", "/status"):
        answer = requests.get(f"{harbor.node.admin_url}{path}", headers=headers, timeout=30)
        assert answer.status_code == 401 and wrong not in answer.text
    subprocess.run(harbor.command("account", "create", "harbor"), capture_output=True, check=False, timeout=60)


def ask_badly(harbor, secrets, sas, key):
    """Credentials where none belong, and broken ones."""
    stray = base64.b64encode(b"a secret that went astray in a request").decode()
    secrets.add("a stray secret", stray)
    url = f"{harbor.url()}/box/kept"
    for target, headers in (
        (url, {"Authorization": f"SharedKey harbor:{stray}"}),
        (url, {"Authorization": f"SharedKeyLite harbor:{stray}", "x-ms-date": "yesterday"}),
        (url, {"Authorization": f"Bearer {stray}"}),
        (url, {"Authorization": f"Bearer {stray}.{stray}.{stray}"}),
        (url, {"Authorization": stray}),
        (url, {"Authorization": f"Basic {stray}"}),
        (f"{url}?{sas}&sig={quote(stray)}", {}),
        (f"{url}?sv=2022-11-02&sr=b&sig={stray}", {}),
        (f"{url}?SIG={quote(stray, safe='')}&sv=bad", {}),
        (f"{url}/%zz?{sas}", {}),
        (f"{harbor.url()}/box?restype=container&comp=list&prefix=%ff&{sas}", {}),
        (f"{harbor.url()}x/box/kept?{sas}", {}),
    ):
        for root in ("", harbor.node.blob_url):
            address = target.replace(harbor.node.tls_url, root) if root else target
            requests.get(address, headers={"x-ms-version": "2023-11-03", **headers},
                         verify=str(harbor.authority.certificate), timeout=30)  # fmt: skip


def test_the_search_finds_what_is_there(loud):
    """A secret in any of its forms is found: otherwise the other tests here would prove nothing."""
    _, secrets, _ = loud
    assert len(secrets.texts) > 100
    kinds = " ".join(secrets.texts.values())
    for kind in ("key 1", "key 2", "token", "delegation key", "SAS", "Shared Key signature", "admin token"):
        assert kind in kinds
    sample = next(text for text, what in secrets.texts.items() if what == "key 2")
    assert "key 2" in secrets.found_in(b'{"k":"' + sample + b'"}')


def test_log(loud):
    deployment, secrets, _ = loud
    for file in deployment.node.log_files:
        data = file.read_bytes()
        assert secrets.found_in(data) == set(), file
    # It was loud: what was refused left its trace.
    assert b"trace" in data or b"debug" in data


def test_audit_lines(loud):
    _, secrets, audit = loud
    lines = audit.read_text().splitlines()
    kinds = {json.loads(line).get("AuthenticationType") for line in lines}
    assert {"AccountKey", "SAS", "OAuth"} <= kinds
    assert any("sig=" in json.loads(line)["Uri"] for line in lines)
    assert secrets.found_in(audit.read_bytes()) == set()


def test_command_line_and_environment(loud):
    deployment, secrets, _ = loud
    for page in ("cmdline", "environ", "comm"):
        assert secrets.found_in(Path(f"/proc/{deployment.node.pid}/{page}").read_bytes()) == set(), page


def test_stored_data(loud):
    """Keys lie sealed; only the files that are secrets themselves hold some, and only their owner can read those."""
    deployment, secrets, _ = loud
    for file in sorted(deployment.node.data.rglob("*")):
        if file.name in ("admin.token", "node.key"):
            assert file.stat().st_mode & 0o077 == 0, file
        elif file.is_file():
            raw = {base64.b64decode(key): "a key" for key in (*deployment.keys(), *deployment.keys("quarry"))}
            data = file.read_bytes()
            assert secrets.found_in(data) == set() and not any(key in data for key in raw), file


def test_admin_pages(loud):
    """Only the page of an account's keys shows keys."""
    deployment, secrets, _ = loud
    token = (deployment.node.data / "admin.token").read_text().strip()
    for path in ("/accounts", "/accounts/harbor", "/accounts/harbor/roles", "/metrics", "/status", "/healthz/ready"):
        answer = requests.get(
            f"{deployment.node.admin_url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        assert answer.status_code == 200, path
        assert secrets.found_in(answer.content) == set(), path
    keys = requests.get(
        f"{deployment.node.admin_url}/accounts/harbor/keys", headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert keys.headers["Cache-Control"] == "no-store"
    assert deployment.keys()[0] in keys.text
