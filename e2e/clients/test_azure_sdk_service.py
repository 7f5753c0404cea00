"""azure-storage-blob: what belongs to the account: service properties and CORS, account information, statistics."""

import http.client

import pytest
from azure.storage.blob import BlobAnalyticsLogging, BlobServiceClient, CorsRule, Metrics, RetentionPolicy

from node import DEV_ACCOUNT, DEV_KEY
from refusal import refused


@pytest.fixture(scope="module")
def account():
    """A node of this file's own: its properties are changed here."""
    from node import Node

    with Node() as node:
        yield node


@pytest.fixture
def service(account):
    return BlobServiceClient(account.account_url, credential=DEV_KEY, retry_total=0)


def test_fresh_properties(service):
    properties = service.get_service_properties()
    assert properties["cors"] == []
    assert properties["analytics_logging"].version == "1.0"
    assert not any(getattr(properties["analytics_logging"], name) for name in ("read", "write", "delete"))
    assert properties["hour_metrics"].version == properties["minute_metrics"].version == "1.0"


def test_properties_round_trip(service):
    service.set_service_properties(
        analytics_logging=BlobAnalyticsLogging(
            read=True, write=False, delete=True, retention_policy=RetentionPolicy(enabled=True, days=3)
        ),
        hour_metrics=Metrics(enabled=True, include_apis=True, retention_policy=RetentionPolicy(enabled=True, days=5)),
        minute_metrics=Metrics(enabled=False),
        cors=[
            CorsRule(
                ["http://one.test", "http://two.test"], ["GET", "PUT"], allowed_headers=["x-ms-meta-*", "content-type"],
                exposed_headers=["etag"], max_age_in_seconds=7,
            ),
            CorsRule(["*"], ["HEAD"]),
        ],
        target_version="2021-08-06",
    )  # fmt: skip
    properties = service.get_service_properties()
    logging = properties["analytics_logging"]
    assert (logging.read, logging.write, logging.delete) == (True, False, True)
    assert (logging.retention_policy.enabled, logging.retention_policy.days) == (True, 3)
    hour = properties["hour_metrics"]
    assert (hour.enabled, hour.include_apis, hour.retention_policy.days) == (True, True, 5)
    assert properties["minute_metrics"].enabled is False
    first, second = properties["cors"]
    assert first.allowed_origins == "http://one.test,http://two.test"
    assert first.allowed_methods == "GET,PUT"
    assert first.allowed_headers == "x-ms-meta-*,content-type"
    assert (first.exposed_headers, first.max_age_in_seconds) == ("etag", 7)
    assert (second.allowed_origins, second.allowed_methods, second.max_age_in_seconds) == ("*", "HEAD", 0)
    assert properties["target_version"] == "2021-08-06"

    # What a later call leaves out stays; what it names is replaced.
    service.set_service_properties(cors=[])
    properties = service.get_service_properties()
    assert properties["cors"] == []
    assert properties["analytics_logging"].read is True
    assert properties["target_version"] == "2021-08-06"


def test_refused_properties(service):
    before = service.get_service_properties()["cors"]
    with refused(400, "InvalidXmlDocument"):
        service.set_service_properties(cors=[CorsRule(["*"], ["GET"])] * 6)
    with refused(400, "InvalidXmlNodeValue"):
        service.set_service_properties(
            hour_metrics=Metrics(enabled=False, retention_policy=RetentionPolicy(enabled=True, days=366))
        )
    assert len(service.get_service_properties()["cors"]) == len(before)


def request(account, method, path, **headers):
    connection = http.client.HTTPConnection(*account.authority.rsplit(":", 1), timeout=60)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


def test_cors_rules_are_honoured(service, account):
    service.set_service_properties(
        cors=[CorsRule(["http://one.test"], ["GET", "PUT"], allowed_headers=["x-ms-meta-a*"], exposed_headers=["etag"],
                       max_age_in_seconds=9)]
    )  # fmt: skip
    path = f"/{DEV_ACCOUNT}/any/blob"
    asked = dict(Origin="http://one.test", Access_Control_Request_Method="PUT")

    allowed = request(account, "OPTIONS", path, **asked, Access_Control_Request_Headers="x-ms-meta-ab")
    assert allowed.status == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "http://one.test"
    assert allowed.headers["Access-Control-Allow-Methods"] == "PUT"
    assert allowed.headers["Access-Control-Allow-Headers"] == "x-ms-meta-ab"
    assert allowed.headers["Access-Control-Max-Age"] == "9"
    assert allowed.headers["Access-Control-Allow-Credentials"] == "true"

    for change in (
        dict(Origin="http://other.test"),
        dict(Access_Control_Request_Method="DELETE"),
        dict(Access_Control_Request_Headers="x-other"),
    ):
        refusal = request(account, "OPTIONS", path, **{**asked, **change})
        assert (refusal.status, refusal.headers["x-ms-error-code"]) == (403, "CorsPreflightFailure")
        assert "Access-Control-Allow-Origin" not in refusal.headers
    assert request(account, "OPTIONS", path, Origin="http://one.test").status == 400

    # An ordinary answer, even a refusal, carries the headers when its origin matches.
    seen = []
    with refused(404, "ContainerNotFound"):
        service.get_blob_client("no-such-container", "b").download_blob(
            headers={"Origin": "http://one.test"},
            raw_response_hook=lambda answer: seen.append(answer.http_response.headers),
        )
    assert seen[0]["Access-Control-Allow-Origin"] == "http://one.test"
    assert "etag" in seen[0]["Access-Control-Expose-Headers"].lower()
    service.set_service_properties(cors=[])
    assert request(account, "OPTIONS", path, **asked).status == 403


def test_account_information(service):
    container = service.create_container("informed")
    blob = container.get_blob_client("not-there")
    for client in (service, container, blob):
        information = client.get_account_information()
        assert information["sku_name"] == "Standard_LRS"
        assert information["account_kind"] == "StorageV2"
        assert information["is_hns_enabled"] is False


def test_statistics_are_for_accounts_with_a_secondary(account):
    # Of a locally redundant account there is none: asked on the primary host the service refuses.
    service = BlobServiceClient(
        account.account_url, credential=DEV_KEY, retry_total=0, secondary_hostname=account.authority
    )
    with refused(400, "InvalidQueryParameterValue"):
        service.get_service_stats()


@pytest.mark.parametrize(
    "version", ["2019-02-02", "2019-12-12", "2020-10-02", "2021-12-02", "2023-11-03", "2025-07-05"]
)
def test_older_versions_of_the_protocol(account, version):
    service = BlobServiceClient(account.account_url, credential=DEV_KEY, retry_total=0, api_version=version)
    container = service.create_container(f"v{version}")
    versions = []
    blob = container.upload_blob(
        "b/c d", b"content", metadata={"a": "1"},
        raw_response_hook=lambda answer: versions.append(answer.http_response.headers["x-ms-version"]),
    )  # fmt: skip
    assert versions == [version]
    assert blob.download_blob().readall() == b"content"
    assert [(item.name, item.size, item.metadata) for item in container.list_blobs(include=["metadata"])] == [
        ("b/c d", 7, {"a": "1"})
    ]
    blob.delete_blob()
    container.delete_container()
