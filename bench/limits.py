"""What the machine itself can do, measured in the same run: the ceilings that the servers are held against."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from goals import FIO_EACH, FIO_SHARED

MIB = 1 << 20


@dataclass(frozen=True)
class Limit:
    name: str
    bytes_per_second: float
    operations_per_second: float


def fio(name: str, home: Path, seconds: float, *options: str) -> Limit:
    size = "1g"
    command = [
        "fio",
        "--name=limit",
        f"--directory={home}",
        f"--size={size}",
        "--output-format=json",
        "--time_based",
        f"--runtime={max(1, round(seconds))}",
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"fio: {done.stderr.strip()[:500]}")
    job = json.loads(done.stdout)["jobs"][0]
    side = job["write"] if job["write"]["io_bytes"] else job["read"]
    for left in home.glob("limit.*"):
        left.unlink()
    return Limit(name, side["bw_bytes"], side["iops"])


def loopback_sendfile(home: Path, seconds: float, keep: bool) -> Limit:
    """One connection from a cached file; with `keep` the receiver copies the bytes out, without it throws them away."""
    path = home / "loopback"
    path.write_bytes(os.urandom(64 * MIB))
    listener = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        peer, _ = listener.accept()
        with peer, open(path, "rb") as file:
            try:
                while True:
                    offset = 0
                    while offset < 64 * MIB:
                        offset += os.sendfile(peer.fileno(), file.fileno(), offset, 8 * MIB)
            except OSError:
                return  # the receiver has seen enough

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    received, buffer = 0, bytearray(MIB)
    flags = 0 if keep else socket.MSG_TRUNC
    with socket.create_connection(listener.getsockname()) as peer:
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            received += peer.recv_into(buffer, MIB, flags)
        elapsed = time.monotonic() - began
    sender.join(5)
    listener.close()
    path.unlink()
    return Limit(f"loopback sendfile, receiver {'copies' if keep else 'discards'}", received / elapsed, 0)


SYNCED_WRITES = {
    FIO_EACH: ("--rw=write", "--bs=8m", "--fdatasync=1", "--ioengine=psync"),
    FIO_SHARED: ("--rw=write", "--bs=8m", "--fdatasync=16", "--ioengine=psync"),
}


def synced_write(name: str, home: Path, seconds: float) -> Limit:
    """Sequential durable writes of 8 MiB: what large uploads are held against, in the same round."""
    return fio(name, home, seconds, *SYNCED_WRITES[name])


def measure(home: Path, seconds: float) -> list[Limit]:
    """What is measured once in a run."""
    return [
        fio(
            "fio write of 4 KiB, fdatasync after each",
            home,
            seconds,
            "--rw=write",
            "--bs=4k",
            "--fdatasync=1",
            "--ioengine=psync",
        ),
        fio("fio direct read of 8 MiB", home, seconds, "--rw=read", "--bs=8m", "--direct=1", "--ioengine=psync"),
        loopback_sendfile(home, seconds, keep=True),
        loopback_sendfile(home, seconds, keep=False),
    ]
