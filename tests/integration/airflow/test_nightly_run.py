"""A nightly run in a real Airflow, with a task that is killed with SIGKILL and retried."""

import os
import signal
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from devtools.local_stack import processes
from devtools.local_stack.airflow_client import AirflowClient
from ml.core.window import Window
from tests.integration.airflow.conftest import SHARD_SIZE, RunningAirflow
from tests.support.airflow_runs import (
    AUDIT,
    RUN_SECONDS,
    count_settled,
    trigger_audit,
    wait_for_run,
)
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.timeout(2400)]

PHOTOS = 300
TOO_SMALL = 40


@dataclass(frozen=True)
class Runs:
    """Results of runs: `killed`, `again` over the same window, `nothing`, and `unusual`.

    Before the last one, photos were uploaded that are quarantined.
    """

    settled_at_kill: int
    states: dict[str, str]
    tasks: list[dict[str, Any]]  # of `killed`
    note: str  # on `killed`


@pytest.fixture(scope="module")
def shop(empty_airflow: RunningAirflow) -> Shop:
    return empty_airflow.shop


@pytest.fixture(scope="module")
def runs(empty_airflow: RunningAirflow, shop: Shop) -> Runs:
    for i in range(PHOTOS):
        shop.upload(f"{i:05}.jpg", photo(BRIGHT if i % 4 else DARK, seed=i) if i % 50 else b"bad")
    nothing = Window(shop.window.start - timedelta(days=30), shop.window.start)
    with empty_airflow.airflow.client() as client:
        trigger_audit(client, "killed", shop.window)
        done = _kill_a_scoring_task(empty_airflow.airflow.home, shop, "killed")
        states = {"killed": wait_for_run(client, AUDIT, "killed")}
        trigger_audit(client, "nothing", nothing)
        states |= _run(client, "again", shop.window)
        states |= {"nothing": wait_for_run(client, AUDIT, "nothing")}
        for i in range(TOO_SMALL):
            shop.upload(f"small{i:02}.jpg", photo(seed=i, size=(8, 8)))
        states |= _run(client, "unusual", shop.window)
        note = str(client.run(AUDIT, "killed")["note"])
        return Runs(done, states, client.tasks(AUDIT, "killed"), note)


def _run(client: AirflowClient, run_id: str, window: Window) -> dict[str, str]:
    trigger_audit(client, run_id, window)
    return {run_id: wait_for_run(client, AUDIT, run_id)}


def _scoring_processes(home: Path) -> list[psutil.Process]:
    """Return the processes of scoring tasks: children of the scheduler with torch loaded."""
    below = processes.find(home)["scheduler"].children(recursive=True)
    return [process for process in below if "libtorch" in _maps(process)]


def _maps(process: psutil.Process) -> str:
    try:
        return Path(f"/proc/{process.pid}/maps").read_text()
    except OSError:
        return ""


def _kill_a_scoring_task(home: Path, shop: Shop, run_id: str) -> int:
    """Kill a task in the middle of a shard; return the number of photos with an outcome then."""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        if count_settled(shop, run_id) % SHARD_SIZE:
            found = _scoring_processes(home)
            if found:
                # The newest: an older one may have reported its success and be about to exit.
                newest = max(found, key=psutil.Process.create_time)
                os.kill(newest.pid, signal.SIGKILL)
                return count_settled(shop, run_id)
        time.sleep(0.01)
    raise TimeoutError("no scoring task was found")


def test_run_with_a_killed_task_succeeds_on_its_second_try(runs: Runs) -> None:
    assert runs.states["killed"] == "success"
    assert runs.settled_at_kill % SHARD_SIZE
    tries = [t["try_number"] for t in runs.tasks if t["task_id"] == "score_shard"]
    assert len(tries) == PHOTOS // SHARD_SIZE
    assert max(tries) > 1


def test_run_with_a_killed_task_counts_each_photo_once(runs: Runs, shop: Shop) -> None:
    report = shop.rows("select report from moderation.audit_run where run_id = 'killed'")[0][0]
    assert isinstance(report, dict)
    # 6 are broken; 75 are dark, of which 3 are among the broken.
    assert (report["judged"], report["quarantined"]) == (294, 6)
    assert report["verdicts"] == {"pass": 222, "review": 72, "block": 0}
    assert "**300 photos" in runs.note


def test_second_run_of_the_same_window_scores_nothing(runs: Runs, shop: Shop) -> None:
    assert runs.states["again"] == "success"
    again = "select judged, already_judged from moderation.audit_run where run_id = 'again'"
    assert shop.rows(again) == [(0, 294)]


def test_run_of_an_empty_window_is_reconciled_and_reported(runs: Runs, shop: Shop) -> None:
    assert runs.states["nothing"] == "success"
    query = "select listed, state, report is not null from moderation.audit_run where run_id = :r"
    assert shop.rows(query, r="nothing") == [(0, "reconciled", True)]


def test_run_with_many_quarantined_photos_is_written_and_fails(runs: Runs, shop: Shop) -> None:
    assert runs.states["unusual"] == "failed"
    query = "select listed, quarantined, state, report is not null from moderation.audit_run"
    found = shop.rows(f"{query} where run_id = 'unusual'")
    assert found == [(PHOTOS + TOO_SMALL, 6 + TOO_SMALL, "reconciled", True)]
    failed = "select details ->> 'task_id', details ->> 'error' from moderation.alert"
    ((task, error),) = shop.rows(f"{failed} where kind = 'run_failed'")
    assert task == "report"
    assert str(error).startswith("QuarantineShareExceeded: 46 of 340 photos are quarantined")
