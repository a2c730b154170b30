"""A month in a real Airflow: night, people, retraining, approval, next night, and back again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from ml.embedded import services as embedded
from stack.airflow import Airflow
from stack.airflow_client import Client
from stack.demo_photos import Upload
from stack.month_people import people_decide
from tests.integration.retraining.frozen import write_preset
from tests.integration.retraining.month import LEARNS, SMALL
from tests.support.airflow_runs import wait
from tests.support.labelled import with_retraining
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.support.striped import striped

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

EACH = 80
LATE = 12  # photos of the night that the candidate judges beside the champion
AUDIT, RETRAIN, ROLLBACK = "audit_review_images", "retrain_model", "rollback_model"
KINDS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "bright": ("normal", lambda n: photo(BRIGHT, seed=n)),
    "dark": ("violate", lambda n: photo(DARK, seed=50_000 + n)),
    "striped": ("violate", lambda n: striped(seed=n)),
}


@pytest.fixture
def airflow(services: embedded.Services, shop: Shop, tmp_path: Path) -> Iterator[Airflow]:
    settings = with_retraining(shop.settings, tmp_path, **SMALL, shadow_night=True)
    extra = {
        "MODERATION_PHOTO_PREFIX": settings.photo_prefix,
        "MODERATION_POLICY_FILE": str(settings.policy_file),
        "MODERATION_BATCH_IMAGES": "8",
        "MODERATION_RETRY_SECONDS": "1",
        "MODERATION_FETCH_THREADS": "4",
    }
    installed = Airflow(tmp_path / "airflow", services, settings, extra)
    installed.prepare()
    installed.start()
    yield installed
    installed.stop()


def _upload(shop: Shop, folder: Path) -> list[Upload]:
    uploads = []
    for kind, (label, make) in KINDS.items():
        for number in range(EACH):
            name = f"{kind}-{number:03}.jpg"
            # Each photo of a review of its own: photos of one stay together in the split.
            shop.add_row(shop.upload(name, make(number), row=False), review=len(uploads) + 1)
            uploads.append(Upload(name, folder, label, kind, broken=False))
    return uploads


def _window(shop: Shop) -> dict[str, str]:
    return {
        "window_start": shop.window.start.isoformat(),
        "window_end": shop.window.end.isoformat(),
    }


def _night(client: Client, shop: Shop, run_id: str) -> str:
    client.unpause(AUDIT)
    client.trigger(AUDIT, run_id, _window(shop))
    return wait(client, AUDIT, run_id)


class _Owner:
    """Lets a night judge beside the champion when that is asked for, then approves."""

    def __init__(self, client: Client, shop: Shop) -> None:
        self._client, self._shop, self._started = client, shop, False

    def __call__(self) -> None:
        if not self._started and self._shop.rows("select model_hash from moderation.shadow"):
            self._started = True
            for number in range(LATE):
                make = (
                    photo(BRIGHT, seed=9000 + number) if number % 2 else striped(seed=9000 + number)
                )
                key = self._shop.upload(f"late-{number}.jpg", make, row=False)
                self._shop.add_row(key, review=10_000 + number)
            self._client.trigger(AUDIT, "beside", _window(self._shop))
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


def _report(airflow: Airflow, client: Client, run_id: str) -> tuple[int, httpx.Response]:
    """The page of the plugin: what a stranger gets, and what a user gets."""
    url = f"{airflow.url}/moderation/report"
    asked = {"dag": RETRAIN, "run": run_id}
    stranger = httpx.get(url, params=asked)
    return stranger.status_code, httpx.get(url, params=asked, headers=client.login)


@pytest.mark.timeout(900)
def test_a_month_makes_a_better_champion_and_can_be_undone(
    airflow: Airflow, shop: Shop, tmp_path: Path
) -> None:
    uploads = _upload(shop, tmp_path)
    with airflow.client() as client:
        assert _night(client, shop, "first") == "success"
        people_decide("first", uploads, settings=shop.settings, connections=shop.connections)
        client.unpause(RETRAIN)
        client.trigger(RETRAIN, "month", {"preset": write_preset(tmp_path, **LEARNS)})
        assert wait(client, RETRAIN, "month", meanwhile=_Owner(client, shop)) == "success"
        note = str(client.run(RETRAIN, "month")["note"])
        stranger, page = _report(airflow, client, "month")
        promoted = _champion(shop)
        assert _night(client, shop, "next") == "success"
        client.unpause(ROLLBACK)
        given = {"version": "previous", "reason": "test", "nights": ["first"]}
        client.trigger(ROLLBACK, "back", given)
        assert wait(client, ROLLBACK, "back") == "success"

    ended = "select state, candidate_hash, reason from moderation.retrain_run where run_id = :r"
    run = shop.rows(ended, r="month")[0]
    assert run[:2] == ("promoted", promoted), run
    assert "Promoted" in note
    assert stranger == httpx.codes.UNAUTHORIZED
    assert page.status_code == httpx.codes.OK
    assert str(promoted)[:12] in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    # The shadow judged what the champion judged that night, and decided nothing.
    beside = "select count(*) from moderation.shadow_verdict where run_id = 'beside'"
    assert shop.rows(beside) == [(LATE,)]
    assert {row[-1] for row in _results(shop, "beside")} == {shop.model_hash}
    # The next night judges with the new version, which knows the new violation.
    assert {row[-1] for row in _results(shop, "first")} == {shop.model_hash}
    assert {row[-1] for row in _results(shop, "next")} == {promoted}
    assert _striped_caught(shop, "next") > _striped_caught(shop, "first") + EACH // 4
    # And back: one switch, the night judged again as the first time.
    assert _champion(shop) == shop.model_hash
    again = f"again__first__{shop.model_hash[:12]}"
    first = {row[0]: row for row in _results(shop, "first")}
    assert {row[0]: row for row in _results(shop, again) if row[0] in first} == first
    history = "select kind, promoted_by from moderation.promotion order by promotion_id"
    assert shop.rows(history)[1:] == [("promote", "admin"), ("rollback", "admin")]
