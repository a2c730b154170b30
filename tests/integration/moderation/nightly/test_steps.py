"""The steps as Airflow's tasks call them: settings from the environment, metrics and log lines."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from ml.core.errors import StorageForbidden
from ml.moderation.nightly import steps
from ml.operations.monitoring.run_summary import send_run_gauges
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.support.statsd_listener import Listener, statsd_listener

pytestmark = pytest.mark.integration


@pytest.fixture
def listener() -> Iterator[Listener]:
    with statsd_listener() as listening:
        yield listening


@pytest.fixture
def environment(shop: Shop, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = shop.settings.model_dump(mode="json", exclude={"commerce", "approvers"})
    settings |= {
        name: getattr(shop.settings, name).get_secret_value()
        for name in ("database_url", "s3_access_key", "s3_secret_key")
    }
    settings |= {"statsd_host": "127.0.0.1", "statsd_port": listener.port}
    for name, value in settings.items():
        if value is not None:
            monkeypatch.setenv(f"MODERATION_{name.upper()}", str(value))


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    capture = LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, capture])
    yield capture.entries
    structlog.reset_defaults()


def _night(shop: Shop, run_id: str) -> dict[str, Any]:
    window = (shop.window.start.isoformat(), shop.window.end.isoformat())
    steps.preflight(run_id, requested=window, data_interval=None, run_after=shop.window.end)
    for shard in steps.discover(run_id):
        steps.score_shard(shard)
    steps.write_back(run_id)
    steps.reconcile(run_id)
    return steps.report(run_id)


@pytest.mark.usefixtures("environment")
def test_stored_report_is_sent_as_metrics(shop: Shop, listener: Listener) -> None:
    for i, data in enumerate((photo(BRIGHT, seed=1), photo(DARK, seed=2), b"no photo")):
        shop.upload(f"{i}.jpg", data)
    report = _night(shop, "measured")
    send_run_gauges(report)
    found = listener.gauges()
    assert found["moderation.audit.photos.listed"] == 3
    assert found["moderation.audit.quarantine.not_an_image"] == 1
    assert found["moderation.audit.verdicts.pass"] == report["verdicts"]["pass"] == 1
    assert found["moderation.audit.seconds.forward"] == report["seconds"]["forward"]
    assert found["moderation.audit.yuan.manual_only"] == report["yuan"]["manual_only"]
    again = steps.report("measured")
    send_run_gauges(again)
    assert listener.gauges()["moderation.audit.photos.listed"] == again["listed"]


@pytest.mark.usefixtures("environment")
def test_log_lines_name_their_run_and_shard(shop: Shop, lines: list[Any]) -> None:
    shop.upload("a.jpg", photo(BRIGHT, seed=1))
    _night(shop, "told")
    ours = [line for line in lines if line["event"] != "stamina.retry_scheduled"]
    assert {"preflight", "discovered", "scoring", "written back", "reconciled"} <= {
        line["event"] for line in ours
    }
    assert {line["run_id"] for line in ours} == {"told"}
    assert [line["shard"] for line in ours if line["event"] == "scoring"] == [0]


@pytest.mark.usefixtures("environment", "no_waiting")
def test_log_lines_of_threads_name_their_photo(
    shop: Shop, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = shop.upload("a.jpg", photo(BRIGHT, seed=1))
    window = (shop.window.start.isoformat(), shop.window.end.isoformat())
    steps.preflight("lost", requested=window, data_interval=None, run_after=shop.window.end)
    shards = steps.discover("lost")
    monkeypatch.setenv("MODERATION_S3_SECRET_KEY", "another")
    with suppress(StorageForbidden):  # of one photo or of the bucket: only the log line matters
        steps.score_shard(shards[0])
    about = [line for line in lines if line["event"] == "not fetched"]
    assert [(line["run_id"], line["shard"], line["image"]) for line in about] == [("lost", 0, key)]


@pytest.mark.usefixtures("environment")
def test_run_by_uploads_keeps_its_window_in_a_retry(shop: Shop) -> None:
    queued = datetime.now(UTC) - timedelta(minutes=5)  # photos of later events count, too
    asked = {"requested": (None, None), "data_interval": None, "run_after": queued}
    first = steps.preflight("uploads", **asked, by_uploads=True)  # type: ignore[arg-type]  # of these types
    assert datetime.fromisoformat(first["window_end"]) > queued
    assert steps.preflight("uploads", **asked, by_uploads=True) == first  # type: ignore[arg-type]  # as above
    stored = "select count(*) from moderation.audit_run where run_id = 'uploads'"
    assert shop.rows(stored) == [(1,)]
