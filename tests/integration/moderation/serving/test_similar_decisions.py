"""`/predict` compares with the decided photos whose features nightly runs have computed."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from ml.moderation.serving.loaded_model import LoadedModel
from ml.storage.database import in_transaction
from ml.storage.purge import mark_photos_deleted
from tests.support.decided_photos import (
    ENOUGH,
    decide_bright_photos,
    promote_altered,
    with_rule,
)
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop
from tests.support.serving import SECONDS, RunningService, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

NEW = photo(BRIGHT, seed=1)  # which the champion takes for normal
COMPARED = "moderation_serve_compared_photos"


@pytest.fixture
def remembered(shop: Shop, champion_folder: Path, tmp_path: Path) -> Shop:
    """A shop with a champion that has a rule, and features of 2 * ENOUGH decided photos."""
    ruled = with_rule(shop, champion_folder, tmp_path)
    decide_bright_photos(ruled, dark_label="normal")
    run_nightly(ruled, "first")
    return ruled


def loaded_model(served: RunningService) -> LoadedModel:
    """The loaded model."""
    current = served.service.watcher.current
    assert current is not None
    return current.version


def compared_photos(served: RunningService) -> int:
    """The number in /metrics."""
    return int(served.metric(f'{COMPARED}{{model="{loaded_model(served).model_hash}"}}'))


def undo_violations(shop: Shop) -> None:
    """Undo all decisions on bright photos."""
    shop.execute(
        "insert into moderation.decision_undo (label_id, undone_by) "
        "select label_id, 'ann' from moderation.human_label where label = 'violate'"
    )


def delete_violations(shop: Shop) -> None:
    """Delete all bright photos that were decided, as the purge does."""
    rows = shop.rows("select content_sha256 from moderation.human_label where label = 'violate'")
    contents = [str(content) for (content,) in rows]
    in_transaction(shop.connections.engine, mark_photos_deleted, contents, datetime.now(UTC))


@pytest.mark.parametrize("remove", [undo_violations, delete_violations])
def test_undone_decisions_and_deleted_photos_count_no_more_after_a_refresh(
    remembered: Shop, remove: Callable[[Shop], None]
) -> None:
    with serving(remembered, serve_duplicates_refresh_seconds=0.2) as served:
        assert compared_photos(served) == 2 * ENOUGH
        assert served.predict(NEW).json()["reasons"] == ["similar_violation:violate"]
        remove(remembered)
        deadline = time.monotonic() + SECONDS
        while compared_photos(served) != ENOUGH:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert served.predict(NEW).json()["reasons"] == ["confident_normal"]


def test_new_decision_counts_once_a_nightly_run_has_computed_its_features(
    shop: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    ruled = with_rule(shop, champion_folder, tmp_path)
    decide_bright_photos(ruled)
    with serving(ruled, serve_duplicates_refresh_seconds=0.2) as served:
        assert compared_photos(served) == 0
        assert served.predict(NEW).json()["reasons"] == ["confident_normal"]
        assert ruled.rows("select from moderation.photo_feature") == []
        run_nightly(ruled)
        deadline = time.monotonic() + SECONDS
        while compared_photos(served) != 2 * ENOUGH:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert served.predict(NEW).json()["reasons"] == ["similar_violation:violate"]


def test_features_of_another_computation_are_not_compared_and_it_is_said(remembered: Shop) -> None:
    settings = remembered.settings.model_copy(update={"inference": "openvino"})
    with capture_logs() as logs, serving(replace(remembered, settings=settings)) as served:
        answer = served.predict(NEW)
        assert compared_photos(served) == 0
        with served.client() as client:
            assert client.get("/readyz").status_code == 200
    assert (answer.status_code, answer.json()["reasons"]) == (200, ["confident_normal"])
    [said] = [line for line in logs if line["event"].startswith("photos are not compared")]
    assert said["features"].endswith("openvino float32")


def test_version_without_a_rule_computes_no_features(
    remembered: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    promote_altered(remembered, champion_folder, tmp_path / "bare", seed=5)
    with serving(remembered) as served:
        answer = served.predict(NEW).json()
        model = loaded_model(served)
        with served.client() as client:
            assert f"{COMPARED}{{" not in client.get("/metrics").text
    assert answer["photos"][0]["screens"] == {}
    assert model.similar is None
    crop = model.predictor.card.preprocessing.crop
    assert model.predictor.submit([np.zeros((3, crop, crop), np.uint8)])().features is None
