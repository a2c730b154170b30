"""A champion of one architecture and a candidate of the other: promoted, used and rolled back."""

from pathlib import Path

import pytest

from ml.learning.retrain.promote import promote_candidate, rollback
from ml.storage import shadow_verdicts
from ml.storage.database import in_transaction
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.support.serving import serving
from tests.support.versions import add_version, set_gate_decision, start_retraining_run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def use_and_roll_back(shop: Shop, run_id: str) -> None:
    """Promote the run's candidate; judge by it at night and online, then by the old champion."""
    parts = {"settings": shop.settings, "connections": shop.connections}
    for number in range(6):
        shop.upload(f"bright-{number}.jpg", photo(BRIGHT, seed=900 + number))
        shop.upload(f"dark-{number}.jpg", photo(DARK, seed=950 + number))
    before = run_nightly(shop, "before")
    candidate = promote_candidate(run_id, by="test", reason="the gates hold", **parts)
    after = run_nightly(shop, "after")
    assert before["verdicts"]["pass"] == after["verdicts"]["pass"] == 6
    judged = shop.rows("select distinct model_hash from moderation.verdict order by 1")
    assert [row[0] for row in judged] == sorted([shop.model_hash, candidate])
    with serving(shop) as served:
        for version in (candidate, shop.model_hash):
            served.wait_for(version)
            answers = [served.predict(photo(level, seed=7)).json() for level in (BRIGHT, DARK)]
            assert [answer["result"] for answer in answers] == ["normal", "violate"]
            assert {answer["model_version"] for answer in answers} == {version}
            if version == candidate:
                assert rollback("previous", by="test", reason="test", **parts) == shop.model_hash
    assert run_nightly(shop, "rolled back")["judged"] == 0  # by verdicts of the first night


def test_candidate_of_another_architecture_is_promoted_and_rolled_back(
    shop: Shop, tmp_path: Path
) -> None:
    candidate = add_version(
        shop, tmp_path / "lite0", pass_confidence=0.7, architecture="efficientnet_lite0"
    )
    in_transaction(shop.connections.engine, lambda c: shadow_verdicts.request(c, candidate))
    start_retraining_run(shop, "month", candidate)
    set_gate_decision(shop, candidate)
    use_and_roll_back(shop, "month")
    shadowed = shop.rows(
        "select decision, count(*) from moderation.shadow_verdict "
        "where run_id = 'before' group by 1"
    )
    assert dict(shadowed) == {"pass": 6, "review": 6}
