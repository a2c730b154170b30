from pathlib import Path

import pytest
import yaml

from tests.integration.operations.doctor.conftest import Examine, failures
from tests.support.policies import policy, write_policy
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def test_a_policy_that_cannot_be_used(examined: Examine, shop: Shop, tmp_path: Path) -> None:
    raw = yaml.safe_load(shop.settings.policy_file.read_text(encoding="utf-8"))
    found = examined(policy_file=write_policy(tmp_path / "p", raw, pass_confidence=7))
    assert failures(found) == ["policy"]
    assert "pass_confidence" in found["policy"].message


def test_a_policy_for_another_model(examined: Examine, tmp_path: Path) -> None:
    other = policy(qr=None, weapon=None).model_dump(mode="json")
    found = examined(policy_file=write_policy(tmp_path / "p", other))
    assert failures(found) == ["champion's classes"]
    assert "weapon" in found["champion's classes"].message
