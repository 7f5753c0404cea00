#!/usr/bin/env python3
"""Measures what credentials and encryption cost: one node, asked with Shared Key, signatures and tokens; and its TLS beside
nginx's.

    python3 bench/identity.py --quick
    python3 bench/identity.py --full --out docs/benchmarks/identity.md

The rows with a token are over TLS, because tokens are taken nowhere else; so are those that they are compared with.
Exit status 1 for a wrong answer; --strict also for a missed goal.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import hashlib
import hmac
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent))

import report
from goals import Goal
from rivals import Forebay, Nginx, Rival, nodes, settle, wire
from rows import KIB, MIB, Bench, Invalid, Row, Sample

TENANT = "11111111-2222-3333-4444-555555555555"
OBJECT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
QUICK, FULL = (1.0, 3), (4.0, 5)
GENERATOR_THREADS = 2


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def openssl(*arguments: str, data: bytes | None = None) -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


class Issuer:
    """A key pair whose public half is in a JWKS file, and tokens signed with it."""

    def __init__(self, home: Path):
        self.key, self.keys = home / "issuer.pem", home / "jwks.json"
        openssl("genrsa", "-out", str(self.key), "2048")
        modulus = openssl("rsa", "-in", str(self.key), "-noout", "-modulus").decode().strip().partition("=")[2]
        public = {"kty": "RSA", "use": "sig", "kid": "bench", "n": base64url(bytes.fromhex(modulus)), "e": "AQAB"}
        self.keys.write_text(json.dumps({"keys": [public]}))

    def token(self) -> str:
        now = int(time.time())
        claims = {
            "aud": "https://storage.azure.com",
            "iss": f"https://login.microsoftonline.com/{TENANT}/v2.0",
            "tid": TENANT,
            "oid": OBJECT,
            "azp": "99999999-2222-3333-4444-555555555555",
            "sub": OBJECT,
            "ver": "2.0",
            "iat": now,
            "nbf": now - 60,
            "exp": now + 3600,
            # As long as a real one: two dozen claims that nobody reads.
            **{f"xms_claim_{n}": "0123456789abcdef0123456789abcdef" for n in range(12)},
        }
        head = {"typ": "JWT", "alg": "RS256", "kid": "bench"}
        signed = ".".join(base64url(json.dumps(part).encode()) for part in (head, claims))
        return f"{signed}.{base64url(openssl('dgst', '-sha256', '-sign', str(self.key), data=signed.encode()))}"


class Node(Forebay):
    """The node with a TLS listener and a principal that may read."""

    def __init__(self, home: Path):
        (home / "forebay").parent.mkdir(parents=True, exist_ok=True)
        self.issuer = Issuer(home)
        self.certificates = home / "certificates"
        subprocess.run(
            [str(nodes.binary()), "cert", "dev", "--out", str(self.certificates)], check=True, capture_output=True
        )
        self.tls_port = wire.free_port()
        super().__init__(
            home,
            options=(
                "--tls-listen", f"127.0.0.1:{self.tls_port}",
                "--tls-certificate", str(self.certificates / "server.pem"),
                "--tls-key", str(self.certificates / "server.key"),
                "--entra-tenant", TENANT,
                "--entra-keys-file", str(self.issuer.keys),
            ),
        )  # fmt: skip

    def start(self) -> None:
        super().start()
        command = [str(nodes.binary()), "role", "assign", "--admin", self.node.admin_authority]
        command += ["--data", str(self.node.data), "--account", self.account.name]
        command += ["--role", "reader", "--object", OBJECT]
        subprocess.run(command, check=True, capture_output=True)
        self.token = self.issuer.token()

    def sas(self, form: str, key: str) -> str:
        """The query of an account or a blob SAS that reads."""
        expiry = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        version = "2022-11-02"
        if form == "account":
            fields = {"sv": version, "ss": "b", "srt": "o", "sp": "r", "se": expiry}
            lines = [self.account.name, "r", "b", "o", "", expiry, "", "", version, "", ""]
        else:
            fields = {"sv": version, "sr": "b", "sp": "r", "se": expiry}
            lines = ["r", "", expiry, f"/blob/{self.account.name}/{key}", "", "", "", version, "b"] + [""] * 7
        code = hmac.new(base64.b64decode(self.account.key), "\n".join(lines).encode(), hashlib.sha256)
        return urlencode({**fields, "sig": base64.b64encode(code.digest()).decode()}, quote_via=quote)

    def head_with(self, credential: str, method: str, key: str) -> bytes:
        if credential == "key":
            return self.read_head(method, key)
        headers = [("Host", f"{self.host}:{self.port}"), ("x-ms-version", "2022-11-02")]
        if credential == "token":
            return wire.head_bytes(method, self.target(key), [*headers, ("Authorization", f"Bearer {self.token}")])
        return wire.head_bytes(method, f"{self.target(key)}?{self.sas(credential, key)}", headers)


class NginxTLS(Nginx):
    """nginx with the node's own certificate."""

    def __init__(self, home: Path, certificates: Path):
        super().__init__(home)
        self.certificates, self.tls_port = certificates, wire.free_port()

    def configuration(self) -> str:
        plain = f"listen {self.host}:{self.port} backlog=4096;"
        secure = (
            f"{plain}\n    listen {self.host}:{self.tls_port} ssl backlog=4096;\n"
            f"    ssl_certificate {self.certificates}/server.pem;\n"
            f"    ssl_certificate_key {self.certificates}/server.key;\n    ssl_protocols TLSv1.2 TLSv1.3;"
        )
        return super().configuration().replace(plain, secure)


@dataclass(frozen=True)
class Case:
    """One line of the table: a row of work, on one server, with one credential."""

    label: str
    row: Row
    credential: str
    secure: bool
    against: str  # the case whose rate is 1; its own label for that case
    goal: float | None
    server: str = "forebay"


HEAD = Row("HEAD 4 KiB", "head", 4 * KIB, 64, 256, "load")
SMALL = Row("GET 4 KiB", "get", 4 * KIB, 64, 256, "load")
LARGE = Row("GET 8 MiB ranges", "range", 8 * MIB, 16, 32, "load")
CASES = [
    Case("HEAD, Shared Key", HEAD, "key", False, "HEAD, Shared Key", None),
    Case("HEAD, account SAS", HEAD, "account", False, "HEAD, Shared Key", 0.8),
    Case("HEAD, blob SAS", HEAD, "service", False, "HEAD, Shared Key", 0.8),
    Case("TLS HEAD, Shared Key", HEAD, "key", True, "TLS HEAD, Shared Key", None),
    Case("TLS HEAD, cached token", HEAD, "token", True, "TLS HEAD, Shared Key", 0.8),
    Case("TLS GET 4 KiB, nginx", SMALL, "key", True, "TLS GET 4 KiB, nginx", None, "nginx"),
    Case("TLS GET 4 KiB, cached token", SMALL, "token", True, "TLS GET 4 KiB, nginx", None),
    Case("TLS GET 8 MiB ranges, nginx", LARGE, "key", True, "TLS GET 8 MiB ranges, nginx", None, "nginx"),
    Case("TLS GET 8 MiB ranges", LARGE, "key", True, "TLS GET 8 MiB ranges, nginx", 0.9),
]


class Run:
    def __init__(self, bench: Bench, servers: dict[str, Rival]):
        self.bench, self.servers = bench, servers
        self.samples: dict[str, list[Sample]] = {case.label: [] for case in CASES}

    def heads(self, case: Case) -> list[bytes]:
        server = self.servers[case.server]
        method = "HEAD" if case.row.kind == "head" else "GET"
        if case.row.kind == "range" or case.server != "forebay":
            return self.bench.read_heads(server, case.row, case.row.objects)
        return [server.head_with(case.credential, method, self.bench.key(case.row, n)) for n in range(case.row.objects)]

    def measure(self, case: Case, seconds: float, keep: bool) -> None:
        server = self.servers[case.server]
        table = self.bench.home / "table"
        with open(table, "wb") as file:
            for each in self.heads(case):
                file.write(b"%d\n%b" % (len(each), each))
        settle()
        before = server.cpu_seconds()
        host, port = (f"tls:{server.host}", server.tls_port) if case.secure else (server.host, server.port)
        command = [self.bench.load, host, port, case.row.connections, GENERATOR_THREADS, seconds, table, "-", "cycle"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        try:
            told = json.loads(done.stdout)
        except ValueError:
            raise Invalid(f"{case.label}: {done.stdout[-500:]}{done.stderr[-500:]}") from None
        cpu = server.cpu_seconds() - before
        if told["bad"] or told["broken"] or not told["requests"]:
            raise Invalid(f"{case.label}: {told}")
        if keep:
            rate = told["requests"] / told["seconds"]
            useful = 0 if case.row.kind == "head" else case.row.length
            each = Sample(rate, rate * useful, told["p50_ms"], told["p99_ms"], cpu * 1e6 / told["requests"])
            self.samples[case.label].append(each)
            print(f"{case.label:30} {rate:10.0f} requests/s", file=sys.stderr, flush=True)


def lines(samples: dict[str, list[Sample]]) -> tuple[list[list[str]], list[str]]:
    """The table, and the goals that were missed."""
    table, missed = [], []
    for case in CASES:
        own = samples[case.label]
        cells = [case.label, report.number(report.value(own, "requests_per_second"))]
        rate = report.value(own, "bytes_per_second")
        cells.append(report.number(rate / MIB) if rate else "")
        cells.append(f"{report.value(own, 'cpu_us_per_request'):,.0f}")
        if case.against == case.label:
            cells += ["1", ""]
        else:
            ratio = report.median(report.ratios(own, samples[case.against]))
            cells.append(f"{ratio:.2f} of {case.against}")
            goal = Goal(case.label, case.against, case.goal) if case.goal else None
            cells.append(f"{goal}" + (": met" if goal.met(ratio) else ": **missed**") if goal else "")
            if goal and not goal.met(ratio):
                missed.append(f"{case.label}: {ratio:.2f} of {case.against}, wanted {goal}")
        table.append(cells)
    return table, missed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the default")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--seconds", type=float, help="of each measurement")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--strict", action="store_true", help="a missed goal is an error")
    parser.add_argument("--dir", help="where the servers keep their files")
    parser.add_argument("--out", type=Path, help="write the report here")
    arguments = parser.parse_args()
    seconds, rounds = FULL if arguments.full else QUICK
    seconds, rounds = arguments.seconds or seconds, arguments.rounds or rounds
    home = Path(tempfile.mkdtemp(prefix="forebay-bench-", dir=arguments.dir))
    servers: dict[str, Rival] = {}
    try:
        home.chmod(0o755)
        bench = Bench(home, seconds)
        node = servers["forebay"] = Node(home)
        node.start()
        servers["nginx"] = NginxTLS(home, node.certificates)
        servers["nginx"].start()
        for server in servers.values():
            bench.prepare(server, [HEAD, SMALL, LARGE])
        run = Run(bench, servers)
        for case in CASES:
            run.measure(case, 0.5, keep=False)
        for number in range(rounds):
            for case in CASES if number % 2 == 0 else reversed(CASES):
                run.measure(case, seconds, keep=True)
        versions = ", ".join(f"{name} {server.version()}" for name, server in servers.items())
    except (Invalid, RuntimeError, subprocess.CalledProcessError, nodes.NodeError, wire.Broken, wire.Hung) as error:
        detail = getattr(error, "stderr", b"") or b""
        print(f"bench: RED: {type(error).__name__}: {error} {detail[-500:]!r}", file=sys.stderr)
        return 1
    finally:
        for server in servers.values():
            server.stop()
        shutil.rmtree(home, ignore_errors=True)
    table, missed = lines(run.samples)
    head = ["work", "requests/s", "MiB/s", "CPU µs a request", "ratio", "goal"]
    command = f"python3 bench/identity.py --seconds {seconds:g} --rounds {rounds}"
    text = (
        "# What credentials and encryption cost\n\n"
        f"`{command}`, {report.today()}, {report.machine()}; medians of {rounds} rounds of {seconds:g} s in turn; {versions}.\n\n"
        + report.table(head, table)
        + "\n\nA token is verified once and then found by its hash; signatures are computed for each request. "
        "The load generator decrypts on the same two cores, for nginx as for the node.\n"
    )
    print(text)
    if arguments.out:
        arguments.out.write_text(text)
    for line in missed:
        print(f"bench: goal missed: {line}", file=sys.stderr)
    return 1 if missed and arguments.strict else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
