"""A retraining run from labels to the decision: promoted, or held by named gates."""

from datetime import timedelta
from pathlib import Path

import pytest

from ml.learning.pretraining.distill_run import distill_for_next_run
from ml.learning.report.page import ReportFiles
from ml.learning.report.run_note import closing_note
from ml.learning.retrain.promote import promote_candidate
from ml.models import registry
from ml.storage.database import in_transaction
from tests.integration.learning.retrain.month import (
    AS_OF,
    LEARNS,
    SMALL,
    Labelled,
    keep_month,
    label_rightly,
    run_month,
)
from tests.integration.learning.retrain.snapshot_fixtures import write_preset
from tests.support.labelled_photos import label_photos, with_retraining
from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.recipes import small_recipe
from tests.support.servers import Shop

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def _failed(decision: dict[str, object]) -> set[str]:
    gates = decision["gates"]
    assert isinstance(gates, list)
    return {gate["name"] for gate in gates if not gate["passed"]}


def test_run_with_a_new_kind_of_violation_is_promoted(shop: Shop, tmp_path: Path) -> None:
    settings = with_retraining(shop.settings, tmp_path, **SMALL)
    label_rightly(shop, keep_month(shop, 70))
    manifest, report, decision = run_month(shop, settings, write_preset(tmp_path, **LEARNS))
    golden = report["sets"]["golden"]
    caught = [golden[side]["per_class"]["violate"]["recall"] for side in ("champion", "candidate")]
    assert caught[0] < 0.7 < caught[1]
    assert (decision["decision"], _failed(decision)) == ("promote", set())
    candidate = promote_candidate(
        "month", by="test", reason="gates held", settings=settings, connections=shop.connections
    )
    champion = in_transaction(shop.connections.engine, registry.champion_hash)
    assert champion == candidate == report["candidate"]
    assert manifest.photos_in(manifest.photos[0].part)


def test_run_compares_the_usual_start_with_weights_distilled_the_month_before(
    shop: Shop, tmp_path: Path
) -> None:
    second = tmp_path / "second"
    second.mkdir()
    preset = write_preset(second, **LEARNS, start="pretrained_weights", head="fitted")
    distillation = {"enabled": True, "epochs": 2, "photos": 100, "preset": preset}
    settings = with_retraining(shop.settings, tmp_path, **SMALL, distillation=distillation)
    settings = settings.model_copy(update={"pretrained_weights": "bundled"})
    for number in range(20):
        shop.upload(f"{number}.jpg", photo(seed=number))
    run_nightly(shop)
    shop.execute("update moderation.image set uploaded_at = '2026-09-15T00:00:00Z'")
    label_rightly(shop, keep_month(shop, 70))
    usual = write_preset(tmp_path, **LEARNS)
    run_month(shop, settings, usual, run_id="october", as_of=AS_OF)
    parts = {"settings": settings, "connections": shop.connections}
    weights = distill_for_next_run("october", recipe=small_recipe(tmp_path), **parts)
    assert weights is not None

    label_rightly(shop, keep_month(shop, 30, first=1000))
    november = AS_OF + timedelta(days=30)
    _, report, decision = run_month(shop, settings, usual, run_id="november", as_of=november)
    champion = next(iter(shop.rows("select model_hash from moderation.champion")))[0]
    starts = {start["detail"]: start for start in report["starts"]}
    assert starts.keys() == {champion, weights}
    best = min(report["starts"], key=lambda start: start["log_loss"])
    assert report["training"]["pretrained_weights"]["detail"] == best["detail"]
    assert decision["decision"] in {"promote", "hold"}
    page = ReportFiles(shop.connections.models, report["candidate"], report["golden"]["hash"])
    text = shop.connections.models.get(page.key("report.html")).decode()
    assert f"{weights[:12]}</code>" in text
    assert "Of two starts" in closing_note("november", connections=shop.connections)


def test_run_with_poisoned_labels_is_held_by_named_gates(shop: Shop, tmp_path: Path) -> None:
    settings = with_retraining(shop.settings, tmp_path, **SMALL, label_issues={"action": "keep"})
    photos = keep_month(shop, 70, first=500)
    cut = round(0.4 * len(photos.dark))
    flipped = Labelled(photos.bright, photos.dark[cut:], photos.striped[cut:])
    label_rightly(shop, flipped)
    label_photos(shop, [*photos.dark[:cut], *photos.striped[:cut]], "normal")
    _, _, decision = run_month(shop, settings, write_preset(tmp_path, **LEARNS))
    assert decision["decision"] == "hold"
    assert _failed(decision)
    state = shop.rows("select state, reason from moderation.retrain_run")[0]
    assert state[0] == "held"
    assert all(name in str(state[1]) for name in _failed(decision))
