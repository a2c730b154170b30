"""A champion that cuts the center square and a candidate that sees the whole photo."""

from dataclasses import replace
from pathlib import Path

import pytest

from ml.learning.retrain.promote import promote_candidate, rollback
from ml.models import registry
from ml.storage import audit_runs, shadow_verdicts
from ml.storage.database import in_transaction
from tests.support.champion import SPEC
from tests.support.int8_version import make_int8_version
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, banded_photo, photo
from tests.support.servers import Shop
from tests.support.serving import serving
from tests.support.versions import set_gate_decision, start_retraining_run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


@pytest.fixture
def candidate(shop: Shop, tmp_path: Path) -> str:
    """The candidate of the run `month`: it squashes, and has an int8 variant."""
    whole = SPEC.model_copy(update={"fit": "squash"})
    make_int8_version(tmp_path, temperature=1.0, pass_confidence=0.7, spec=whole)
    parts = shop.connections
    version = registry.register(tmp_path, engine=parts.engine, store=parts.models)
    start_retraining_run(shop, "month", version)
    set_gate_decision(shop, version)
    return version


_VERDICTS = "select decision, count(*) from moderation.verdict where model_hash = :h group by 1"
_SHADOWED = "select decision, count(*) from moderation.shadow_verdict group by 1"


def test_each_version_judges_by_its_own_fit_at_night_and_online(shop: Shop, candidate: str) -> None:
    """Photos that are dark above and below the center square: the champion passes them."""
    parts = {"settings": shop.settings, "connections": shop.connections}
    for number in range(4):
        shop.upload(f"bright-{number}.jpg", photo(BRIGHT, seed=number))
        shop.upload(f"banded-{number}.jpg", banded_photo(seed=number))
    in_transaction(shop.connections.engine, lambda c: shadow_verdicts.request(c, candidate))
    run_nightly(shop, "before")
    assert dict(shop.rows(_VERDICTS, h=shop.model_hash)) == {"pass": 8}
    assert dict(shop.rows(_SHADOWED)) == {"pass": 4, "review": 4}

    assert promote_candidate("month", by="test", reason="the gates hold", **parts) == candidate
    settings = shop.settings.model_copy(update={"inference": "openvino", "number_type": "int8"})
    run_nightly(replace(shop, settings=settings), "after")
    run = in_transaction(shop.connections.engine, lambda c: audit_runs.load(c, "after"))
    assert run.computation
    assert run.computation.variant
    assert dict(shop.rows(_VERDICTS, h=candidate)) == {"pass": 4, "review": 4}

    with serving(shop) as served:
        for version, result in ((candidate, "violate"), (shop.model_hash, "normal")):
            served.wait_for(version)
            assert served.predict(banded_photo(seed=9)).json()["result"] == result
            if version == candidate:
                assert rollback("previous", by="test", reason="test", **parts) == shop.model_hash
