"""The step of a retraining run that distills weights for the next one."""

from pathlib import Path

import pytest

from ml.core.errors import RunNotStarted
from ml.core.manifest import PhotoList, Split
from ml.core.types import EpochResult
from ml.learning.pretraining.bucket_photos import bucket_photos
from ml.learning.pretraining.distill_run import distill_for_next_run
from ml.models.distillation.distill import Origins, distill
from ml.models.distillation.recipe import load_recipe
from ml.models.training.progress import Listener
from ml.policy.schema import Policy, load_policy
from ml.storage import pretrained_weights, retrain_runs
from ml.storage.database import in_transaction
from ml.vision.images.open_photo import decode_limits
from tests.integration.learning.retrain.snapshot_fixtures import begin_month, keep_photos
from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.recipes import small_recipe
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

PHOTOS, EPOCHS = 12, 2


class Interrupted(Listener):
    """Ends the run after an epoch, whose checkpoint is written then."""

    def on_epoch(self, result: EpochResult) -> None:  # noqa: ARG002 - of the interface
        """End the run."""
        raise KeyboardInterrupt


class Counted(Listener):
    """Counts the epochs."""

    epochs = 0

    def on_epoch(self, result: EpochResult) -> None:  # noqa: ARG002 - of the interface
        """Count it."""
        self.epochs += 1


def _policy(shop: Shop, **distillation: object) -> Policy:
    raw = load_policy(shop.settings.policy_file).model_dump(mode="json")
    raw["retraining"]["distillation"] |= distillation
    return Policy.model_validate(raw)


def _add_photos(shop: Shop, first: int, run_id: str) -> None:
    """Photos that a nightly run has judged, uploaded before the month's labels."""
    for number in range(first, first + PHOTOS):
        shop.upload(f"{number}.jpg", photo(seed=number))
    run_nightly(shop, run_id)
    shop.execute("update moderation.image set uploaded_at = '2025-12-15T00:00:00Z'")


@pytest.fixture
def month(shop: Shop) -> Shop:
    _add_photos(shop, 0, "first")
    asked = _policy(shop, enabled=True, epochs=EPOCHS, photos=100)
    begin_month(shop, keep_photos(shop, {Split.TRAIN: 2}), preset="monthly", policy=asked)
    return shop


def _distill(shop: Shop, tmp_path: Path, listener: Listener | None = None) -> str | None:
    settings = shop.settings.model_copy(update={"pretrained_weights": "bundled"})
    return distill_for_next_run(
        "month", settings=settings, connections=shop.connections, recipe=small_recipe(tmp_path),
        progress=listener or Listener(),
    )  # fmt: skip


def _files(shop: Shop, list_hash: str) -> list[str]:
    pages = shop.connections.models.list_pages(f"training/distillation-{list_hash}/")
    return [file.key for page in pages for file in page]


def test_interrupted_distillation_resumes_on_the_same_photos_and_registers_the_weights(
    month: Shop, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        _distill(month, tmp_path, Interrupted())
    _add_photos(month, PHOTOS, "second")  # the list is made already
    again = Counted()
    weights = _distill(month, tmp_path, again)
    assert again.epochs == EPOCHS - 1
    engine, store = month.connections.engine, month.connections.models
    run = in_transaction(engine, lambda c: retrain_runs.load(c, "month"))
    registered = in_transaction(engine, pretrained_weights.load_newest)
    assert run.photo_list_hash is not None
    assert registered == weights
    row = in_transaction(engine, lambda c: pretrained_weights.load(c, str(weights)))
    assert row is not None
    assert row.card["made"]["photos"] == PHOTOS
    assert row.card["made"]["start"]["kind"] == "bundled"
    assert _files(month, run.photo_list_hash) == [row.object_key]

    listed = PhotoList.model_validate_json(store.get(f"photo_lists/{run.photo_list_hash}.json"))
    unbroken = distill(
        bucket_photos(listed.photos, month.connections.photos), start="bundled", origins=Origins(),
        recipe=load_recipe(small_recipe(tmp_path, epochs=EPOCHS)), out=tmp_path / "unbroken",
        device="cpu", seed=run.seed, limits=decode_limits(month.settings), progress=Listener(),
    )  # fmt: skip
    assert store.get(row.object_key) == unbroken.read_bytes()
    assert list((month.settings.data_dir / "training").iterdir()) == []


def test_finished_distillation_is_not_repeated(month: Shop, tmp_path: Path) -> None:
    weights = _distill(month, tmp_path)
    again = Counted()
    assert _distill(month, tmp_path, again) == weights
    assert again.epochs == 0


def test_nothing_is_distilled_for_another_architecture(month: Shop, tmp_path: Path) -> None:
    settings = month.settings.model_copy(update={"architecture": "efficientnet_lite0"})
    distilled = distill_for_next_run(
        "month", settings=settings, connections=month.connections, recipe=small_recipe(tmp_path)
    )
    assert distilled is None
    assert month.rows("select weights_sha256 from moderation.pretrained_weights") == []


def test_policy_that_asks_for_none_and_a_run_that_did_not_begin(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(RunNotStarted):
        _distill(shop, tmp_path)
    begin_month(shop, keep_photos(shop, {Split.TRAIN: 2}), preset="monthly")
    assert _distill(shop, tmp_path) is None
    assert shop.rows("select * from moderation.pretrained_weights") == []
