"""Policy section `spot_check`."""

from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from ml.core.settings import ROOT
from ml.policy.review import SpotCheck
from ml.policy.schema import Policy


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
