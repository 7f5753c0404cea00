"""One forebay process on a directory of its own: start, stop, kill, restart in place, and its logs."""

import base64
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# The account and the key that Azure publishes for its emulator; `--dev` serves this account.
DEV_ACCOUNT = "devstoreaccount1"
DEV_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

# Keys made up for these tests: two accounts, the first with its two keys, and a suffix for host-style addresses.
ACCOUNTS = {
    "harbor": [base64.b64encode(bytes(range(64))).decode(), base64.b64encode(bytes(range(64, 128))).decode()],
    "quarry": [base64.b64encode(bytes(range(128, 192))).decode()],
}
DOMAIN = "blob.example.test"

# Generous: on a busy two-core machine a start that replays a log is slow, and no test is about speed.
START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 60
READY_LINE = re.compile(r"^forebay ready (\S+=\S+(?: \S+=\S+)*)$", re.MULTILINE)

running: "list[Node]" = []


class NodeError(AssertionError):
    """The node did not do what its command line promises. The message ends with the tail of its log."""


def binary() -> Path:
    path = Path(os.environ.get("FOREBAY_BIN") or ROOT / ".build-release/release/forebay")
    if not os.access(path, os.X_OK):
        raise NodeError(f"no forebay binary at {path}: build the release first, or name one in FOREBAY_BIN")
    return path


def _authority(url):
    return url.split("://", 1)[1]


class Node:
    """`forebay serve` as a child process.

    Ports given as 0 are chosen by the node at the first start and kept by `restart()`, as is the data directory,
    so that a client with open connections finds the same node again.

    `tls_listen` adds a listener with TLS; its certificates are among the options. `inside` is an Island that the
    process runs in. `command` is a whole command line in the place of the one that is put together here; it is run in
    the node's own directory, above `data`.
    """

    def __init__(
        self, *, dev=True, accounts=None, listen="127.0.0.1:0", admin="127.0.0.1:0", tls_listen=None, options=(),
        env=None, inside=None, command=None,
    ):  # fmt: skip
        self._home = Path(tempfile.mkdtemp(prefix="forebay-e2e-"))
        self.data = self._home / "data"
        self.data.mkdir()
        self._stdout = self._home / "stdout.log"
        self._stderr = self._home / "stderr.log"
        self._listen = listen
        self._admin = admin
        self._tls_listen = tls_listen
        self._inside = inside
        self._command = command
        self._options = ["--dev", *options] if dev else list(options)
        self._env = {**os.environ, **(env or {})}
        self._env.pop("FOREBAY_ACCOUNTS", None)
        if accounts:
            self._env["FOREBAY_ACCOUNTS"] = ",".join(f"{name}:{':'.join(keys)}" for name, keys in accounts.items())
        self._process = None
        self.blob_url = None
        self.tls_url = None
        self.admin_url = None

    # What clients are told

    @property
    def account_url(self):
        """The path-style endpoint of the development account."""
        return f"{self.blob_url}/{DEV_ACCOUNT}"

    @property
    def authority(self):
        """`HOST:PORT` of the blob listener."""
        return self._listen

    @property
    def port(self):
        return int(self._listen.rsplit(":", 1)[1])

    @property
    def tls_port(self):
        return int(self._tls_listen.rsplit(":", 1)[1])

    @property
    def admin_authority(self):
        return self._admin

    @property
    def connection_string(self):
        return (
            f"DefaultEndpointsProtocol=http;AccountName={DEV_ACCOUNT};AccountKey={DEV_KEY};"
            f"BlobEndpoint={self.account_url};"
        )

    @property
    def admin_token(self):
        """What opens the admin port: made by the node at its first start."""
        return (Path(self.data) / "admin.token").read_text().strip()

    # Life

    @property
    def pid(self):
        if self._process is None:
            raise NodeError("the node has not been started")
        return self._process.pid

    @property
    def alive(self):
        return self._process is not None and self._process.poll() is None

    def start(self):
        """Starts the process and returns once it has said that it is ready."""
        if self.alive:
            raise NodeError("the node is already running")
        command = self._command or [
            str(binary()), "serve", "--data", str(self.data), "--listen", self._listen, "--admin", self._admin,
            *(("--tls-listen", self._tls_listen) if self._tls_listen else ()), *self._options,
        ]  # fmt: skip
        launch = self._inside.command(*command, directory=self._home) if self._inside else command
        already = self._stdout.stat().st_size if self._stdout.exists() else 0
        with open(self._stdout, "ab") as out, open(self._stderr, "ab") as err:
            self._process = subprocess.Popen(
                launch, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=self._env, cwd=self._home
            )
        if self not in running:
            running.append(self)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            ended = self._process.poll()
            ready = READY_LINE.search(self._stdout.read_bytes()[already:].decode(errors="replace"))
            if ready:
                break
            if ended is not None:
                raise NodeError(f"`{' '.join(command)}` ended with {ended} before it was ready\n{self.log_tail()}")
            if time.monotonic() > deadline:
                self.kill()
                raise NodeError(f"no ready line in {START_TIMEOUT_S} s from `{' '.join(command)}`\n{self.log_tail()}")
            time.sleep(0.02)
        addresses = dict(part.split("=", 1) for part in ready[1].split())
        self.blob_url, self.tls_url, self.admin_url = map(addresses.get, ("blob", "tls", "admin"))
        self._admin = _authority(self.admin_url)
        if self._listen != "none":
            self._listen = _authority(self.blob_url)
        if self._tls_listen:
            self._tls_listen = _authority(self.tls_url)
        return self

    def kill(self):
        """SIGKILL: no handler runs, nothing is flushed by the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self):
        """SIGTERM; the node drains and ends. Returns its exit status."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise NodeError(f"still running {STOP_TIMEOUT_S} s after SIGTERM\n{self.log_tail()}") from None

    def restart(self):
        """Starts again on the same directory and the same ports."""
        if self.alive:
            self.terminate()
        return self.start()

    def close(self):
        """Ends the process and removes what it stored. FOREBAY_E2E_KEEP=1 keeps the directory and names it."""
        self.kill()
        if self in running:
            running.remove(self)
        if os.environ.get("FOREBAY_E2E_KEEP"):
            print(f"kept {self._home}")
        else:
            shutil.rmtree(self._home, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    # What it says and uses

    @property
    def log_files(self):
        return [self._stdout, self._stderr]

    def log_size(self):
        return sum(path.stat().st_size for path in (self._stdout, self._stderr) if path.exists())

    def log_tail(self, lines=60):
        text = []
        for path in (self._stdout, self._stderr):
            if path.exists():
                tail = path.read_text(errors="replace").splitlines()[-lines:]
                text.append(f"--- {path.name} (last {len(tail)} lines)")
                text.extend(line[:2000] for line in tail)
        return "\n".join(text)

    def _status_bytes(self, field):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise NodeError(f"/proc/{self.pid}/status has no {field}")

    def rss(self):
        """Resident memory in bytes, now."""
        return self._status_bytes("VmRSS")

    def peak_rss(self):
        """The highest resident memory in bytes since the start of the process."""
        return self._status_bytes("VmHWM")
