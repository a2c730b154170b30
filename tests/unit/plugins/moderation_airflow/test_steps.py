import pytest
from airflow.sdk.exceptions import AirflowFailException

from ml.core.errors import ModerationError, PolicyError, StorageForbidden, StorageUnavailable
from ml.core.settings import Settings
from moderation_airflow.steps import no_retries, run_step


def test_step_gets_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODERATION_PHOTO_BUCKET", "bucket-of-photos")

    def step(run_id: str, *, by: str, settings: Settings) -> tuple[str, str, str]:
        return run_id, by, settings.photo_bucket

    assert run_step(step, "run", by="ann") == ("run", "ann", "bucket-of-photos")


@pytest.mark.parametrize("error", [PolicyError("fix it"), StorageForbidden("let it")])
def test_error_that_waiting_does_not_change_is_not_retried(error: ModerationError) -> None:
    with pytest.raises(AirflowFailException, match=str(error)) as failed, no_retries():
        raise error
    assert failed.value.__cause__ is error


def test_outage_is_retried() -> None:
    with pytest.raises(StorageUnavailable), no_retries():
        raise StorageUnavailable("wait")
