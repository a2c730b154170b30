"""Section `random_audit`."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ml.policy.policy import Policy
from ml.policy.random_audit import RandomAudit
from ml.settings import ROOT


def test_the_share_follows_the_decision() -> None:
    audit = RandomAudit(passed=0.01, blocked=0.05)
    assert [audit.share(name) for name in ("pass", "block", "review")] == [0.01, 0.05, 0.0]


@pytest.mark.parametrize("values", [{"passed": 0.51}, {"blocked": -0.1}, {"pass": 0.1}])
def test_an_impossible_share_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        RandomAudit.model_validate(values)


def test_it_is_no_part_of_a_verdict() -> None:
    raw: dict[str, Any] = yaml.safe_load((ROOT / "config" / "policy.yaml").read_text("utf-8"))
    before = Policy.model_validate(raw).version
    raw["random_audit"]["passed"] = 0.3
    assert Policy.model_validate(raw).version == before
