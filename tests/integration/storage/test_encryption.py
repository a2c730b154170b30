"""A real SeaweedFS that encrypts what is written: it needs a key, which the shared one has not."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devtools.embedded import seaweedfs
from ml.core.s3_settings import S3Settings
from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client

pytestmark = pytest.mark.integration


@pytest.fixture
def server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[seaweedfs.EmbeddedSeaweedFS]:
    # A random key, as its other internal ones.
    keys = (*seaweedfs._INTERNAL_KEYS, "WEED_S3_SSE_KEK")
    monkeypatch.setattr(seaweedfs, "_INTERNAL_KEYS", keys)
    started = seaweedfs.EmbeddedSeaweedFS(tmp_path / "s3")
    started.start()
    yield started
    started.remove()


def test_encrypted_objects_are_read_as_they_were_written(
    server: seaweedfs.EmbeddedSeaweedFS,
) -> None:
    settings = S3Settings.model_validate(
        {
            "s3_endpoint_url": server.endpoint_url,
            "s3_access_key": server.access_key,
            "s3_secret_key": server.secret_key,
            "s3_sse": "AES256",
        }
    )
    with closing(ObjectStore(s3_client(settings), settings.photo_bucket)) as store:
        store.create()
        store.put("a.jpg", b"photo")
        stored = store._client.head_object(Bucket=store.bucket, Key="a.jpg")
        assert stored["ServerSideEncryption"] == "AES256"
        # The first read is boto3's, the others obstore's, which compares the bytes' MD5 as well.
        assert [store.get("a.jpg") for _ in range(3)] == [b"photo"] * 3
        assert store._reader.is_used
