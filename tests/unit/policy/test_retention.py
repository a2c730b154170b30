from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from ml.errors import PolicyError
from ml.policy.policy import Policy, load_policy
from ml.policy.retention import Retention
from ml.settings import ROOT

SHIPPED = ROOT / "config" / "policy.yaml"


def test_what_is_not_named_is_kept_for_ever() -> None:
    assert set(Retention().model_dump().values()) == {None}


def test_the_shipped_policy_keeps_the_copies_that_the_model_learns_from() -> None:
    retention = load_policy(SHIPPED).retention
    assert retention.kept_photo_days is None
    assert retention.verdict_days == 400


@pytest.mark.parametrize(
    ("field", "days", "words"),
    [
        ("verdict_days", 90, "from 91 .a night may look 90 days back."),
        ("quarantine_days", 0, "leave it out to keep for ever"),
        ("shadow_verdict_days", 6, "from 7"),
        ("training_days", -1, "from 7"),
        ("report_photo_days", 6, "waits for its approval"),
        ("kept_photo_days", 0, "from 1"),
        ("kept_photo_days", 36_501, "to 36,500 days"),
    ],
)
def test_an_impossible_number_is_refused_with_the_remedy(
    field: str, days: int, words: str, tmp_path: Path
) -> None:
    raw = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    raw["retention"] = {field: days}
    path = tmp_path / "policy.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    with pytest.raises(PolicyError, match=rf"retention\.{field}: .*{words}"):
        load_policy(path)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(ValidationError, match="verdicts_days"):
        Retention.model_validate({"verdicts_days": 400})


def test_no_verdict_depends_on_it() -> None:
    raw = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    without = {name: value for name, value in raw.items() if name != "retention"}
    assert Policy.model_validate(raw).version == Policy.model_validate(without).version
