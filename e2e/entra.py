"""The issuer in Entra's own place, with the other endpoints that clients ask on their way to a token or to a key.

Beside what `issuer.py` offers: refresh tokens as azure-cli keeps them, the managed identity endpoint of a Cloud Shell,
and as much of Azure's management API as leads from a token to the keys of a storage account.
"""

import argparse
import json
import threading
from pathlib import Path

from issuer import PUBLIC_AUTHORITY, Issuer

HOSTS = ("login.microsoftonline.com", "sts.windows.net", "management.azure.com")
SUBSCRIPTION = "2b1f3a0c-7d55-4c62-9d0b-0f4a5f0c9e77"
STORAGE_ACCOUNTS = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Storage/storageAccounts"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/pool/providers/Microsoft.Storage/storageAccounts"


class Entra(Issuer):
    """`keys_folder` holds a file with the key of each account that the management API knows."""

    def __init__(self, *, keys_folder, refresh_token, **options):
        super().__init__(authority=PUBLIC_AUTHORITY, **options)
        self._keys_folder = Path(keys_folder)
        self._refresh_token = refresh_token

    def _get(self, path, query, headers):
        accounts = sorted(file.name for file in self._keys_folder.iterdir())
        match path:
            case "/subscriptions":
                value = [{"subscriptionId": SUBSCRIPTION}]
            case _ if path == STORAGE_ACCOUNTS:
                value = [{"id": f"{GROUP}/{name}", "name": name} for name in accounts]
            case _:
                return super()._get(path, query, headers)
        return (200, {"value": value}) if "authorization" in headers else (401, {})

    def _post(self, path, form, headers):
        if path.startswith(GROUP) and path.endswith("/listKeys"):
            if "authorization" not in headers:
                return 401, {}
            key = (self._keys_folder / path.split("/")[-2]).read_text()
            return 200, {"keys": [{"keyName": "key1", "permissions": "FULL", "value": key}]}
        client = next(iter(self.clients.values()))
        if path == "/common/oauth2/v2.0/token" and form.get("grant_type") == "refresh_token":
            if form.get("refresh_token") != self._refresh_token:
                return 400, self._error("invalid_grant", "AADSTS9002313: no such refresh token")
            return 200, self._answer(client, form["scope"].removesuffix("/.default"), texts=False)
        if path == "/msi/token":
            answer = self._answer(client, form["resource"].removesuffix("/.default"), texts=True)
            return 200, {**answer, "expires_on": int(answer["expires_on"])}
        return super()._post(path, form, headers)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--private-key", required=True)
    parser.add_argument("--keys-folder", required=True)
    parser.add_argument("--clients-file", required=True, help="JSON: [[client id, object id, secret], …]")
    parser.add_argument("--refresh-token", required=True)
    options = parser.parse_args()
    entra = Entra(
        host=options.host, port=443, certificate=options.certificate, private_key=options.private_key,
        keys_folder=options.keys_folder, refresh_token=options.refresh_token,
    )  # fmt: skip
    for client_id, object_id, secret in json.loads(Path(options.clients_file).read_text()):
        entra.add_client(secret, client_id=client_id, object_id=object_id)
    with entra:
        print("ready", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
