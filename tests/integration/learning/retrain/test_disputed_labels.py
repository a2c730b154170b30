"""Disputed golden labels go to a review, also those of imported photos without a verdict."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml.core.manifest import Manifest, Split
from ml.learning.retrain.disputed_labels import review_disputed_labels
from ml.learning.snapshot.snapshot import create_snapshot
from tests.support.labelled_photos import (
    answer_golden_task,
    archive_photo,
    label_photos,
    with_retraining,
)
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


def _freeze(shop: Shop, folder: Path, run_id: str, as_of: datetime) -> Manifest:
    settings = with_retraining(shop.settings, folder, min_new_labels=1, golden_share=0.3)
    return create_snapshot(
        run_id, as_of=as_of, preset="monthly", seed=0, settings=settings,
        connections=shop.connections,
    )  # fmt: skip


@pytest.fixture
def disputed(shop: Shop, tmp_path: Path) -> list[str]:
    """Two golden photos, one with an upload, whose labels another reviewer contradicts."""
    bright = [archive_photo(shop, photo(BRIGHT, seed=s)) for s in range(15)]
    label_photos(shop, bright, "normal", reviewer="ann")
    dark = [archive_photo(shop, photo(DARK, seed=s)) for s in range(20, 35)]
    label_photos(shop, dark, "violate", reviewer="import", route="import")
    golden = {p.content_sha256 for p in _freeze(shop, tmp_path, "first", NOVEMBER).photos_in(
        Split.GOLDEN)}  # fmt: skip
    uploaded, only_imported = min(golden & {*bright}), min(golden & {*dark})
    shop.execute(
        "insert into moderation.image (object_key, etag, size_bytes, uploaded_at, content_sha256) "
        "values ('a.jpg', 'e1', 1, :at, :content)",
        content=uploaded,
        at=NOVEMBER,
    )
    answer_golden_task(shop, uploaded, "violate", at=NOVEMBER, reviewer="bob")
    answer_golden_task(shop, only_imported, "normal", at=NOVEMBER, reviewer="bob")
    label_photos(shop, [archive_photo(shop, photo(DARK, seed=50))], "violate", at=NOVEMBER)
    found = _freeze(shop, tmp_path, "next", DECEMBER)
    assert {p.content_sha256 for p in found.photos if p.confirmation == "disputed"} == {
        uploaded, only_imported,
    }  # fmt: skip
    return [uploaded, only_imported]


def _review(shop: Shop, run_id: str = "next") -> int:
    return review_disputed_labels(run_id, connections=shop.connections)


def _tasks(shop: Shop) -> set[tuple[object, ...]]:
    return set(
        shop.rows(
            "select content_sha256, object_key, etag, state, reasons[1], route, model_hash, "
            "run_id, array_to_string(skipped_by, ' ') from moderation.review_task "
            "where kind = 'second_review'"
        )
    )


def test_each_disputed_label_gets_one_review(shop: Shop, disputed: list[str]) -> None:
    uploaded, imported = disputed
    assert [_review(shop), _review(shop)] == [2, 2]
    common = ("open", "disputed", "second_review", shop.model_hash, "next")
    assert _tasks(shop) == {
        (uploaded, "a.jpg", "e1", *common, "ann bob"),
        (imported, imported, "", *common, "bob"),
    }
    assert _review(shop, "first") == 0


def test_decided_review_is_not_reopened_by_a_retry_but_by_a_later_dispute(
    shop: Shop, tmp_path: Path, disputed: list[str]
) -> None:
    _review(shop)
    shop.execute("update moderation.review_task set state = 'decided'")
    label_photos(shop, disputed, "normal", at=DECEMBER, reviewer="eve")
    _review(shop)
    assert {state for _, _, _, state, *_ in _tasks(shop)} == {"decided"}
    # The imported label is another now; two answers contradict the one that two reviewers gave.
    for reviewer in ("bob", "carol"):
        answer_golden_task(shop, disputed[0], "violate", at=DECEMBER, reviewer=reviewer)
    label_photos(shop, [archive_photo(shop, photo(DARK, seed=51))], "violate", at=DECEMBER)
    _freeze(shop, tmp_path, "later", DECEMBER + timedelta(days=31))
    assert _review(shop, "later") == 1
    states = {content: state for content, _, _, state, *_ in _tasks(shop)}
    assert states == {disputed[0]: "open", disputed[1]: "decided"}
    # If the new decision is undone, an earlier one does not answer in its place.
    assert shop.rows(
        "select content_sha256, reason, appealed_by from moderation.appeal "
        "join moderation.review_task using (task_id)"
    ) == [(disputed[0], "disputed", "retrain_model")]


def test_without_a_champion_no_review_is_opened(shop: Shop, disputed: list[str]) -> None:
    assert disputed
    shop.execute("update moderation.retrain_run set champion_hash = null")
    assert _review(shop) == 2
    assert _tasks(shop) == set()
