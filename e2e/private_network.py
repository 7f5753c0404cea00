"""A network in which an account's real name leads to a node, made by following docs/operations/private-dns.md."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import entra
import node as nodes
from identity import Principal
from island import Island
from issuer import TENANT
from node import ROOT, Node
from tls import PrivateAuthority

PAGE = ROOT / "docs/operations/private-dns.md"
STEP = re.compile(r"^<!-- step: (\S+) -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENTRA_ADDRESS = "10.20.0.5"
REFRESH_TOKEN = "a-refresh-token-as-azure-cli-keeps-it"
CALLER = Principal("caller-in-a-private-network")
NOBODY = Principal("nobody-in-a-private-network")


class PrivateNetwork:
    """Machines: the node and the clients, and one that stands for Entra ID, on a loopback interface of their own.

    `env` is the environment of a client that has gone through the steps of the page, without a credential.
    """

    def __init__(self, directory):
        self.steps = dict(STEP.findall(PAGE.read_text()))
        self._programs = directory / "bin"
        self._programs.mkdir()
        (self._programs / "forebay").symlink_to(nodes.binary())
        hosts = directory / "hosts"
        others = "".join(f"{ENTRA_ADDRESS} {name}\n" for name in entra.HOSTS)
        # A second account, for copies between accounts.
        second = self.steps["hosts"].replace("harbor", "quarry")
        hosts.write_text(f"127.0.0.1 localhost\n{self.steps['hosts']}{second}{others}")
        self.island = Island(hosts, [self.steps["hosts"].split()[0], ENTRA_ADDRESS])
        self.env = {
            "PATH": f"{self._programs}:{Path(sys.executable).parent}:{os.environ['PATH']}", "TENANT": TENANT,
            "OBJECT_ID": CALLER.object_id,
        }  # fmt: skip
        self.node = Node(
            dev=False, inside=self.island, command=["bash", "-c", f"exec {self.steps['serve']}"],
            env={**self.env, "FOREBAY_ENTRA_CA_FILE": "tls/ca.pem"},
        )  # fmt: skip
        self._home = self.node.data.parent
        self._entra = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        self._follow("certificate")
        # Run again it keeps the authority; this time for the second account too.
        authority = (self._home / "tls/ca.pem").read_bytes()
        self._run(f"{self.steps['certificate'].rstrip()} --name quarry.blob.core.windows.net")
        assert (self._home / "tls/ca.pem").read_bytes() == authority
        # The same authority vouches for the stand-in of Entra, as public ones do for Entra itself.
        authority = PrivateAuthority(self._home / "entra", self._home / "tls/ca.pem", self._home / "tls/ca.key")
        certificate, key = authority.issue(*entra.HOSTS)
        clients, keys = self._home / "entra/clients.json", self._home / "entra/keys"
        clients.write_text(json.dumps([[each.client_id, each.object_id, each.secret] for each in (CALLER, NOBODY)]))
        keys.mkdir()
        command = [
            sys.executable, str(Path(entra.__file__)), "--host", ENTRA_ADDRESS, "--certificate", str(certificate),
            "--private-key", str(key), "--keys-folder", str(keys), "--clients-file", str(clients),
            "--refresh-token", REFRESH_TOKEN,
        ]  # fmt: skip
        self._entra = subprocess.Popen(self.island.command(*command), stdout=subprocess.PIPE, text=True)
        assert self._entra.stdout.readline() == "ready\n"
        self.node.start()
        self._follow("account")
        self._run("forebay account create quarry --data data")
        self._run('forebay role assign --account quarry --role contributor --object "$OBJECT_ID" --data data')
        for account in ("harbor", "quarry"):
            (keys / account).write_text(self.key(account))
        said = self._run(self.steps["trust"] + "\nenv").stdout.decode()
        exported = dict(re.findall(r"^(SSL_CERT_FILE|REQUESTS_CA_BUNDLE)=(.+)$", said, re.MULTILINE))
        assert len(exported) == 2, said
        self.env |= exported

    def __exit__(self, *_):
        self.node.close()
        if self._entra:
            self._entra.kill()
            self._entra.wait()
        self.island.close()

    def _follow(self, step):
        self._run(self.steps[step])

    def _run(self, script):
        done = self.island.run("bash", "-euo", "pipefail", "-c", script, env=self.env, directory=self._home)
        assert done.returncode == 0, f"{script}\nended with {done.returncode}: {done.stderr.decode()[-4000:]}"
        return done

    def key(self, account="harbor"):
        listed = self._run(f"forebay account keys {account} --data data --json").stdout
        return next(item["key"] for item in json.loads(listed)["keys"] if item["number"] == 1)

    def run(self, *command, env=None, home=None, timeout=300, data=None):
        """Runs a client as somebody who has a credential in `env`. Returns what it did."""
        whole = {**self.env, "HOME": str(home or self._home), **(env or {})}
        return self.island.run(*command, env=whole, directory=str(home or "/"), timeout=timeout, data=data)
