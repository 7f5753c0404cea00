"""The stand-in for Entra ID, seen by the clients that know the real one."""

import datetime
import ipaddress
import json
import urllib.error
import urllib.request

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from issuer import STORAGE, Issuer, SigningKey


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for this machine that signs itself: file of it, file of its key."""
    folder = tmp_path_factory.mktemp("issuer")
    key = SigningKey()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key.private, hashes.SHA256())
    )
    (folder / "issuer.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.pem)
    return str(folder / "issuer.pem"), str(folder / "key.pem")


@pytest.fixture
def issuer(certificate):
    with Issuer(certificate=certificate[0], private_key=certificate[1]) as started:
        yield started


def get(url):
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def read(token, issuer, **options):
    """As a strict verifier of somebody else's reads it."""
    keys = jwt.PyJWKSet.from_dict(json.loads(issuer.key_set))
    return jwt.decode(
        token, keys[jwt.get_unverified_header(token)["kid"]], algorithms=["RS256"], audience=STORAGE,
        issuer=issuer.issuer_name(), options=options)


def test_azure_identity_gets_a_token(issuer, certificate):
    client = issuer.add_client("made-up-secret")
    credential = ClientSecretCredential(
        issuer.tenant, client.client_id, "made-up-secret", authority=issuer.authority, disable_instance_discovery=True,
        connection_verify=certificate[0])
    claims = read(credential.get_token(f"{STORAGE}/.default").token, issuer)
    assert (claims["oid"], claims["appid"], claims["tid"]) == (client.object_id, client.client_id, issuer.tenant)
    assert issuer.requests[f"/{issuer.tenant}/oauth2/v2.0/token"] == 1


def test_azure_identity_is_refused_with_a_wrong_secret(issuer, certificate):
    client = issuer.add_client("made-up-secret")
    credential = ClientSecretCredential(
        issuer.tenant, client.client_id, "another", authority=issuer.authority, disable_instance_discovery=True,
        connection_verify=certificate[0])
    with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
        credential.get_token(f"{STORAGE}/.default")


def test_managed_identities(monkeypatch):
    with Issuer() as issuer:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", issuer.url)
        claims = read(ManagedIdentityCredential().get_token(f"{STORAGE}/.default").token, issuer)
        assert claims["oid"] == issuer.machine.object_id
        assert "virtualMachines" in claims["xms_mirid"]
        identity = issuer.add_client("", resource_id="/subscriptions/s/userAssignedIdentities/trainers")
        credential = ManagedIdentityCredential(client_id=identity.client_id)
        assert read(credential.get_token(f"{STORAGE}/.default").token, issuer)["oid"] == identity.object_id


def test_version_1_form_endpoint():
    with Issuer() as issuer:
        client = issuer.add_client("made-up-secret")
        form = f"grant_type=client_credentials&client_id={client.client_id}&client_secret=made-up-secret&resource={STORAGE}/"
        answer = get(urllib.request.Request(f"{issuer.url}/{issuer.tenant}/oauth2/token", form.encode()))
        assert jwt.decode(answer["access_token"], options={"verify_signature": False})["aud"] == f"{STORAGE}/"
        assert answer["expires_in"] == "3600" and answer["resource"] == f"{STORAGE}/"


def test_documents_agree():
    with Issuer() as issuer:
        for path in ("v2.0/", ""):
            document = get(f"{issuer.url}/{issuer.tenant}/{path}.well-known/openid-configuration")
            assert document["issuer"] == issuer.issuer_name(2 if path else 1)
            assert get(document["jwks_uri"]) == json.loads(issuer.key_set)
        assert get(f"{issuer.url}/common/v2.0/.well-known/openid-configuration")["issuer"].count("{tenantid}") == 1
        assert get(f"{issuer.url}/common/discovery/instance")["metadata"]
        issuer.is_down = True
        with pytest.raises(urllib.error.HTTPError, match="503"):
            get(f"{issuer.url}/common/discovery/keys")


def test_bad_tokens_are_bad():
    with Issuer() as issuer:
        good = issuer.mint()
        assert read(good, issuer)["xms_mirid"]
        for token in (
            issuer.mint(exp=issuer.now() - 1), issuer.mint(audience="https://graph.microsoft.com"),
            issuer.mint(iss="https://elsewhere/"), issuer.mint_unsigned(), issuer.mint_confused(),
            issuer.mint(key=SigningKey(issuer.key.name)), good[:-8] + "AAAAAAAA",
        ):
            with pytest.raises(jwt.PyJWTError):
                read(token, issuer)
        issuer.rotate()
        assert read(good, issuer) and read(issuer.mint(), issuer)
        issuer.rotate(keep_old=False)
        with pytest.raises(KeyError):
            read(good, issuer)
        assert read(issuer.mint(), issuer)


def test_in_entras_own_place():
    with Issuer(authority="https://login.microsoftonline.com/") as issuer:
        assert issuer.issuer_name(1) == f"https://sts.windows.net/{issuer.tenant}/"
        assert issuer.issuer_name(2) == f"https://login.microsoftonline.com/{issuer.tenant}/v2.0"
