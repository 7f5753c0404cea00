"""Bytes to store: the same for the same arguments, in no pattern that a misplaced piece could hide in."""

import base64
import hashlib
import random

KIB = 1024
MIB = 1024 * KIB


def payload(size, seed=0):
    return random.Random(f"{seed}/{size}").randbytes(size)


def md5(data):
    return hashlib.md5(data, usedforsecurity=False).digest()


def md5_base64(data):
    return base64.b64encode(md5(data)).decode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def plant_tree(root, count, *, seed=0, large=()):
    """Writes `count` small files of mixed sizes under `root`, and one file for each size in `large`.

    Returns {path below root: bytes of the file} for the small ones, and the same with None for the large ones.
    """
    sizes = (0, 1, 17, 512, 4096, 4097, 20 * KIB, 65 * KIB)
    planted = {}
    for index in range(count):
        path = f"d{index % 13:02d}/e{index % 5}/file {index:04d}.bin"
        planted[path] = payload(sizes[index % len(sizes)], seed=f"{seed}.{index}")
    for path, data in planted.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    for index, size in enumerate(large):
        target = root / f"large/{index}.bin"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(payload(size, seed=f"{seed}.large.{index}"))
        planted[f"large/{index}.bin"] = None
    return planted


def read_tree(root):
    """{path below root: SHA-256 of the file}."""
    return {
        str(path.relative_to(root)): sha256(path.read_bytes()) for path in sorted(root.rglob("*")) if path.is_file()
    }
