from datetime import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ml.core.errors import PolicyError
from ml.core.settings import ROOT
from ml.core.types import AlertKind
from ml.policy.operations import Alerts, Retention, SpotCheck
from ml.policy.schema import Policy, load_policy
from tests.support.policies import policy


def test_shipped_alerts_equal_the_defaults() -> None:
    assert load_policy(ROOT / "config" / "policy.yaml").alerts == Alerts()


def test_version_ignores_alerts() -> None:
    one = policy(violate=None)
    other = one.model_copy(update={"alerts": Alerts(queue_hours=2)})
    assert one.version == other.version


def test_deadline_without_quotes_is_rejected_with_the_fix() -> None:
    with pytest.raises(ValidationError, match="in quotes"):
        Alerts.model_validate({"nightly_run_deadline": 360})  # as YAML reads 06:00
    assert Alerts.model_validate({"nightly_run_deadline": "07:30"}).nightly_run_deadline == time(
        7, 30
    )


def test_deadline_with_a_time_zone_is_rejected() -> None:
    with pytest.raises(ValidationError, match="MODERATION_TIMEZONE"):
        Alerts.model_validate({"nightly_run_deadline": "06:00+08:00"})


@pytest.mark.parametrize(
    "given",
    [{"queue_hours": 0}, {"promotion_months": 0}, {"muted": ["nothing"]}, {"off": []}],
)
def test_invalid_alerts_are_rejected(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Alerts.model_validate(given)


def test_alert_kinds_are_muted_by_name() -> None:
    assert Alerts.model_validate({"muted": ["queue_age"]}).muted == {AlertKind.QUEUE_AGE}


SHIPPED = ROOT / "config" / "policy.yaml"


def test_retention_keeps_everything_by_default() -> None:
    assert set(Retention().model_dump().values()) == {None}


def test_shipped_retention_keeps_archived_photos() -> None:
    retention = load_policy(SHIPPED).retention
    assert retention.archived_photo_days is None
    assert retention.verdict_days == 400


@pytest.mark.parametrize(
    ("field", "days", "words"),
    [
        ("verdict_days", 90, "from 91 .a nightly run may look 90 days back."),
        ("quarantine_days", 0, "leave it out to keep for ever"),
        ("shadow_verdict_days", 6, "from 7"),
        ("training_artifact_days", -1, "from 7"),
        ("report_photo_days", 6, "waits for its approval"),
        ("archived_photo_days", 0, "from 1"),
        ("archived_photo_days", 36_501, "to 36,500 days"),
    ],
)
def test_invalid_retention_days_are_rejected_with_the_fix(
    field: str, days: int, words: str, tmp_path: Path
) -> None:
    raw = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    raw["retention"] = {field: days}
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(PolicyError, match=rf"retention\.{field}: .*{words}"):
        load_policy(path)


def test_unknown_retention_key_is_rejected() -> None:
    with pytest.raises(ValidationError, match="verdicts_days"):
        Retention.model_validate({"verdicts_days": 400})


def test_version_ignores_retention() -> None:
    raw = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    without = {name: value for name, value in raw.items() if name != "retention"}
    assert Policy.model_validate(raw).version == Policy.model_validate(without).version


def test_spot_check_share_depends_on_the_decision() -> None:
    audit = SpotCheck(passed=0.01, blocked=0.05)
    assert [audit.share(name) for name in ("pass", "block", "review")] == [0.01, 0.05, 0.0]


@pytest.mark.parametrize("values", [{"passed": 0.51}, {"blocked": -0.1}, {"pass": 0.1}])
def test_invalid_spot_check_share_is_rejected(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SpotCheck.model_validate(values)


def test_version_ignores_spot_check() -> None:
    raw: dict[str, Any] = yaml.safe_load((ROOT / "config" / "policy.yaml").read_text("utf-8"))
    before = Policy.model_validate(raw).version
    raw["spot_check"]["passed"] = 0.3
    assert Policy.model_validate(raw).version == before
