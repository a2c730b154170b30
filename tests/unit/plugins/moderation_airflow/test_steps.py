import pytest
from airflow.sdk.exceptions import AirflowFailException

from ml.core.errors import (
    BucketForbidden,
    ModerationError,
    PolicyError,
    StorageForbidden,
    StorageUnavailable,
)
from ml.core.settings import Settings
from moderation_airflow.steps import fail_without_retry, run_step


def test_step_gets_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_PHOTO_BUCKET", "bucket-of-photos")

    def step(run_id: str, *, by: str, settings: Settings) -> tuple[str, str, str]:
        return run_id, by, settings.photo_bucket

    assert run_step(step, "run", by="ann") == ("run", "ann", "bucket-of-photos")


@pytest.mark.parametrize("error", [PolicyError("fix it"), StorageForbidden("let it")])
def test_error_that_waiting_does_not_change_is_not_retried(error: ModerationError) -> None:
    with pytest.raises(AirflowFailException, match=str(error)) as failed, fail_without_retry():
        raise error
    assert failed.value.__cause__ is error


def test_outage_is_retried() -> None:
    with pytest.raises(StorageUnavailable), fail_without_retry():
        raise StorageUnavailable("wait")


def test_credentials_of_a_connection_that_are_refused_are_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODERATION_S3_CONN_ID", "shop_s3")
    monkeypatch.setenv("AIRFLOW_CONN_SHOP_S3", '{"conn_type": "aws"}')

    def step(*, settings: Settings) -> None:
        raise BucketForbidden(f"ExpiredToken in {settings.photo_bucket}")

    with pytest.raises(BucketForbidden, match="shop_s3"):
        run_step(step)


def test_credentials_of_the_settings_that_are_refused_need_an_operator() -> None:
    def step(*, settings: Settings) -> None:
        raise BucketForbidden(f"ExpiredToken in {settings.photo_bucket}")

    with pytest.raises(AirflowFailException, match="ExpiredToken"):
        run_step(step)
