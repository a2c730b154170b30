from datetime import time

import pytest
from pydantic import ValidationError

from ml.policy.alerting import AlertKind, Alerts
from ml.policy.policy import load_policy
from ml.settings import ROOT
from tests.support.policies import policy


def test_the_shipped_policy_is_the_default() -> None:
    assert load_policy(ROOT / "config" / "policy.yaml").alerts == Alerts()


def test_alerts_are_no_part_of_the_policys_version() -> None:
    one = policy(violate=None)
    other = one.model_copy(update={"alerts": Alerts(queue_hours=2)})
    assert one.version == other.version


def test_a_time_without_quotes_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValidationError, match="in quotes"):
        Alerts.model_validate({"night_done_by": 360})  # as YAML reads 06:00
    assert Alerts.model_validate({"night_done_by": "07:30"}).night_done_by == time(7, 30)


def test_a_time_zone_belongs_to_the_settings() -> None:
    with pytest.raises(ValidationError, match="MODERATION_TIMEZONE"):
        Alerts.model_validate({"night_done_by": "06:00+08:00"})


@pytest.mark.parametrize(
    "given",
    [{"queue_hours": 0}, {"promotion_months": 0}, {"silent": ["nothing"]}, {"off": []}],
)
def test_what_is_impossible_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Alerts.model_validate(given)


def test_kinds_are_silenced_by_name() -> None:
    assert Alerts.model_validate({"silent": ["queue_age"]}).silent == {AlertKind.QUEUE_AGE}
