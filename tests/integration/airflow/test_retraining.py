"""Retraining in a real Airflow: run, labels, retraining, approval, next run, rollback."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from devtools.demo.photos import Upload
from devtools.demo.simulated_reviewers import simulate_reviewers
from devtools.local_stack.airflow import DATABASE_CONNECTION, Airflow, database_connection
from devtools.local_stack.airflow_client import AirflowClient
from tests.integration.airflow.conftest import RunningAirflow, set_task_password
from tests.integration.learning.retrain.month import LEARNS, SMALL
from tests.integration.learning.retrain.snapshot_fixtures import write_preset
from tests.support.airflow_runs import wait_for_run
from tests.support.labelled_photos import with_retraining
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.support.striped_photos import striped_photo

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.timeout(2400)]

EACH = 80
LATE = 12  # photos of the shadow run
AUDIT, RETRAIN, ROLLBACK = "audit_review_images", "retrain_model", "rollback_model"
KINDS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "bright": ("normal", lambda n: photo(BRIGHT, seed=n)),
    "dark": ("violate", lambda n: photo(DARK, seed=50_000 + n)),
    "striped": ("violate", lambda n: striped_photo(seed=n)),
}


@dataclass(frozen=True)
class Month:
    """Results of the scenario: champion before the rollback, and the page of its report.

    `rotated`: the database password was another one after the approval than before.
    """

    promoted: object
    rotated: bool
    note: str
    stranger: int  # status of the page without a login
    page: httpx.Response


@pytest.fixture(scope="module")
def shop(empty_airflow: RunningAirflow, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop, with gates for few photos and a shadow run."""
    shop, folder = empty_airflow.shop, tmp_path_factory.mktemp("policy")
    changed = with_retraining(shop.settings, folder, **SMALL, shadow_run=True)
    shutil.copyfile(changed.policy_file, shop.settings.policy_file)
    return shop


@pytest.fixture(scope="module")
def month(
    empty_airflow: RunningAirflow, shop: Shop, tmp_path_factory: pytest.TempPathFactory
) -> Month:
    folder = tmp_path_factory.mktemp("month")
    airflow, uploads = empty_airflow.airflow, _upload(shop, folder)
    with airflow.client() as client:
        assert _night(client, shop, "first") == "success"
        simulate_reviewers("first", uploads, settings=shop.settings, connections=shop.connections)
        client.unpause(RETRAIN)
        client.trigger(RETRAIN, "month", {"preset": write_preset(folder, **LEARNS)})
        owner = _Owner(client, shop)
        assert wait_for_run(client, RETRAIN, "month", meanwhile=owner) == "success"
        note = str(client.run(RETRAIN, "month")["note"])
        stranger, page = _report(airflow, client, "month")
        promoted = _champion(shop)
        assert _night(client, shop, "next") == "success"
        client.unpause(ROLLBACK)
        given = {"version": "previous", "reason": "test", "run_ids": ["first"]}
        client.trigger(ROLLBACK, "back", given)
        assert wait_for_run(client, ROLLBACK, "back") == "success"
    return Month(promoted, owner.rotated, note, stranger, page)


def _upload(shop: Shop, folder: Path) -> list[Upload]:
    uploads = []
    for kind, (label, make) in KINDS.items():
        for number in range(EACH):
            name = f"{kind}-{number:03}.jpg"
            # One photo per review: photos of one review stay together in the split.
            shop.add_row(shop.upload(name, make(number), row=False), review=len(uploads) + 1)
            uploads.append(Upload(name, folder, label, kind, broken=False))
    return uploads


def _window(shop: Shop) -> dict[str, str]:
    return {
        "window_start": shop.window.start.isoformat(),
        "window_end": shop.window.end.isoformat(),
    }


def _night(client: AirflowClient, shop: Shop, run_id: str) -> str:
    client.unpause(AUDIT)
    client.trigger(AUDIT, run_id, _window(shop))
    return wait_for_run(client, AUDIT, run_id)


class _Owner:
    """Triggers the shadow run when it is needed, rotates the database password, then approves."""

    def __init__(self, client: AirflowClient, shop: Shop) -> None:
        self._client, self._shop, self._started = client, shop, False
        self.rotated = False

    def __call__(self) -> None:
        if not self._started and self._shop.rows("select model_hash from moderation.shadow"):
            self._started = True
            for number in range(LATE):
                make = (
                    photo(BRIGHT, seed=9000 + number)
                    if number % 2
                    else striped_photo(seed=9000 + number)
                )
                key = self._shop.upload(f"late-{number}.jpg", make, row=False)
                self._shop.add_row(key, review=10_000 + number)
            self._client.trigger(AUDIT, "beside", _window(self._shop))
        if not self.rotated and self._client.is_waiting(RETRAIN, "month", "approve"):
            url = set_task_password(self._shop).get_secret_value()
            self._client.put_connection(DATABASE_CONNECTION, database_connection(url))
            self.rotated = True
        self._client.approve(RETRAIN, "month", "approve")


def _results(shop: Shop, run_id: str) -> list[tuple[object, ...]]:
    return shop.rows(
        "select object_key, decision, reasons, violation_score, model_hash "
        "from moderation.audit_result where run_id = :r order by 1",
        r=run_id,
    )


def _champion(shop: Shop) -> object:
    return shop.rows("select model_hash from moderation.champion")[0][0]


def _striped_caught(shop: Shop, run_id: str) -> int:
    return sum(
        "striped" in str(key) and decision != "pass" for key, decision, *_ in _results(shop, run_id)
    )


def _report(airflow: Airflow, client: AirflowClient, run_id: str) -> tuple[int, httpx.Response]:
    """Return the status of the page without a login, and the page with one."""
    url = f"{airflow.url}/moderation/report"
    asked = {"dag": RETRAIN, "run": run_id}
    stranger = httpx.get(url, params=asked)
    return stranger.status_code, httpx.get(url, params=asked, headers=client.login)


def test_approved_candidate_is_promoted(month: Month, shop: Shop) -> None:
    ended = "select state, candidate_hash, reason from moderation.retrain_run where run_id = :r"
    run = shop.rows(ended, r="month")[0]
    assert run[:2] == ("promoted", month.promoted), run
    assert month.promoted != shop.model_hash
    assert "Promoted" in month.note


def test_password_of_the_connection_changes_between_two_tasks(month: Month) -> None:
    assert month.rotated  # `promote` and all later runs could log in with the new one alone


def test_model_report_requires_a_login(month: Month) -> None:
    assert month.stranger == httpx.codes.UNAUTHORIZED
    assert month.page.status_code == httpx.codes.OK
    assert str(month.promoted)[:12] in month.page.text
    assert "default-src 'none'" in month.page.headers["content-security-policy"]


@pytest.mark.usefixtures("month")
def test_shadow_model_scores_a_whole_run_and_decides_nothing(shop: Shop) -> None:
    beside = "select count(*) from moderation.shadow_verdict where run_id = 'beside'"
    assert shop.rows(beside) == [(LATE,)]
    assert {row[-1] for row in _results(shop, "beside")} == {shop.model_hash}


def test_next_nightly_run_uses_the_promoted_version(month: Month, shop: Shop) -> None:
    assert {row[-1] for row in _results(shop, "first")} == {shop.model_hash}
    assert {row[-1] for row in _results(shop, "next")} == {month.promoted}
    # The new version detects the new violation.
    assert _striped_caught(shop, "next") > _striped_caught(shop, "first") + EACH // 4


@pytest.mark.usefixtures("month")
def test_rollback_is_one_promotion_and_restores_the_verdicts(shop: Shop) -> None:
    assert _champion(shop) == shop.model_hash
    started = "select run_id from moderation.audit_run where run_id like 'again%'"
    again = str(shop.rows(started)[0][0])
    assert "back" in again
    assert "first" in again
    first = {row[0]: row for row in _results(shop, "first")}
    assert {row[0]: row for row in _results(shop, again) if row[0] in first} == first
    history = "select kind, promoted_by from moderation.promotion order by promotion_id"
    assert shop.rows(history) == [
        ("promote", "test"),
        ("promote", "admin"),
        ("rollback", "admin"),
    ]
