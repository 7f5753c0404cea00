"""A network and a mount namespace: names, addresses and port 443 as in a customer's network, on this machine alone."""

import os
import shutil
import subprocess

HOLDER = """
ip link set lo up
hosts=$1; shift
for address; do ip address add "$address/32" dev lo; done
mount --bind "$hosts" /etc/hosts
echo ready
exec cat
"""


class Unavailable(Exception):
    """This machine does not permit namespaces of one's own. The message says what failed."""


class Island:
    """Its loopback interface has `addresses`; its hosts file is `hosts`. It ends with this process."""

    def __init__(self, hosts, addresses):
        missing = [program for program in ("unshare", "nsenter", "ip", "mount") if shutil.which(program) is None]
        if missing:
            raise Unavailable(f"not installed: {', '.join(missing)}")
        as_user = os.geteuid() != 0
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--propagation", "private", *(["--map-root-user"] if as_user else []),
             "sh", "-ec", HOLDER, "sh", str(hosts), *addresses],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self._holder.stdout.readline() != "ready\n":
            self._holder.kill()
            raise Unavailable(self._holder.communicate()[1].strip() or "the namespaces could not be made")
        self._enter = ["nsenter", "--target", str(self._holder.pid), "--net", "--mount",
                       *(["--user", "--preserve-credentials"] if as_user else [])]  # fmt: skip

    def command(self, *arguments, directory="/"):
        """The command line that runs a command inside. The process keeps its id: nothing is forked."""
        return [*self._enter, f"--wdns={directory}", "--", *map(str, arguments)]

    def run(self, *arguments, env, directory="/", timeout=300, data=None):
        return subprocess.run(
            self.command(*arguments, directory=directory), env=env, input=data, capture_output=True, timeout=timeout
        )

    def close(self):
        self._holder.stdin.close()
        self._holder.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
