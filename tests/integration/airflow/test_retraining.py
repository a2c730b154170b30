"""Retraining in a real Airflow: run, labels, retraining, approval, next run, rollback."""

import httpx
import pytest

from tests.integration.airflow.conftest import RunningAirflow
from tests.integration.airflow.month import (
    EACH,
    KINDS,
    LATE,
    RETRAIN,
    Month,
    champion,
    prepare_policy,
    run_month,
)
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def shop(empty_airflow: RunningAirflow, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop, with gates for few photos and a shadow run."""
    prepare_policy(empty_airflow.shop, tmp_path_factory.mktemp("policy"))
    return empty_airflow.shop


@pytest.fixture(scope="module")
def month(
    empty_airflow: RunningAirflow, shop: Shop, tmp_path_factory: pytest.TempPathFactory
) -> Month:
    assert shop is empty_airflow.shop
    return run_month(empty_airflow, tmp_path_factory.mktemp("month"))


def _results(shop: Shop, run_id: str) -> list[tuple[object, ...]]:
    return shop.rows(
        "select object_key, decision, reasons, violation_score, model_hash "
        "from moderation.audit_result where run_id = :r order by 1",
        r=run_id,
    )


def _striped_caught(shop: Shop, run_id: str) -> int:
    return sum(
        "striped" in str(key) and decision != "pass" for key, decision, *_ in _results(shop, run_id)
    )


def test_approved_candidate_is_promoted(month: Month, shop: Shop) -> None:
    ended = "select state, candidate_hash, reason from moderation.retrain_run where run_id = :r"
    run = shop.rows(ended, r="month")[0]
    assert run[:2] == ("promoted", month.promoted), run
    assert month.promoted != shop.model_hash
    assert "Promoted" in month.note


def test_preset_that_does_not_exist_is_refused(empty_airflow: RunningAirflow) -> None:
    with empty_airflow.airflow.client() as client:
        client.unpause(RETRAIN)
        with pytest.raises(httpx.HTTPStatusError, match="400"):
            client.trigger(RETRAIN, "wrong", {"preset": "mistyped"})


@pytest.mark.usefixtures("month")
def test_promotion_and_verdicts_are_events_of_assets(empty_airflow: RunningAirflow) -> None:
    with empty_airflow.airflow.client() as client:
        events = client.get("/assets/events", limit=100)["asset_events"]
    extras = {(event["name"], event["source_run_id"]): event["extra"] for event in events}
    verdicts = extras["review_verdicts", "first"]["photos"]
    assert verdicts["listed"] == EACH * len(KINDS)
    assert extras["review_labels", "next"]["labels"].keys() == {"normal", "violate"}
    assert (
        extras["moderation_champion", "month"]["model_hash"]
        != (extras["moderation_champion", "back"]["model_hash"])
    )


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
    assert champion(shop) == shop.model_hash
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
