"""Uploads, lists and downloads a directory tree with Azure's own Python SDK.

    tree.py upload DIRECTORY CONTAINER
    tree.py list CONTAINER
    tree.py download CONTAINER DIRECTORY

The account comes from AZURE_STORAGE_CONNECTION_STRING.
"""

import os
import pathlib
import sys

from azure.storage.blob import BlobServiceClient


def container(name):
    text = os.environ.get("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true")
    return BlobServiceClient.from_connection_string(text).get_container_client(name)


def upload(directory, name):
    target = container(name)
    if not target.exists():
        target.create_container()
    files = sorted(path for path in pathlib.Path(directory).rglob("*") if path.is_file())
    for path in files:
        with path.open("rb") as data:
            target.upload_blob(path.relative_to(directory).as_posix(), data, overwrite=True, max_concurrency=4)
    print(f"{len(files)} files uploaded to {name}")


def show(name):
    for blob in container(name).list_blobs():
        print(f"{blob.size:>12}  {blob.last_modified:%Y-%m-%d %H:%M:%S}  {blob.name}")


def download(name, directory):
    source, root = container(name), pathlib.Path(directory).resolve()
    count = 0
    for blob in source.list_blobs():
        path = (root / blob.name).resolve()
        if not path.is_relative_to(root):
            sys.exit(f"{blob.name} would leave {directory}")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as data:
            source.download_blob(blob.name, max_concurrency=4).readinto(data)
        count += 1
    print(f"{count} files downloaded to {directory}")


COMMANDS = {"upload": (upload, 2), "list": (show, 1), "download": (download, 2)}

if __name__ == "__main__":
    command, count = COMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else "", (None, 0))
    if command is None or len(sys.argv) != 2 + count:
        sys.exit(__doc__)
    command(*sys.argv[2:])
