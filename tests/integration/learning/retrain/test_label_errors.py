from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from ml.core.errors import RunNotStarted
from ml.core.manifest import Manifest, Split
from ml.learning.retrain.label_errors import check_labels
from ml.learning.snapshot.snapshot import create_snapshot
from ml.storage.database import in_transaction
from ml.storage.label_issues import LabelIssue, load_label_issues
from tests.support.labelled_photos import DECIDED, archive_photo, label_photos, with_retraining
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
FLIPPED = 20


def frozen(
    shop: Shop, folder: Path, *, of_each: int, flipped: int = 0
) -> tuple[Manifest, set[str]]:
    """A snapshot of bright and dark photos; also returns the hashes of those with wrong labels."""
    bright = [archive_photo(shop, photo(BRIGHT, seed=s)) for s in range(of_each)]
    dark = [archive_photo(shop, photo(DARK, seed=1000 + s)) for s in range(of_each)]
    half = flipped // 2
    label_photos(shop, [*bright[half:], *dark[:half]], "normal")
    label_photos(shop, [*dark[half:], *bright[:half]], "violate")
    manifest = create_snapshot(
        "run", as_of=AS_OF, preset="monthly", seed=0,
        settings=with_retraining(shop.settings, folder, min_new_labels=1),
        connections=shop.connections,
    )  # fmt: skip
    return manifest, {*bright[:half], *dark[:half]}


def checked(shop: Shop) -> list[LabelIssue]:
    return check_labels("run", settings=shop.settings, connections=shop.connections)


def test_most_wrong_labels_are_found_and_go_to_a_second_review(shop: Shop, tmp_path: Path) -> None:
    manifest, wrong = frozen(shop, tmp_path, of_each=60, flipped=FLIPPED)
    golden = {p.content_sha256 for p in manifest.photos_in(Split.GOLDEN)}
    twice, *once = sorted(wrong - golden)
    label_photos(shop, [twice], "normal", reviewer="ann", at=DECIDED, route="second_review")
    shop.execute(
        "insert into moderation.image (object_key, etag, size_bytes, uploaded_at, content_sha256) "
        "select place || c, place, 1, uploaded_at, c from unnest(cast(:once as text[])) c, "
        "(values ('old', timestamptz '2026-09-01'), ('new', '2026-10-01')) v (place, uploaded_at)",
        once=once,
    )
    doubts = {doubt.content_sha256: doubt for doubt in checked(shop)}
    expected = set(once)
    # Over 12 draws of such photos, recall and precision were 0.93 each on average.
    assert len(expected) >= 10
    assert len(doubts.keys() & expected) >= 0.75 * len(expected)
    assert len(doubts.keys() - expected) <= 4
    assert twice not in doubts
    given = {p.content_sha256: p.label for p in manifest.photos}
    assert all(d.label == given[c] != d.likely_label for c, d in doubts.items())
    assert all(0 <= d.label_quality < 0.5 for d in doubts.values())
    stored = in_transaction(
        shop.connections.engine, lambda c: load_label_issues(c, manifest.snapshot_hash)
    )
    assert stored == doubts

    tasks = shop.rows(
        "select content_sha256, object_key, etag, reasons, kind, state, model_hash, run_id, "
        "violation_score > 0.5 from moderation.review_task order by 1"
    )
    assert tasks == [
        (
            c, *((f"new{c}", "new") if c in once else (c, "")), [f"label_issue:{d.likely_label}"],
            "second_review", "open", shop.model_hash, "run", d.likely_label == "violate",
        )
        for c, d in sorted(doubts.items())
    ]  # fmt: skip

    # Again: the doubts there are stand, and no task is opened twice.
    assert {d.content_sha256: d for d in checked(shop)} == doubts
    assert len(shop.rows("select 1 from moderation.review_task")) == len(tasks)


@pytest.mark.parametrize(
    ("of_each", "why", "champion"),
    [(9, "too few photos", True), (12, "no champion", False)],
)
def test_too_few_photos_log_a_warning(
    shop: Shop, tmp_path: Path, of_each: int, why: str, champion: bool
) -> None:
    if not champion:
        shop.execute("delete from moderation.champion")
    frozen(shop, tmp_path, of_each=of_each)
    with capture_logs() as logs:
        assert checked(shop) == []
    assert any(why in line["event"] and line["log_level"] == "warning" for line in logs)
    assert shop.rows("select 1 from moderation.review_task") == []


def test_checking_labels_without_a_snapshot_raises(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(RunNotStarted):
        checked(shop)
    frozen(shop, tmp_path, of_each=12)
    shop.execute("update moderation.retrain_run set snapshot_hash = null")
    with pytest.raises(RunNotStarted, match="snapshot_labels"):
        checked(shop)
