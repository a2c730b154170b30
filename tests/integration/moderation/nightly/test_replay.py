"""Replay of a past run: equal to the last bit, or the difference is reported."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ml.core.errors import ReplayMismatch, RunNotStarted
from ml.models import registry
from ml.moderation.nightly.replay import ReplayResult, replay
from ml.storage import photo_cache
from ml.vision.images.fingerprint import content_hash
from tests.support.nightly_run import dump_results, run_nightly, start_run
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo
from tests.support.servers import Shop
from tests.support.versions import add_version_row

pytestmark = pytest.mark.integration

PHOTOS = 21  # two batches of 8 and a shorter one


@pytest.fixture
def night(shop: Shop) -> Shop:
    """A reconciled run of 21 photos, one of them twice, and a broken one."""
    for i in range(PHOTOS - 1):
        shop.upload(f"{i:02}.jpg", photo((BRIGHT, DARK, MIDDLE)[i % 3], seed=i))
    shop.upload("copy.jpg", photo(BRIGHT, seed=0))
    shop.upload("broken.jpg", b"no photo")
    run_nightly(shop)
    return shop


def _replay(shop: Shop, run_id: str = "night") -> ReplayResult:
    return replay(run_id, settings=shop.settings, connections=shop.connections)


def _key(shop: Shop, name: str) -> str:
    return f"{shop.settings.photo_prefix}{name}"


def test_replay_equals_the_run_to_the_last_bit(night: Shop) -> None:
    before = dump_results(night)
    result = _replay(night)
    assert (result.photos, result.compared, result.equal) == (PHOTOS, PHOTOS, PHOTOS)
    assert (result.largest_difference, result.decisions_changed) == (0.0, 0)
    assert (result.missing, result.unreadable, result.runtime_differs) == (0, 0, {})
    assert result.run.device == result.runtime_now["device"]
    assert dump_results(night) == before


def test_replay_uses_the_recorded_model_and_not_the_champion(night: Shop) -> None:
    other = add_version_row(night, "c")
    registry.promote(other, engine=night.connections.engine, by="test", reason="test")
    assert _replay(night).equal == PHOTOS


def test_replay_includes_photos_scored_by_an_earlier_run(night: Shop) -> None:
    run_nightly(night, "again")
    assert _replay(night, "again").equal == PHOTOS


def test_replay_scores_do_not_depend_on_missing_photos_of_the_batch(night: Shop) -> None:
    for i in range(12):
        night.connections.photos.delete(_key(night, f"{i:02}.jpg"))
    result = _replay(night)
    assert (result.photos, result.missing, result.compared, result.equal) == (PHOTOS, 12, 9, 9)


def test_replaced_photo_is_missing_unless_it_was_archived(night: Shop) -> None:
    replaced = photo(DARK, seed=1)
    for name, seed in (("00.jpg", 900), ("01.jpg", 901)):
        night.connections.photos.put(_key(night, name), photo(BRIGHT, seed=seed))
    kept = photo_cache.cache_photo(night.connections.models, replaced)
    assert kept == content_hash(replaced)
    night.execute(
        "insert into moderation.archived_photo (content_sha256, object_key, size_bytes, width, "
        "height, pdq, pdq_quality) values (:h, :k, 1, 64, 48, '', 0)",
        h=kept,
        k=_key(night, "01.jpg"),
    )
    result = _replay(night)
    assert (result.missing, result.compared, result.equal) == (1, PHOTOS - 1, PHOTOS - 1)


def _another_last_bit(shop: Shop) -> None:
    shop.execute(
        "update moderation.verdict set scores = jsonb_set(scores, '{normal}', "
        "to_jsonb((scores ->> 'normal')::float8 * (1 + 1e-15))) where decision = 'pass'"
    )


def test_unexplained_difference_of_one_bit_is_a_mismatch(night: Shop) -> None:
    _another_last_bit(night)
    with pytest.raises(ReplayMismatch, match=r"photos without a reason.*00\.jpg"):
        _replay(night)


def _older_library(shop: Shop) -> None:
    shop.execute(
        'update moderation.verdict set runtime_versions = runtime_versions || \'{"torch": "1.0"}\''
    )


def _before_conditions(shop: Shop) -> None:
    shop.execute("update moderation.verdict set runtime_versions = runtime_versions - 'batch_size'")


def _other_device(shop: Shop) -> None:
    shop.execute("update moderation.audit_run set device = 'GPU of old'")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_older_library, "torch 1.0 -> "),
        (_before_conditions, "batch_size unknown -> 8"),
        (_other_device, "device GPU of old -> CPU"),
    ],
)
def test_explained_difference_of_last_bits_is_only_reported(
    change: Callable[[Shop], None], named: str, night: Shop
) -> None:
    change(night)
    _another_last_bit(night)
    result = _replay(night)
    assert 0 < result.equal < result.compared == PHOTOS
    assert 0 < result.largest_difference < 1e-14
    assert named in str(result)


def test_changed_decision_is_a_mismatch_even_if_explained(night: Shop) -> None:
    _older_library(night)
    night.execute("update moderation.verdict set decision = 'block' where decision = 'pass'")
    with pytest.raises(ReplayMismatch, match=r"[1-9]\d* decisions changed"):
        _replay(night)


def test_photo_that_is_now_rejected_is_a_mismatch(night: Shop) -> None:
    stricter = night.settings.model_copy(update={"min_image_side": 60})
    with pytest.raises(ReplayMismatch, match=f"{PHOTOS} unreadable"):
        replay("night", settings=stricter, connections=night.connections)


def test_run_that_is_not_reconciled_is_not_replayed(shop: Shop, tmp_path: Path) -> None:
    assert tmp_path
    start_run(shop)
    with pytest.raises(RunNotStarted, match="is running"):
        _replay(shop)
    with pytest.raises(RunNotStarted, match="no audit run"):
        _replay(shop, "never")


def test_run_without_photos_is_replayed(shop: Shop) -> None:
    run_nightly(shop)
    assert (_replay(shop).photos, _replay(shop).compared) == (0, 0)
