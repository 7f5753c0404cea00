"""What test_identity_adlfs.py runs as a process of its own: aiohttp reads SSL_CERT_FILE when it is imported.

    python adlfs_tour.py CONTAINER < OPTIONS     OPTIONS is JSON, for AzureBlobFileSystem

It writes, lists, reads, copies and removes below the container, and prints "done".
"""

import json
import random
import sys


def main():
    from adlfs import AzureBlobFileSystem

    root = f"{sys.argv[1]}/tour"
    options = json.load(sys.stdin)
    if principal := options.pop("principal", None):
        from azure.identity.aio import ClientSecretCredential

        options["credential"] = ClientSecretCredential(*principal)
    fs = AzureBlobFileSystem(**options)
    data = random.Random(1).randbytes(5 * 1024 * 1024 + 1)
    fs.pipe_file(f"{root}/dir/a b+c ü.bin", b"small")
    with fs.open(f"{root}/large", "wb", block_size=1024 * 1024) as sink:
        sink.write(data)
    fs.invalidate_cache()
    assert fs.find(root) == [f"{root}/dir/a b+c ü.bin", f"{root}/large"]
    assert fs.info(f"{root}/large")["size"] == len(data)
    assert fs.cat_file(f"{root}/dir/a b+c ü.bin") == b"small"
    with fs.open(f"{root}/large", "rb") as source:
        source.seek(1_000_000)
        assert source.read() == data[1_000_000:]
    fs.cp_file(f"{root}/large", f"{root}/copied")
    assert fs.cat_file(f"{root}/copied") == data
    fs.rm(root, recursive=True)
    fs.invalidate_cache()
    assert not fs.exists(root)
    print("done")


main()
