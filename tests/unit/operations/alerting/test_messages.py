import string
from datetime import UTC, datetime
from typing import Any

import pytest

from ml.core.types import AlertKind
from ml.operations.alerting.messages import message

DETAILS: dict[str, Any] = {
    "window_end": "2026-11-23 02:00+08:00", "due": "2026-11-23 06:00+08:00", "run_id": "night",
    "dag_id": "audit_review_images", "task_id": "judge", "error": "StorageUnavailable",
    "rate": 0.6, "low": 0.0, "high": 0.5, "month": "2026-11", "reviewed": 400, "leaked": 20,
    "bound": 0.03, "hours": 30.2, "limit": 24.0, "waiting": 5, "model_hash": "abc",
    "quarantined": 30, "listed": 100, "share": 0.3, "since": "2026-08-01 00:00+00:00", "months": 3,
}  # fmt: skip


@pytest.mark.parametrize("kind", list(AlertKind))
def test_every_kind_has_a_message_in_both_languages(kind: AlertKind) -> None:
    raised = message(kind, DETAILS)
    for part in (raised.title, raised.text):
        assert set(part) == {"en", "zh"}
        assert all("{" not in text for text in part.values())
    assert any("一" <= letter <= "鿿" for letter in raised.text["zh"])
    assert set(raised.text["en"]) <= set(string.printable)


def test_shares_are_formatted_as_percent() -> None:
    assert "60.0% of the verdicts" in message(AlertKind.REVIEW_RATE, DETAILS).text["en"]


def test_resolution_repeats_title_and_text_of_the_alert() -> None:
    resolved = message(
        AlertKind.QUEUE_AGE, DETAILS, resolved_at=datetime(2026, 11, 23, 9, tzinfo=UTC)
    )
    assert resolved.title["en"] == "Resolved: Photos wait too long for review"
    assert "2026-11-23 09:00+00:00" in resolved.text["zh"]


def test_braces_in_an_error_are_not_format_fields() -> None:
    raised = message(AlertKind.RUN_FAILED, {**DETAILS, "error": "KeyError: {secret}"})
    end = datetime(2026, 11, 23, tzinfo=UTC)
    resolved = message(
        AlertKind.RUN_FAILED, {**DETAILS, "error": "KeyError: {secret}"}, resolved_at=end
    )
    assert "{secret}" in raised.text["en"]
    assert "{secret}" in resolved.text["en"]
