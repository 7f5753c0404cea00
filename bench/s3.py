"""The rivals that speak S3: SeaweedFS and rclone's server. Their requests are signed with Signature Version 4.

Source of the signing rules: Amazon S3 API reference, "Authenticating Requests: Using the Authorization Header".
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.parse
from pathlib import Path

from rivals import Rival, wire

ROOT = Path(__file__).resolve().parent.parent
KEY, SECRET, REGION = "benchmarkkey", "benchmarksecret0123456789", "us-east-1"
STOP_SECONDS = 20


def program(name: str) -> str:
    """The pinned program of bench/requirements.txt, or the one on PATH."""
    for directory in (ROOT / ".venv-bench/bin", Path(sys.executable).parent, ROOT / ".venv-e2e/bin"):
        if os.access(directory / name, os.X_OK):
            return str(directory / name)
    if found := shutil.which(name):
        return found
    raise RuntimeError(f"no {name}: scripts/python-env.sh --bench installs it")


class SignatureV4:
    """Signs request heads of one day; the body is left out of the signature (UNSIGNED-PAYLOAD)."""

    def __init__(self, host: str, at: datetime.datetime | None = None):
        self.host = host
        self.at = at
        self.key: tuple[str, bytes] = ("", b"")

    def signing_key(self, day: str) -> bytes:
        if self.key[0] != day:
            key = b"AWS4" + SECRET.encode()
            for part in (day, REGION, "s3", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self.key = (day, key)
        return self.key[1]

    def head(self, method: str, path: str, query: str, headers: list[tuple[str, str]]) -> bytes:
        """`path` and `query` are percent-encoded, the query's parameters in the order of their names."""
        stamp = (self.at or datetime.datetime.now(datetime.UTC)).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{stamp[:8]}/{REGION}/s3/aws4_request"
        names = "host;x-amz-content-sha256;x-amz-date"
        canonical = (
            f"{method}\n{path}\n{query}\nhost:{self.host}\nx-amz-content-sha256:UNSIGNED-PAYLOAD\n"
            f"x-amz-date:{stamp}\n\n{names}\nUNSIGNED-PAYLOAD"
        )
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self.signing_key(stamp[:8]), text.encode(), "sha256").hex()
        authorization = f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
        given = [
            ("Host", self.host),
            ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
            ("x-amz-date", stamp),
            ("Authorization", authorization),
            *headers,
        ]
        return wire.head_bytes(method, path + (f"?{query}" if query else ""), given)


class S3Rival(Rival):
    """A server with buckets: a run is a bucket, so that its space comes back at once when it is deleted."""

    list_page = 1000

    def __init__(self, home: Path):
        super().__init__(home)
        self.signer = SignatureV4(f"{self.host}:{self.port}")
        self.process: subprocess.Popen | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        log = open(self.home / "log", "ab")  # the child keeps it
        with log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.wait_for_port(self.process)

        def serves() -> bool:
            try:
                return self.exchange(self.signer.head("GET", "/", "", [])).status == 200
            except (wire.Broken, wire.Hung):
                return False

        if not wire.wait_until(serves, 60, 0.2):
            raise RuntimeError(f"{self.name} does not answer: {(self.home / 'log').read_text()[-800:]}")

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def pids(self) -> list[int]:
        return [self.process.pid]

    def expect(self, method: str, path: str, statuses: tuple[int, ...], query: str = "") -> wire.Answer:
        answer = self.exchange(self.signer.head(method, path, query, [("Content-Length", "0")]))
        if answer.status not in statuses:
            raise RuntimeError(f"{self.name}: {method} {path}: {answer}: {answer.body[:300]!r}")
        return answer

    def create_run(self, run: str) -> None:
        self.expect("PUT", f"/{run}", (200,))

    def read_head(self, method: str, key: str, span: tuple[int, int] | None = None) -> bytes:
        return self.signer.head(method, f"/{key}", "", [("Range", f"bytes={span[0]}-{span[1]}")] if span else [])

    def write_head(self, key: str, number: int, length: int) -> bytes:
        return self.signer.head("PUT", f"/{key}", "", [("Content-Length", str(length))])

    def list_head(self, run: str, after: str) -> bytes:
        """One page of names behind `after`."""
        query = [("list-type", "2"), ("max-keys", str(self.list_page))] + ([("start-after", after)] if after else [])
        text = "&".join(f"{name}={urllib.parse.quote(value, safe='')}" for name, value in sorted(query))
        return self.signer.head("GET", f"/{run}", text, [])


class SeaweedFS(S3Rival):
    name = "seaweedfs"
    note = "`weed server -s3`, each request signed with Signature Version 4; answers before data is on the medium"

    def command(self) -> list[str]:
        keys = {"identities": [
            {"name": "bench", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
        ]}  # fmt: skip
        configuration = self.home / "s3.json"
        configuration.write_text(json.dumps(keys))
        data = self.home / "data"
        data.mkdir(exist_ok=True)
        # Every port is chosen: the defaults may be taken, and a port's gRPC twin is 10,000 above it.
        ports = [
            f"-{part}={wire.free_port()}"
            for service in ("master.port", "volume.port", "filer.port")
            for part in (service, f"{service}.grpc")
        ]
        return [
            program("weed"),
            "-v=0",
            "server",
            f"-dir={data}",
            f"-ip={self.host}",
            f"-ip.bind={self.host}",
            "-s3",
            f"-s3.port={self.port}",
            f"-s3.port.grpc={wire.free_port()}",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            f"-s3.config={configuration}",
            f"-debug.port={wire.free_port()}",
            "-volume.max=400",
            "-master.volumeSizeLimitMB=1024",
            "-master.telemetry=false",
            *ports,
        ]

    def version(self) -> str:
        done = subprocess.run([program("weed"), "version"], capture_output=True, text=True, check=False)
        found = re.search(r"\b(\d+\.\d+)\b", done.stdout)
        return found[1] if found else "unknown"

    def create_run(self, run: str) -> None:
        super().create_run(run)
        # A bucket's volumes are made at its first writes: that is set-up, not the work that is measured.
        for number in range(8):
            self.store(f"{run}/first-{number}", wire.Body(1, lambda: (b"1",)))

    def delete_run(self, run: str) -> None:
        self.expect("DELETE", f"/{run}", (200, 204))
        time.sleep(0.5)  # its volumes go a moment later


class RcloneS3(S3Rival):
    name = "rclone"
    range_status = 200  # the right bytes, under the wrong status
    note = "`rclone serve s3` on a local directory, each request signed with Signature Version 4; PUT without a sync"

    def command(self) -> list[str]:
        data = self.home / "data"
        data.mkdir(exist_ok=True)
        return [
            program("rclone"),
            "serve",
            "s3",
            f"--addr={self.host}:{self.port}",
            f"--auth-key={KEY},{SECRET}",
            f"--config={self.home}/rclone.conf",
            f"--cache-dir={self.home}/cache",
            str(data),
        ]

    def version(self) -> str:
        done = subprocess.run([program("rclone"), "version"], capture_output=True, text=True, check=False)
        return done.stdout.split()[1] if len(done.stdout.split()) > 1 else "unknown"

    def delete_run(self, run: str) -> None:
        shutil.rmtree(self.home / "data" / run)
