"""The servers that the bench drives side by side. A new rival is one class here and its name in `RIVALS`."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))

import node as nodes
import wire

START_SECONDS = 30
QUIET_SECONDS = 0.5


class Rival:
    """One server on a directory of its own. Keys are `RUN/NAME`; a run is a container, a bucket or a directory."""

    name = ""
    note = ""  # what a reader of the table must know
    range_status = 206  # how a GET of a range is answered

    def __init__(self, home: Path):
        self.home = home / self.name
        self.home.mkdir(parents=True)
        self.host, self.port = "127.0.0.1", wire.free_port()

    def start(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def pids(self) -> list[int]:
        """Processes whose processor time is the server's."""
        raise NotImplementedError

    def version(self) -> str:
        raise NotImplementedError

    def create_run(self, run: str) -> None:
        raise NotImplementedError

    def delete_run(self, run: str) -> None:
        """Removes all that a run stored, and waits until the space is free."""
        raise NotImplementedError

    def read_head(self, method: str, key: str, span: tuple[int, int] | None = None) -> bytes:
        """The head of a GET or HEAD; `span` is the first and the last byte."""
        raise NotImplementedError

    def write_head(self, key: str, number: int, length: int) -> bytes:
        """The head of an upload that stores `length` bytes under a name not used before."""
        raise NotImplementedError

    def block_head(self, key: str, number: int, length: int) -> bytes:
        """The same for a piece of a large object, where the protocol has pieces; otherwise a whole object."""
        return self.write_head(key, number, length)

    # The same for all

    def cpu_seconds(self) -> float:
        return sum(wire.cpu_seconds(pid) for pid in self.pids())

    def exchange(self, head: bytes, body: bytes | wire.Body | None = None) -> wire.Answer:
        with wire.Connection(self.host, self.port) as connection:
            return connection.exchange(head.split(b" ", 1)[0].decode(), head, body)

    def store(self, key: str, body: wire.Body) -> None:
        answer = self.exchange(self.write_head(key, 0, body.length), body)
        if answer.status not in (200, 201, 204):
            raise RuntimeError(f"{self.name}: PUT {key}: {answer}: {answer.body[:300]!r}")

    def wait_for_port(self, process: subprocess.Popen) -> None:
        def answers() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"{self.name} ended with {process.returncode} while starting")
            try:
                with wire.Connection(self.host, self.port, timeout=2):
                    return True
            except wire.Broken:
                return False

        if not wire.wait_until(answers, START_SECONDS):
            raise RuntimeError(f"{self.name} does not listen after {START_SECONDS} s")


class Forebay(Rival):
    name = "forebay"
    note = "durable before it answers; each request is signed with Shared Key"

    def __init__(self, home: Path, options: tuple[str, ...] = ()):
        super().__init__(home)
        self.account = wire.TESTING
        tempfile.tempdir = str(self.home)  # the node's directory is made here, on the same disk as the rivals'
        self.node = nodes.Node(
            dev=False,
            accounts={self.account.name: [self.account.key]},
            listen=f"{self.host}:{self.port}",
            admin=f"{self.host}:{wire.free_port()}",
            options=options,
        )

    def start(self) -> None:
        self.node.start()

    def stop(self) -> None:
        self.node.close()

    def pids(self) -> list[int]:
        return [self.node.pid]

    def version(self) -> str:
        done = subprocess.run([str(nodes.binary()), "version"], capture_output=True, text=True, check=False)
        return done.stdout.strip().splitlines()[0] if done.returncode == 0 and done.stdout.strip() else "unknown"

    def used_bytes(self) -> float:
        return wire.metrics(self.node).get("forebay_extent_used_bytes", 0.0)

    def signed(self, method: str, target: str, headers: list[tuple[str, str]]) -> bytes:
        given = [("Host", f"{self.host}:{self.port}"), *headers]
        return wire.head_bytes(method, target, wire.signed(self.account, method, target, given))

    def target(self, key: str, **query: str) -> str:
        return wire.target_of(self.account.name, *key.split("/", 1), **query)

    def create_run(self, run: str) -> None:
        answer = self.exchange(self.signed("PUT", self.target(run, restype="container"), [("Content-Length", "0")]))
        if answer.status != 201:
            raise RuntimeError(f"create container {run}: {answer}: {answer.body[:300]!r}")

    def delete_run(self, run: str) -> None:
        answer = self.exchange(self.signed("DELETE", self.target(run, restype="container"), []))
        if answer.status != 202:
            raise RuntimeError(f"delete container {run}: {answer}: {answer.body[:300]!r}")
        lowest = [self.used_bytes(), time.monotonic()]

        def quiet() -> bool:  # the space comes back in the background; that work must not fall into the next run
            used = self.used_bytes()
            if used < lowest[0]:
                lowest[:] = [used, time.monotonic()]
            return time.monotonic() - lowest[1] > QUIET_SECONDS

        wire.wait_until(quiet, START_SECONDS, 0.1)

    def read_head(self, method: str, key: str, span: tuple[int, int] | None = None) -> bytes:
        return self.signed(method, self.target(key), [("Range", f"bytes={span[0]}-{span[1]}")] if span else [])

    def write_head(self, key: str, number: int, length: int) -> bytes:
        return self.signed("PUT", self.target(key), [("x-ms-blob-type", "BlockBlob"), ("Content-Length", str(length))])

    def block_head(self, key: str, number: int, length: int) -> bytes:
        block = base64.b64encode(b"%08d" % number).decode()
        target = self.target(f"{key.split('/')[0]}/b{number % 16}", comp="block", blockid=block)
        return self.signed("PUT", target, [("Content-Length", str(length))])


NGINX_CONFIGURATION = """
worker_processes {workers};
daemon off;
pid {home}/nginx.pid;
error_log {home}/error.log error;
{user}
events {{ worker_connections 4096; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_max_body_size 0;
  client_body_temp_path {home}/body;
  default_type application/octet-stream;
  {file_cache}
  server {{
    listen {host}:{port} backlog=4096;
    root {home}/files;
    location / {{ dav_methods PUT DELETE; create_full_put_path on; }}
  }}
}}
"""


class Nginx(Rival):
    name = "nginx"
    note = "static files with sendfile, DAV PUT without a sync, no authentication, no access log"

    def __init__(self, home: Path, file_cache: bool = False):
        super().__init__(home)
        self.files = self.home / "files"
        self.files.mkdir()
        self.process: subprocess.Popen | None = None
        self.file_cache = file_cache

    def configuration(self) -> str:
        return NGINX_CONFIGURATION.format(
            workers=os.cpu_count(),
            home=self.home,
            host=self.host,
            port=self.port,
            user="user root;" if os.geteuid() == 0 else "",
            file_cache="open_file_cache max=10000 inactive=60s; open_file_cache_min_uses 1;" if self.file_cache else "",
        )

    def start(self) -> None:
        configuration = self.home / "nginx.conf"
        configuration.write_text(self.configuration())
        self.process = subprocess.Popen(
            ["nginx", "-e", str(self.home / "error.log"), "-p", str(self.home), "-c", str(configuration)],
            stdin=subprocess.DEVNULL,
        )
        self.wait_for_port(self.process)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def pids(self) -> list[int]:
        master = self.process.pid
        children = Path(f"/proc/{master}/task/{master}/children")
        return [master, *map(int, children.read_text().split())]

    def version(self) -> str:
        return (
            subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=False)
            .stderr.strip()
            .rpartition("/")[2]
        )

    def plain(self, method: str, key: str, headers: list[tuple[str, str]]) -> bytes:
        return wire.head_bytes(method, f"/{key}", [("Host", f"{self.host}:{self.port}"), *headers])

    def create_run(self, run: str) -> None:
        (self.files / run).mkdir()

    def delete_run(self, run: str) -> None:
        shutil.rmtree(self.files / run)

    def read_head(self, method: str, key: str, span: tuple[int, int] | None = None) -> bytes:
        return self.plain(method, key, [("Range", f"bytes={span[0]}-{span[1]}")] if span else [])

    def write_head(self, key: str, number: int, length: int) -> bytes:
        return self.plain("PUT", key, [("Content-Length", str(length))])


def settle() -> None:
    """Writes back what a run left dirty in the page cache, so that the next run's disk is its own."""
    os.sync()
    time.sleep(0.1)
