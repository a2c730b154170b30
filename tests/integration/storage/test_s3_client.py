"""The client against servers that refuse what Aliyun OSS and Tencent COS refuse."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ml.core.errors import BucketForbidden, BucketUnusable, ObjectArchived, StorageForbidden
from ml.core.s3_settings import S3Settings
from ml.storage import fast_read
from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client
from tests.support.cloud_store import (
    ACCESS_KEY,
    AWS,
    COS,
    OSS,
    SECRET_KEY,
    CloudStore,
    Vendor,
    reachable_store,
)


@pytest.fixture(params=[OSS, COS], ids=["oss", "cos"])
def cloud(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CloudStore]:
    """A store behind a proxy and TLS, under its vendor's host name."""
    vendor: Vendor = request.param
    with reachable_store(vendor, tmp_path, monkeypatch) as store:
        yield store


def open_store(cloud: CloudStore, **values: Any) -> ObjectStore:  # noqa: ANN401 - any setting
    settings = S3Settings.model_validate(cloud.settings() | values)
    return ObjectStore(s3_client(settings), settings.photo_bucket)


def test_aws_needs_a_region_and_keys_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        reachable_store(AWS, tmp_path, monkeypatch) as cloud,
        closing(open_store(cloud, s3_sse="aws:kms", s3_sse_key_id="key-1")) as store,
    ):
        for key in ("reviews/a b.jpg", "reviews/照片.jpg"):
            store.put(key, b"photo")
        store.check("reviews/")
        ((first, second),) = store.list_pages("reviews/")
        assert store.get(first.key, etag=first.etag) == b"photo"
        assert cloud.encryption[first.key]["x-amz-server-side-encryption"] == "aws:kms"
        store.delete_many([first.key, second.key])
        assert cloud.objects == {}
        assert [method for method, _, _ in cloud.requests].count("POST") == 1


def headers_of(cloud: CloudStore, method: str) -> dict[str, str]:
    (found,) = [headers for verb, _, headers in cloud.requests if verb == method]
    return {name.lower(): value for name, value in found.items()}


@pytest.mark.parametrize("signature", ["v4", "v2"])
def test_every_operation_works_with_the_endpoint_and_keys_alone(
    signature: str, cloud: CloudStore
) -> None:
    cloud.signature = signature
    with closing(open_store(cloud, s3_signature=signature)) as store:
        store.put("reviews/a b/照片.jpg", b"photo", content_type="image/jpeg")
        store.check("reviews/")
        ((listed,),) = store.list_pages("reviews/")
        assert store.get(listed.key, etag=listed.etag, size_bytes=5) == b"photo"
        assert store.head(listed.key).size_bytes == 5
        store.delete(listed.key)
        assert list(store.list_pages("")) == [[]]


def test_no_request_has_a_chunked_body_or_a_trailer(cloud: CloudStore) -> None:
    with closing(open_store(cloud)) as store:
        store.put("large", b"x" * 3_000_000)
        store.delete_many(["large"])
    for _, _, headers in cloud.requests:
        lowered = {name.lower(): value for name, value in headers.items()}
        assert "aws-chunked" not in lowered.get("content-encoding", "")
        assert "x-amz-trailer" not in lowered
        assert not lowered.get("x-amz-content-sha256", "").startswith("STREAMING")


def test_path_style_is_refused_with_the_remedy(cloud: CloudStore) -> None:
    remedy = "MODERATION_S3_ADDRESSING=virtual"
    with (
        closing(open_store(cloud, s3_addressing="path")) as store,
        pytest.raises(BucketForbidden, match=remedy),
    ):
        store.check("")


def test_archived_object_is_named_as_such(cloud: CloudStore) -> None:
    cloud.objects["old.jpg"] = b"photo"
    cloud.archived.add("old.jpg")
    with closing(open_store(cloud)) as store:
        for read in (store.get, store.head):
            with pytest.raises(ObjectArchived, match="restore it"):
                read("old.jpg")


def test_rights_that_end_at_a_prefix_are_enough(cloud: CloudStore) -> None:
    cloud.allowed_prefix = "reviews/"
    with closing(open_store(cloud)) as store:
        store.check("reviews/")
        with pytest.raises(StorageForbidden):
            store.check("")


def test_unknown_authority_is_named_with_the_remedy(
    cloud: CloudStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with (
        closing(open_store(cloud)) as store,
        pytest.raises(BucketUnusable, match="AWS_CA_BUNDLE"),
    ):
        store.check("")


def test_session_token_is_sent(cloud: CloudStore) -> None:
    cloud.session_token = "token-of-an-hour"
    with closing(open_store(cloud, s3_session_token="token-of-an-hour")) as store:
        store.check("")
    with closing(open_store(cloud)) as store, pytest.raises(BucketForbidden, match="renew"):
        store.check("")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, {}),
        ({"s3_sse": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
        (
            {"s3_sse": "aws:kms", "s3_sse_key_id": "key-1"},
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
            },
        ),
    ],
    ids=["none", "aes256", "kms"],
)
def test_encryption_is_asked_for_on_writing_alone(
    values: dict[str, str], expected: dict[str, str], cloud: CloudStore
) -> None:
    with closing(open_store(cloud, **values)) as store:
        store.put("a.jpg", b"photo")
        assert store.get("a.jpg") == b"photo"
    assert cloud.encryption["a.jpg"] == expected
    assert not any("encryption" in name for name in headers_of(cloud, "GET"))


@pytest.mark.parametrize("signature", ["v4", "v2"])
def test_obstore_reads_by_version_4_alone(
    signature: str, cloud: CloudStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Reads behind a proxy are boto3's; obstore finds it in HTTP_PROXY, too.
    monkeypatch.setattr(fast_read, "get_environ_proxies", lambda _: {})
    cloud.signature = signature
    cloud.objects["a.jpg"] = b"photo"
    plain = cloud.settings("http") | {"s3_signature": signature}
    with closing(open_store(cloud, **plain)) as store:
        assert [store.get("a.jpg") for _ in range(3)] == [b"photo"] * 3
        assert store._reader.is_used == (signature == "v4")
    agents = {
        headers.get("User-Agent", headers.get("user-agent", "")) for _, _, headers in cloud.requests
    }
    assert any("Boto3" not in agent for agent in agents) == (signature == "v4")
    assert {headers.get("Host", headers.get("host")) for _, _, headers in cloud.requests} == {
        f"{cloud.bucket}.{cloud.vendor.host}"
    }


def test_chain_signs_with_the_keys_of_the_environment(
    cloud: CloudStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    no_keys = {"s3_access_key": None, "s3_secret_key": None, "s3_credentials": "chain"}
    with closing(open_store(cloud, **no_keys)) as store:
        store.check("")
        # Another client looks for its own: nothing is kept in a session that clients share.
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        with closing(open_store(cloud, **no_keys)) as other, pytest.raises(StorageForbidden):
            other.check("")
        store.check("")


@pytest.mark.parametrize(
    ("values", "environment", "region"),
    [
        ({}, None, "us-east-1"),
        ({}, "eu-west-3", "eu-west-3"),
        ({"s3_region": "eu-west-1"}, "eu-west-3", "eu-west-1"),
        ({"s3_endpoint_url": "https://oss-cn-hangzhou.aliyuncs.com"}, "eu-west-3", "cn-hangzhou"),
        ({"s3_endpoint_url": "http://minio:9000"}, "eu-west-3", "us-east-1"),
    ],
)
def test_region_of_the_environment_counts_on_aws_alone(
    values: dict[str, str],
    environment: str | None,
    region: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    if environment:
        monkeypatch.setenv("AWS_DEFAULT_REGION", environment)
    keys = {"s3_access_key": "key", "s3_secret_key": "secret"}
    with closing(s3_client(S3Settings.model_validate(keys | values))) as client:
        assert client.meta.region_name == region
