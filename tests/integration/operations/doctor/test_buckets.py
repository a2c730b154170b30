import pytest
from pydantic import SecretStr

from ml.operations.doctor.check import CheckStatus
from tests.integration.operations.doctor.conftest import Examine, failures
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def test_a_photo_is_read_and_our_own_object_is_removed_again(examined: Examine, shop: Shop) -> None:
    assert "no photo under" in examined()["photo bucket"].message
    shop.upload("a.jpg", photo())
    assert "lists and reads" in examined()["photo bucket"].message
    assert list(shop.connections.models.list_pages("doctor/")) == [[]]


def test_a_missing_bucket_is_absent(examined: Examine) -> None:
    found = examined(photo_bucket="no-such-photos", model_bucket="no-such-models")
    assert failures(found) == ["photo bucket", "model bucket"]
    assert "create the bucket no-such-photos" in found["photo bucket"].remedy
    assert "MODERATION_MODEL_BUCKET" in found["model bucket"].remedy
    assert found["champion"].state is CheckStatus.SKIPPED


def test_a_wrong_key_is_forbidden_never_absent(examined: Examine) -> None:
    found = examined(s3_secret_key=SecretStr("wrong"), photo_bucket="no-such-photos")
    assert failures(found) == ["photo bucket", "model bucket"]
    for name in ("photo bucket", "model bucket"):
        assert "StorageForbidden" in found[name].message
        assert "S3 keys" in found[name].remedy
        assert "create" not in found[name].remedy


def test_a_storage_that_does_not_answer(examined: Examine) -> None:
    found = examined(s3_endpoint_url="http://127.0.0.1:1")
    assert failures(found) == ["bucket clock", "photo bucket", "model bucket"]
    assert "start the object storage" in found["photo bucket"].remedy
