"""A month in a real Airflow: nightly run, labels, retraining, approval, next run, rollback."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

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


def prepare_policy(shop: Shop, folder: Path) -> None:
    """Gates for few photos, and a shadow run."""
    changed = with_retraining(shop.settings, folder, **SMALL, shadow_run=True)
    shutil.copyfile(changed.policy_file, shop.settings.policy_file)


def run_month(running: RunningAirflow, folder: Path) -> Month:
    """Run the whole scenario; `prepare_policy` comes before it."""
    shop = running.shop
    airflow, uploads = running.airflow, _upload(shop, folder)
    with airflow.client() as client:
        assert _night(client, shop, "first") == "success"
        simulate_reviewers("first", uploads, settings=shop.settings, connections=shop.connections)
        client.unpause(RETRAIN)
        preset = write_preset(running.presets, **LEARNS)
        client.trigger(RETRAIN, "month", {"preset": preset})
        owner = _Owner(client, shop)
        assert wait_for_run(client, RETRAIN, "month", meanwhile=owner) == "success"
        note = str(client.run(RETRAIN, "month")["note"])
        stranger, page = _report(airflow, client, "month")
        promoted = champion(shop)
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
        if not self._client.is_waiting(RETRAIN, "month", "approve"):
            return
        if not self.rotated:
            url = set_task_password(self._shop).get_secret_value()
            self._client.put_connection(DATABASE_CONNECTION, database_connection(url))
            self.rotated = True
        self._client.approve(RETRAIN, "month", "approve")


def champion(shop: Shop) -> object:
    """The hash of the champion."""
    return shop.rows("select model_hash from moderation.champion")[0][0]


def _report(airflow: Airflow, client: AirflowClient, run_id: str) -> tuple[int, httpx.Response]:
    """Return the status of the page without a login, and the page with one."""
    url = f"{airflow.url}/moderation/report"
    asked = {"dag": RETRAIN, "run": run_id}
    stranger = httpx.get(url, params=asked)
    return stranger.status_code, httpx.get(url, params=asked, headers=client.login)
