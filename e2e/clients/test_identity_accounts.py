"""Keys that rotate, delegation keys that are revoked and switches of accounts, while clients go on.

Each test has an account of its own, so that nothing else is disturbed.
"""

import contextlib

import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.storage.blob import BlobClient, generate_blob_sas

from identity import OWNER, later
from refusal import refused


@contextlib.contextmanager
def account_of_its_own(harbor, name):
    harbor.administer("account", "create", name)
    service = harbor.service(harbor.keys(name)[0], name)
    container = service.create_container("box")
    container.upload_blob("kept", b"kept")
    try:
        yield name
    finally:
        harbor.service(harbor.keys(name)[0], name).delete_container("box")
        harbor.administer("account", "delete", name)


def test_keys_rotate(harbor):
    with account_of_its_own(harbor, "rotating") as name:
        first, second = harbor.keys(name)

        def read(key):
            container = harbor.service(key, name).get_container_client("box")
            return container.download_blob("kept").readall()

        sas = generate_blob_sas(name, "box", "kept", account_key=first, permission="r", expiry=later())
        signed = BlobClient(harbor.url(name), "box", "kept", credential=sas, **harbor.options)
        assert read(first) == read(second) == signed.download_blob().readall() == b"kept"
        harbor.administer("account", "rotate-key", name, "1")
        for refusal in (lambda: read(first), signed.download_blob):
            with refused(403, "AuthenticationFailed", ClientAuthenticationError):
                refusal()
        assert read(second) == b"kept"
        renewed, same = harbor.keys(name)
        assert (renewed != first, same == second) == (True, True)
        assert read(renewed) == b"kept"


def test_delegation_keys_are_revoked(harbor):
    with account_of_its_own(harbor, "revoking") as name:
        harbor.assign(OWNER, "owner", account=name)

        def signed():
            key = harbor.delegation_key(OWNER, name)
            sas = generate_blob_sas(name, "box", "kept", user_delegation_key=key, permission="r", expiry=later())
            return BlobClient(harbor.url(name), "box", "kept", credential=sas, **harbor.options)

        old = signed()
        assert old.download_blob().readall() == b"kept"
        harbor.administer("account", "revoke-delegation-keys", name)
        with refused(403, "AuthenticationFailed", ClientAuthenticationError):
            old.download_blob()
        assert signed().download_blob().readall() == b"kept"


def test_switches(harbor):
    with account_of_its_own(harbor, "switched") as name:
        key = harbor.keys(name)[0]
        harbor.assign(OWNER, "owner", account=name)
        sas = generate_blob_sas(name, "box", "kept", account_key=key, permission="r", expiry=later())
        by_key = harbor.service(key, name).get_blob_client("box", "kept")
        by_sas = BlobClient(harbor.url(name), "box", "kept", credential=sas, **harbor.options)
        by_token = harbor.service(harbor.credential(OWNER), name).get_blob_client("box", "kept")
        plain = f"{harbor.node.blob_url}/{name}/box/kept?{sas}"
        assert requests.get(plain, timeout=30).status_code == 200
        for flag, refusal in (("--sas", by_sas), ("--shared-key", by_key)):
            harbor.administer("account", "set", name, flag, "off")
            with refused(403, "KeyBasedAuthenticationNotPermitted"):
                refusal.download_blob()
            assert by_token.download_blob().readall() == b"kept"
            harbor.administer("account", "set", name, flag, "on")
            assert refusal.download_blob().readall() == b"kept"
        harbor.administer("account", "set", name, "--require-tls", "on")
        without = requests.get(plain, timeout=30)
        assert (without.status_code, without.headers["x-ms-error-code"]) == (400, "AccountRequiresHttps")
        assert by_sas.download_blob().readall() == b"kept"
        harbor.administer("account", "disable", name)
        with refused(403, "AccountIsDisabled"):
            by_token.download_blob()
        harbor.administer("account", "enable", name)
        assert by_token.download_blob().readall() == b"kept"
