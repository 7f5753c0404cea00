"""Accounts, roles and the admin port, through the command line of the released binary and a real client."""

import json
import os
import re
import stat
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.storage.blob import BlobServiceClient

import node as nodes
import wire
from node import ACCOUNTS, ROOT, Node

OID = "0b8a7f0e-5a5e-4f0e-8a39-0d1f0f2f9a11"


@pytest.fixture
def managed(tmp_path):
    """A node without any account in its configuration, with its log at hand."""
    with Node(dev=False, options=["--log-level", "trace", "--audit", str(tmp_path / "audit.log")]) as started:
        yield started


def environment(node, **more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOREBAY_")}
    return {**kept, "FOREBAY_ADMIN": node.admin_url.removeprefix("http://"), "FOREBAY_DATA": str(node.data), **more}


def forebay(node, *arguments, **more):
    """Exit status, standard output and standard error of a command."""
    done = subprocess.run(
        [str(nodes.binary()), *arguments], env=environment(node, **more), capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def document(node, *arguments):
    status, out, err = forebay(node, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)


def keys(node, account):
    return [key["key"] for key in document(node, "account", "keys", account)["keys"]]


def service(node, account, key):
    return BlobServiceClient(
        f"{node.blob_url}/{account}", credential={"account_name": account, "account_key": key}, retry_total=0
    )


def opens(node, account, key):
    try:
        list(service(node, account, key).list_containers())
    except (ClientAuthenticationError, ResourceNotFoundError):
        return False
    return True


def get(node, path, token=None, **headers):
    request = urllib.request.Request(node.admin_url + path, headers=headers)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.headers
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.headers


def test_an_account_lives_without_a_restart(managed):
    assert document(managed, "account", "list") == {"accounts": []}
    made = document(managed, "account", "create", "harbor")
    assert made["name"] == "harbor" and not made["configured"]
    first, second = keys(managed, "harbor")
    service(managed, "harbor", first).create_container("box").upload_blob("name", b"bytes")
    assert opens(managed, "harbor", second)

    rotated = document(managed, "account", "rotate-key", "harbor", "1")
    assert rotated["number"] == 1 and rotated["key"] not in (first, second)
    assert not opens(managed, "harbor", first)
    assert opens(managed, "harbor", second) and opens(managed, "harbor", rotated["key"])

    role = document(managed, "role", "assign", "--account", "harbor", "--role", "reader", "--object", OID)
    document(managed, "account", "set", "harbor", "--sas", "off", "--requests-per-second", "1000")

    managed.restart()
    assert not opens(managed, "harbor", first)
    assert service(managed, "harbor", second).get_blob_client("box", "name").download_blob().readall() == b"bytes"
    shown = document(managed, "account", "show", "harbor")
    assert shown["allowSAS"] is False and shown["limits"]["account"] == {"requestsPerSecond": 1000}
    assert document(managed, "role", "list", "--account", "harbor") == {"roles": [role]}

    assert forebay(managed, "role", "remove", "--account", "harbor", role["id"])[0] == 0
    status, _, error = forebay(managed, "account", "delete", "harbor")
    assert status == 1 and "AccountNotEmpty" in error
    service(managed, "harbor", second).delete_container("box")
    assert forebay(managed, "account", "delete", "harbor")[0] == 0
    assert document(managed, "account", "list") == {"accounts": []}
    assert not opens(managed, "harbor", second)


def test_the_admin_port_wants_the_token(managed):
    assert get(managed, "/healthz/live")[0] == get(managed, "/healthz/ready")[0] == 200
    for path in ("/metrics", "/status", "/accounts", "/accounts/harbor/keys", "/nothing"):
        for token in (None, "x" * 44, managed.admin_token[:-1], managed.admin_token + "x"):
            status, headers = get(managed, path, token)
            assert status == 401 and headers["WWW-Authenticate"].startswith("Bearer"), path
    for path in ("/metrics", "/status", "/accounts"):
        assert get(managed, path, managed.admin_token)[0] == 200
    assert forebay(managed, "status")[0] == 0
    assert forebay(managed, "status", FOREBAY_ADMIN_TOKEN="x" * 44)[0] == 2
    assert forebay(managed, "account", "list", FOREBAY_DATA="/nowhere")[0] == 2
    assert forebay(managed, "account", "show", "nowhere")[0] == 1
    with Node(options=["--metrics-open"]) as scraped:
        assert [get(scraped, path)[0] for path in ("/metrics", "/status", "/accounts")] == [200, 200, 401]


def test_the_token_stays_on_the_machine(managed, tmp_path):
    """Neither the node nor its commands use it in plain text beyond loopback, unless they are told to."""
    for address in ("192.0.2.1:1", "0.0.0.0:1", "127.example.invalid:1"):
        status, _, error = forebay(managed, "status", FOREBAY_ADMIN=address)
        assert status == 2 and "--admin-plain" in error, error
        status, _, error = forebay(managed, "serve", "--data", str(tmp_path / "other"), "--admin", address)
        assert status == 64 and "admin-plain" in error, error
    port = managed.admin_url.rsplit(":", 1)[1]
    assert forebay(managed, "status", FOREBAY_ADMIN=f"localhost:{port}")[0] == 0
    assert forebay(managed, "status", FOREBAY_ADMIN=f"0.0.0.0:{port}", FOREBAY_ADMIN_PLAIN="true")[0] == 0
    assert forebay(managed, "status", "--admin", f"0.0.0.0:{port}", "--admin-plain")[0] == 0
    status, _, error = forebay(managed, "status", "--admin-certificate", str(tmp_path / "c.pem"))
    assert status == 2 and "--admin-ca" in error, error


def test_configured_accounts_keep_their_keys(tmp_path):
    with Node(dev=False, accounts=ACCOUNTS) as node:
        for arguments in (("keys", "harbor"), ("rotate-key", "harbor", "1"), ("delete", "harbor")):
            status, _, error = forebay(node, "account", *arguments)
            assert status == 1 and "AccountIsConfigured" in error
        assert document(node, "account", "set", "harbor", "--require-tls", "off")["configured"]


def test_neither_keys_nor_tokens_are_written_anywhere(managed, tmp_path):
    given = tmp_path / "keys"
    given.write_text(ACCOUNTS["quarry"][0] + "\n")
    assert forebay(managed, "account", "create", "quarry", "--keys-file", str(given))[0] == 0
    assert forebay(managed, "account", "create", "harbor")[0] == 0
    secrets = keys(managed, "harbor") + keys(managed, "quarry")
    secrets.append(document(managed, "account", "rotate-key", "harbor", "2")["key"])
    for key in secrets:
        opens(managed, "harbor", key)
    opens(managed, "quarry", secrets[2])
    get(managed, "/accounts?token=" + managed.admin_token, "x" * 44)
    get(managed, "/accounts", managed.admin_token + "x")
    secrets += [managed.admin_token, (Path(managed.data) / "node.key").read_text().strip()]
    managed.terminate()

    for name in ("node.key", "admin.token"):
        assert stat.S_IMODE((Path(managed.data) / name).stat().st_mode) == 0o600
    home = Path(managed.data).parent
    written = [path for path in [*home.rglob("*"), *tmp_path.rglob("*")] if path.is_file()]
    own = {Path(managed.data) / "node.key", Path(managed.data) / "admin.token", given}
    assert any("stderr" in path.name for path in written) and any(path.suffix == ".log" for path in written)
    for path in written:
        if path not in own:
            content = path.read_bytes()
            for secret in secrets:
                assert secret.encode() not in content, path


def test_a_lost_or_foreign_node_key_is_said_and_nothing_is_touched(managed, tmp_path):
    assert forebay(managed, "account", "create", "harbor")[0] == 0
    key = keys(managed, "harbor")[0]
    managed.terminate()
    assert wire.fsck(str(managed.data))[0] == 0
    kept = tmp_path / "node.key"
    (Path(managed.data) / "node.key").rename(kept)
    with pytest.raises(nodes.NodeError, match="sealed under a node key"):
        managed.start()
    assert not (Path(managed.data) / "node.key").exists()
    (Path(managed.data) / "node.key").write_text("A" * 43 + "=\n")
    with pytest.raises(nodes.NodeError, match="node key does not open"):
        managed.start()
    kept.rename(Path(managed.data) / "node.key")
    managed.start()
    assert opens(managed, "harbor", key)


def test_the_key_rotation_page_can_be_followed(managed, tmp_path):
    """Runs every command of docs/operations/key-rotation.md in its order, with its paths replaced by this node's."""
    assert forebay(managed, "account", "create", "harbor")[0] == 0
    first, second = keys(managed, "harbor")
    page = (ROOT / "docs/operations/key-rotation.md").read_text()
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", page, re.MULTILINE | re.DOTALL)
    commands = [line.strip() for block in blocks for line in block.splitlines()]
    assert len(commands) >= 7
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "forebay").symlink_to(nodes.binary())
    path = f"{tools}:{os.environ['PATH']}"
    for command in commands:
        if command.startswith("export "):
            assert command == "export FOREBAY_DATA=/var/lib/forebay"
            continue
        command = command.replace("/var/log/forebay/audit.log", str(tmp_path / "audit.log"))
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], env=environment(managed, PATH=path), capture_output=True,
            text=True, timeout=60, check=False,
        )  # fmt: skip
        if "grep" in command:
            assert done.returncode == 1 and not done.stderr, "nobody has signed with key 1"
            continue
        assert done.returncode == 0, f"{command}: {done.stderr}"
        if command == "forebay account keys harbor":
            assert done.stdout.splitlines()[2].split()[0] == "2", "key 2 is on the second line below the head"
        if command == "forebay account rotate-key harbor 1":
            assert not opens(managed, "harbor", first)
            assert opens(managed, "harbor", done.stdout.splitlines()[1].split()[2])
        if command == "forebay account rotate-key harbor 2":
            assert not opens(managed, "harbor", second)
