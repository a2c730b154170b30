"""DeleteObjects where the server demands Content-MD5, or knows no DeleteObjects."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml.core.errors import StorageForbidden
from ml.core.s3_settings import S3Settings
from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client
from tests.support.cloud_store import OSS, CloudStore, reachable_store

KEYS = ["a.jpg", "b.jpg", "c.jpg"]


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudStore]:
    with reachable_store(OSS, tmp_path, monkeypatch) as store:
        store.objects.update(dict.fromkeys(KEYS, b"photo"))
        yield store


@pytest.fixture(params=["v4", "v2"])
def store(request: pytest.FixtureRequest, cloud: CloudStore) -> Iterator[ObjectStore]:
    cloud.signature = request.param
    settings = S3Settings.model_validate(cloud.settings() | {"s3_signature": request.param})
    with closing(ObjectStore(s3_client(settings), cloud.bucket)) as opened:
        yield opened


def methods(cloud: CloudStore) -> list[str]:
    return [method for method, _, _ in cloud.requests]


def test_md5_is_sent_where_it_is_demanded_and_remembered(
    store: ObjectStore, cloud: CloudStore
) -> None:
    store.delete_many(KEYS[:2])
    assert set(cloud.objects) == {"c.jpg"}
    assert methods(cloud) == ["POST", "POST"]
    store.delete_many(["c.jpg"])
    assert methods(cloud) == ["POST"] * 3
    assert cloud.objects == {}
    refused, accepted, _ = [{n.lower() for n in headers} for _, _, headers in cloud.requests]
    assert "x-amz-checksum-crc32" in refused
    assert "content-md5" in accepted
    assert not any("checksum" in name for name in accepted)


def test_objects_are_deleted_one_by_one_where_nothing_else_is_taken(
    store: ObjectStore, cloud: CloudStore
) -> None:
    cloud.takes_bulk_delete = False
    store.delete_many(KEYS)
    assert cloud.objects == {}
    assert methods(cloud) == ["POST", "POST", "DELETE", "DELETE", "DELETE"]
    store.delete_many(["absent.jpg"])
    assert methods(cloud)[5:] == ["DELETE"]


def test_form_of_one_bucket_is_not_that_of_another_with_the_same_client(
    store: ObjectStore, cloud: CloudStore
) -> None:
    store.delete_many(KEYS)
    other = ObjectStore(store._client, cloud.bucket)
    assert (store._bulk_delete._form, other._bulk_delete._form) == (1, 0)


@pytest.mark.usefixtures("no_waiting")
def test_missing_right_is_no_reason_to_try_another_form(
    store: ObjectStore, cloud: CloudStore
) -> None:
    cloud.session_token = "another"
    with pytest.raises(StorageForbidden):
        store.delete_many(KEYS)
    assert methods(cloud) == ["POST"]
    assert set(cloud.objects) == set(KEYS)
