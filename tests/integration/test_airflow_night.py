"""A night in a real Airflow: scheduler, DAG processor and API server; a task killed with -9."""

import os
import signal
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from ml.audit.window import Window
from ml.embedded import services as embedded
from stack import processes
from stack.airflow import Airflow
from tests.support.airflow_runs import (
    AUDIT,
    RUN_SECONDS,
    audit_variables,
    settled,
    trigger_audit,
    wait,
)
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

PHOTOS = 1500


@pytest.fixture
def airflow(services: embedded.Services, shop: Shop, tmp_path: Path) -> Iterator[Airflow]:
    extra = audit_variables(shop, shard_images=1000)
    installed = Airflow(tmp_path / "airflow", services, shop.settings, extra)
    installed.prepare()
    installed.start()
    yield installed
    installed.stop()


def _upload(shop: Shop) -> None:
    for i in range(PHOTOS):
        shop.upload(f"{i:05}.jpg", photo(BRIGHT if i % 4 else DARK, seed=i) if i % 50 else b"bad")


def _judging(home: Path) -> list[psutil.Process]:
    """Processes of judging tasks: below the scheduler, with torch loaded."""
    below = processes.find(home)["scheduler"].children(recursive=True)
    return [process for process in below if "libtorch" in _maps(process)]


def _maps(process: psutil.Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/maps").read_text()
    except OSError:
        return ""


def _kill_one_judging_task(airflow: Airflow, shop: Shop, run_id: str) -> int:
    home = airflow.home
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        if 0 < settled(shop, run_id) < PHOTOS:
            found = _judging(home)
            for process in found[:1]:
                os.kill(process.pid, signal.SIGKILL)
            if found:
                return 1
        time.sleep(0.02)
    return 0


@pytest.mark.timeout(600)
def test_a_killed_judge_task_is_retried_and_the_night_ends_as_if_unbroken(
    airflow: Airflow, shop: Shop
) -> None:
    _upload(shop)
    with airflow.client() as client:
        trigger_audit(client, "killed", shop.window)
        assert _kill_one_judging_task(airflow, shop, "killed") == 1
        assert settled(shop, "killed") < PHOTOS
        assert wait(client, AUDIT, "killed") == "success"
        tasks = client.tasks(AUDIT, "killed")
        note = str(client.run(AUDIT, "killed")["note"])
        trigger_audit(client, "again", shop.window)
        assert wait(client, AUDIT, "again") == "success"
        nothing = Window(shop.window.start - timedelta(days=30), shop.window.start)
        trigger_audit(client, "nothing", nothing)
        assert wait(client, AUDIT, "nothing") == "success"
    tries = [t["try_number"] for t in tasks if t["task_id"] == "judge"]
    assert len(tries) == 2
    assert max(tries) > 1
    report = shop.rows("select report from moderation.audit_run where run_id = 'killed'")[0][0]
    assert isinstance(report, dict)
    # 30 are broken; 375 are dark, of which 15 are among the broken.
    assert (report["judged"], report["quarantined"]) == (1470, 30)
    assert report["verdicts"] == {"pass": 1110, "review": 360, "block": 0}
    assert "**1,500 photos" in note
    again = "select judged, already_judged from moderation.audit_run where run_id = 'again'"
    assert shop.rows(again) == [(0, 1470)]
    # A night without photos has no shard, and is reconciled and reported all the same.
    empty = "select listed, state, report is not null from moderation.audit_run where run_id = :r"
    assert shop.rows(empty, r="nothing") == [(0, "reconciled", True)]
