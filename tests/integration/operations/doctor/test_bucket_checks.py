"""Checks of the two buckets, on a real server."""

import pytest
from pydantic import SecretStr

from ml.operations.doctor.check import CheckStatus
from tests.integration.operations.doctor.conftest import Examine, failures
from tests.support.bucket_policy import allowed_under
from tests.support.faulty_proxy import faulty_proxy
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def test_bucket_checks_read_a_photo_and_delete_own_object(run_doctor: Examine, shop: Shop) -> None:
    assert "no photo under" in run_doctor()["photo bucket"].message
    shop.upload("a.jpg", photo())
    assert "lists and reads" in run_doctor()["photo bucket"].message
    assert list(shop.connections.models.list_pages("doctor/")) == [[]]


def test_missing_bucket_fails(run_doctor: Examine) -> None:
    found = run_doctor(photo_bucket="no-such-photos", model_bucket="no-such-models")
    assert failures(found) == ["photo bucket", "model bucket"]
    assert "create the bucket no-such-photos" in found["photo bucket"].remedy
    assert "MODERATION_MODEL_BUCKET" in found["model bucket"].remedy
    assert found["champion"].state is CheckStatus.SKIPPED


def test_wrong_key_is_forbidden_and_never_absent(run_doctor: Examine) -> None:
    found = run_doctor(s3_secret_key=SecretStr("wrong"), photo_bucket="no-such-photos")
    assert failures(found) == ["photo bucket", "model bucket"]
    for name in ("photo bucket", "model bucket"):
        assert "StorageForbidden" in found[name].message
        assert "MODERATION_S3_SECRET_KEY" in found[name].remedy
        assert "create" not in found[name].remedy


def test_rights_that_end_at_prefixes_are_enough(shop: Shop, run_doctor: Examine) -> None:
    shop.upload("a.jpg", b"photo", row=False)
    rights = allowed_under("reviews/", "models/", "doctor/")
    dated = {"photo_prefix": "reviews/%Y/"}
    with faulty_proxy(shop.settings.s3_endpoint_url or "", rights) as url:
        found = run_doctor(s3_endpoint_url=url, **dated)
        assert "photo bucket" not in failures(found)
        assert "model bucket" not in failures(found)
        assert "reads under reviews/" in found["photo bucket"].message
        refused = run_doctor(s3_endpoint_url=url, photo_prefix="others/")
        assert "photo bucket" in failures(refused)


def test_unreachable_storage_fails(run_doctor: Examine) -> None:
    found = run_doctor(s3_endpoint_url="http://127.0.0.1:1")
    assert failures(found) == ["bucket clock", "photo bucket", "model bucket"]
    assert "start the object storage" in found["photo bucket"].remedy
