"""boostedblob, unmodified, on the account's real name and port 443, with a key and with tokens.

The network is made by the commands of docs/operations/private-dns.md, as they stand there.
"""

import hashlib
import json
import os
import shutil

import pytest

from issuer import TENANT
from payload import KIB, MIB, payload, plant_tree, read_tree, sha256
from private_network import CALLER, NOBODY, REFRESH_TOKEN

SMALL_FILES = 2000
GIB = 1024 * MIB


def _key(network, home):
    return {"AZURE_STORAGE_ACCOUNT": "harbor", "AZURE_STORAGE_KEY": network.key()}


def _service_principal_file(network, home, principal=CALLER):
    file = home / f"{principal.name}.json"
    file.write_text(json.dumps({"appId": principal.client_id, "password": principal.secret, "tenant": TENANT}))
    return {"AZURE_APPLICATION_CREDENTIALS": str(file)}


def _connection_string(network, home):
    return {"AZURE_STORAGE_CONNECTION_STRING": f"AccountName=harbor;AccountKey={network.key()}"}


def _client_variables(network, home):
    return {
        "AZURE_CLIENT_ID": CALLER.client_id, "AZURE_CLIENT_SECRET": CALLER.secret, "AZURE_TENANT_ID": TENANT,
    }  # fmt: skip


def _azure_identity(network, home):
    return {"AZURE_USE_IDENTITY": "1", **_client_variables(network, home)}


def _managed_identity(network, home):
    return {"MSI_ENDPOINT": "https://login.microsoftonline.com/msi/token"}


def _azure_cli_cache(network, home):
    (home / ".azure").mkdir()
    token = {"credential_type": "RefreshToken", "secret": REFRESH_TOKEN}
    (home / ".azure/msal_token_cache.json").write_text(json.dumps({"RefreshToken": {"x": token}}))
    return {}


def _key_by_way_of_management(network, home):
    """A principal without a role, whom the management API gives the account's key."""
    return {**_service_principal_file(network, home, NOBODY), "BBB_SA_KEY_FALLBACK": "1"}


MODES = {"key": _key, "token": _service_principal_file}
OTHER_WAYS = {
    "connection-string": _connection_string, "client-variables": _client_variables,
    "azure-identity": _azure_identity, "managed-identity": _managed_identity, "azure-cli": _azure_cli_cache,
    "key-by-way-of-management": _key_by_way_of_management,
}  # fmt: skip


class Boosted:
    """`bbb` with one credential, in a home directory of its own: it keeps tokens there."""

    def __init__(self, network, home, mode):
        home.mkdir()
        self.network, self.home = network, home
        self.env = mode(network, home)

    def run(self, *arguments, check=True, timeout=300):
        done = self.network.run("bbb", *arguments, env=self.env, home=self.home, timeout=timeout)
        if check and done.returncode != 0:
            pytest.fail(f"bbb {' '.join(map(str, arguments))} ended with {done.returncode}\n"
                        f"{done.stderr.decode(errors='replace')[-4000:]}")  # fmt: skip
        # It tells of requests that failed and were made again only from the third time on; none may be.
        assert b"Error when executing request" not in done.stderr, done.stderr.decode(errors="replace")[-4000:]
        return done

    def lines(self, *arguments):
        return self.run(*arguments).stdout.decode().splitlines()


@pytest.fixture(params=MODES)
def bbb(request, private_network, tmp_path):
    return Boosted(private_network, tmp_path / "home", MODES[request.param])


@pytest.fixture(scope="module")
def service(private_network):
    """The account's containers are made by a signed request: boostedblob makes none."""
    script = (
        "import sys\n"
        "from azure.storage.blob import BlobServiceClient\n"
        "service = BlobServiceClient('https://' + sys.argv[1] + '.blob.core.windows.net', sys.argv[2], retry_total=0)\n"
        "service.create_container(sys.argv[3])\n"
    )

    def create(account, name):
        done = private_network.run("python", "-c", script, account, private_network.key(account), name)
        assert done.returncode == 0, done.stderr.decode()[-4000:]
        return f"az://{account}/{name}"

    return create


@pytest.fixture
def place(service, container_name):
    return service("harbor", container_name)


def plant(root, count, **options):
    """Small files without empty ones: boostedblob signs those with a length of 0, which Azure refuses too."""
    planted = plant_tree(root, count, **options)
    for path, data in planted.items():
        if data == b"":
            (root / path).write_bytes(path.encode())
    return planted


@pytest.mark.big
def test_a_tree(bbb, place, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    planted = plant(source, SMALL_FILES)
    bbb.run("cptree", "-q", source, f"{place}/tree")
    sizes = {path: (source / path).stat().st_size for path in planted}

    listed = bbb.lines("lstree", "--relative", f"{place}/tree")
    assert sorted(listed) == sorted(planted)
    told = dict(reversed(line.split(None, 2)[0::2]) for line in bbb.lines("lstree", "-l", "--machine", f"{place}/tree"))
    assert told == {f"{place}/tree/{path}": str(size) for path, size in sizes.items()}
    assert sorted(bbb.lines("ls", "-s", f"{place}/tree")) == sorted({path.split("/")[0] + "/" for path in planted})

    bbb.run("cptree", "-q", f"{place}/tree", target)
    assert read_tree(target) == read_tree(source)

    # What has changed, gone and come since.
    paths = sorted(planted)
    for path in paths[:40]:
        (source / path).write_bytes(b"changed " + path.encode())
        os.utime(source / path, (2_000_000_000, 2_000_000_000))
    for path in paths[40:90]:
        (source / path).unlink()
    (source / "new").mkdir()
    (source / "new/file").write_bytes(b"new")
    bbb.run("sync", "-q", "--delete", source, f"{place}/tree")
    assert sorted(bbb.lines("lstree", "-s", f"{place}/tree")) == sorted(read_tree(source))
    shutil.rmtree(target)
    bbb.run("sync", "-q", "--delete", f"{place}/tree", target)
    assert read_tree(target) == read_tree(source)

    bbb.run("rmtree", "-q", f"{place}/tree")
    assert bbb.run("lstree", f"{place}/tree", check=False).returncode != 0
    assert bbb.lines("ls", place) == []


@pytest.mark.big
def test_a_gibibyte(bbb, place, tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    piece = payload(64 * MIB)
    with open(source, "wb") as file:
        for index in range(GIB // len(piece)):
            # No two blocks of boostedblob's 32 MiB are the same.
            file.write(index.to_bytes(8, "big") + piece[8:])
    assert source.stat().st_size == GIB
    bbb.run("cp", "-q", source, f"{place}/dir/large.bin", timeout=600)
    assert bbb.lines("ls", "-l", "--machine", f"{place}/dir/large.bin")[0].split()[0] == str(GIB)
    bbb.run("cp", "-q", f"{place}/dir/large.bin", target, timeout=600)
    assert digest(target) == digest(source)
    target.unlink()
    source.unlink()
    bbb.run("rm", "-q", f"{place}/dir/large.bin")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def test_single_files(bbb, place, tmp_path):
    names = {"plain.txt": b"1", "a b+c&d=1.txt": b"22", "ü/漢字 🚀.bin": payload(100 * KIB), "q?#100%25'.txt": b"4"}
    for name, data in names.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(data)
        bbb.run("cp", "-q", tmp_path / "in" / name, f"{place}/{name}")
        assert bbb.run("cat", f"{place}/{name}").stdout == data
    assert sorted(bbb.lines("lstree", "-s", place)) == sorted(names)
    # Inside the account the node copies by itself.
    bbb.run("cp", "-q", f"{place}/ü/漢字 🚀.bin", f"{place}/copied.bin")
    assert sha256(bbb.run("cat", f"{place}/copied.bin").stdout) == sha256(names["ü/漢字 🚀.bin"])
    bbb.run("cptree", "-q", f"{place}/ü", f"{place}/v")
    assert bbb.lines("lstree", "-s", f"{place}/v") == ["漢字 🚀.bin"]
    bbb.run("rm", "-q", f"{place}/copied.bin", f"{place}/plain.txt")
    assert sorted(bbb.lines("ls", "-s", place)) == sorted(["a b+c&d=1.txt", "q?#100%25'.txt", "v/", "ü/"])
    missing = bbb.run("cat", f"{place}/plain.txt", check=False)
    assert missing.returncode != 0 and b"FileNotFoundError" in missing.stderr


def test_between_accounts(private_network, service, container_name, tmp_path):
    """Put Block From URL with a user delegation signature that boostedblob makes for the source."""
    source, target = service("harbor", container_name), service("quarry", container_name)
    bbb = Boosted(private_network, tmp_path / "home", _service_principal_file)
    data = payload(70 * MIB)
    (tmp_path / "data").write_bytes(data)
    bbb.run("cp", "-q", tmp_path / "data", f"{source}/a b/data")
    bbb.run("cp", "-q", f"{source}/a b/data", f"{target}/data")
    assert sha256(bbb.run("cat", f"{target}/data").stdout) == sha256(data)
    url = next(word for word in bbb.run("share", f"{source}/a b/data").stdout.decode().split() if "sig=" in word)
    fetch = "import requests, sys; answer = requests.get(sys.argv[1]); sys.stdout.buffer.write(answer.content)"
    assert sha256(private_network.run("python", "-c", fetch, url).stdout) == sha256(data)


@pytest.mark.parametrize("way", OTHER_WAYS)
def test_other_ways_to_a_credential(private_network, place, tmp_path, way):
    bbb = Boosted(private_network, tmp_path / "home", OTHER_WAYS[way])
    (tmp_path / "file").write_bytes(way.encode())
    bbb.run("cp", "-q", tmp_path / "file", f"{place}/file")
    assert bbb.run("cat", f"{place}/file").stdout == way.encode()
    assert f"{place}/" in [line if line.endswith("/") else f"{line}/" for line in bbb.lines("ls", "az://harbor/")]


def test_the_last_step_of_the_page(private_network, place, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    done = private_network.run("bash", "-euc", private_network.steps["look"], home=home,
                               env=_service_principal_file(private_network, home))  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()[-4000:]
    assert place in done.stdout.decode()


def test_refusals(private_network, place, tmp_path):
    """Somebody without a role, and somebody with a key that is none, get nothing; boostedblob says so at once."""
    (tmp_path / "file").write_bytes(b"x")
    wrong = {"AZURE_STORAGE_ACCOUNT": "harbor", "AZURE_STORAGE_KEY": "bm90IHRoZSBrZXk="}
    for index, mode in enumerate((
        lambda network, home: _service_principal_file(network, home, NOBODY), lambda network, home: wrong,
    )):  # fmt: skip
        bbb = Boosted(private_network, tmp_path / f"home{index}", mode)
        done = bbb.run("cp", tmp_path / "file", f"{place}/file", check=False)
        assert done.returncode != 0 and b"RuntimeError" in done.stderr
        assert b"unable to access" in done.stderr or b"Could not find any credentials" in done.stderr


def test_empty_files(private_network, place, tmp_path):
    """In a tree they go up in one request. With a key its signature is over a length of 0, which has been wrong since
    2015-02-21, in Azure too: nothing is stored."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/empty").write_bytes(b"")
    by_key = Boosted(private_network, tmp_path / "key", _key)
    done = by_key.run("cptree", "-q", tmp_path / "tree", f"{place}/tree", check=False)
    assert done.returncode != 0 and b"AuthenticationFailed" in done.stderr
    by_token = Boosted(private_network, tmp_path / "token", _service_principal_file)
    assert by_token.lines("ls", place) == []
    by_token.run("cptree", "-q", tmp_path / "tree", f"{place}/tree")
    assert by_token.lines("ls", "-l", "--machine", f"{place}/tree/empty")[0].split()[0] == "0"
    # One file alone goes up as a list of no blocks, which can be signed.
    by_key.run("cp", "-q", tmp_path / "tree/empty", f"{place}/alone")
    assert by_key.run("cat", f"{place}/alone").stdout == b""
