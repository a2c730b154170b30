"""Archived photos are purged some days after their last decision."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml.core.errors import ObjectNotFound
from ml.core.manifest import GoldenPhoto, GoldenSet
from ml.learning.labels.photo_archiver import archive_missing
from ml.operations.retention.purge import Purged
from ml.storage.database import in_transaction
from ml.storage.labels import NewLabel, add_labels
from ml.storage.object_store import ObjectStore
from ml.storage.photo_cache import evict_deleted
from ml.storage.snapshots import put_golden
from ml.vision.images.fingerprint import content_hash
from ml.vision.images.open_photo import decode_limits
from tests.support.backdated_rows import purge, purge_plan
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.nightly_run import run_nightly
from tests.support.photos import DARK, photo
from tests.support.retraining import GoldenSpec, RetrainingRun
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

ONE, TWO = photo(seed=1), photo(seed=2)
DAYS = 365


@pytest.fixture
def decided(own: Shop) -> Shop:
    """Two archived photos with labels."""
    label_photos(own, [archive_photo(own, ONE), archive_photo(own, TWO)], "normal")
    return own


def _purge(shop: Shop, *, ahead: int = DAYS + 1, dry_run: bool = False) -> Purged:
    planned = purge_plan(archived_photo_days=DAYS, ahead=ahead, dry_run=dry_run)
    return purge(shop, "archived_photos", planned)


def _archived(shop: Shop) -> set[str]:
    pages = shop.connections.models.list_pages("labelled/")
    return {file.key.removeprefix("labelled/") for page in pages for file in page}


def _hashes(*photos: bytes) -> set[str]:
    return {content_hash(data) for data in photos}


def test_bytes_are_deleted_and_labels_are_kept(decided: Shop) -> None:
    before = decided.rows("select * from moderation.human_label order by 1")
    assert _purge(decided) == Purged("archived_photos", DAYS, 2, len(ONE) + len(TWO))
    assert _archived(decided) == set()
    assert decided.rows("select * from moderation.human_label order by 1") == before
    rows = "select pdq, deleted_at is null from moderation.archived_photo"
    assert [archived for _, archived in decided.rows(rows)] == [False, False]


def test_photos_within_retention_days_are_kept(decided: Shop) -> None:
    assert _purge(decided, ahead=DAYS - 1).items == 0
    assert _archived(decided) == _hashes(ONE, TWO)


def test_age_counts_from_last_decision(decided: Shop) -> None:
    later = datetime.now(UTC) + timedelta(days=10)
    label_photos(decided, _hashes(TWO), "violate", at=later, reviewer="bea")
    _purge(decided)
    assert _archived(decided) == _hashes(TWO)


def test_age_counts_from_decision_in_queue_not_from_archiving(own: Shop) -> None:
    own.upload("dark.jpg", photo(DARK))
    run_nightly(own)
    [(task,)] = own.rows("select task_id from moderation.review_task")
    content = archive_photo(own, photo(DARK))
    long_ago = datetime.now(UTC) - timedelta(days=DAYS + 1)
    label = NewLabel(content, "violate", "ann", "violation", long_ago, task_id=int(str(task)))
    in_transaction(own.connections.engine, lambda c: add_labels(c, [label]))
    own.execute("update moderation.review_task set state = 'decided'")
    assert _purge(own, ahead=0).items == 1


def test_needed_photos_are_kept(own: Shop) -> None:
    golden, old_golden, bad, asked, free = (photo(seed=n) for n in range(10, 15))
    label_photos(
        own, [archive_photo(own, data) for data in (golden, old_golden, bad, asked, free)], "normal"
    )
    listed, unlisted = (_golden_set(own, n, d) for n, d in (("a", golden), ("b", old_golden)))
    own.execute(
        "insert into moderation.golden_photo (golden_hash, content_sha256, label) "
        "values (:h, :c, 'normal')",
        h=listed,
        c=content_hash(golden),
    )
    assert unlisted  # older than the table: only the bucket lists its photos
    own.execute(
        "insert into moderation.blocklist_photo (content_sha256, added_by, reason) "
        "values (:c, 't', 't')",
        c=content_hash(bad),
    )
    own.execute(
        "insert into moderation.review_task (object_key, etag, content_sha256, model_hash, "
        "policy_version, reasons, violation_score, priority, run_id, kind) "
        "values ('k', '', :c, :m, 'p', '{appeal}', 0.5, 0.5, 'r', 'second_review')",
        c=content_hash(asked),
        m=own.model_hash,
    )
    assert _purge(own).items == 1
    assert _archived(own) == _hashes(golden, old_golden, bad, asked)


def _golden_set(shop: Shop, name: str, data: bytes) -> str:
    row = GoldenPhoto(
        content_sha256=content_hash(data), label="normal", category=None, route="uncertain",
        weight=1.0, added_in=name,
    )  # fmt: skip
    golden = GoldenSet(name=name, parent_hash=None, photos=(row,))
    put_golden(shop.connections.models, golden)
    shop.execute(
        "insert into moderation.golden_set (golden_hash, name, photos, added) "
        "values (:h, :n, 1, 1)",
        h=golden.golden_hash,
        n=name,
    )
    return golden.golden_hash


def test_photos_of_running_retraining_run_are_kept_until_it_ends(own: Shop, tmp_path: Path) -> None:
    data = photo(seed=20)
    month = RetrainingRun(own, tmp_path)
    month.begin([GoldenSpec(data, "normal")], candidate=own.model_hash, champion=own.model_hash)
    own.execute("delete from moderation.golden_photo")
    own.execute("update moderation.label_snapshot set golden_hash = :g", g=_other_golden_set(own))
    label_photos(own, _hashes(data), "normal")
    assert _purge(own).items == 0
    own.execute("update moderation.retrain_run set state = 'held'")
    assert _purge(own).items == 1


def _other_golden_set(shop: Shop) -> str:
    """A listed golden set of another photo, in place of the one of the run."""
    golden = _golden_set(shop, "other", photo(seed=21))
    shop.execute(
        "insert into moderation.golden_photo (golden_hash, content_sha256, label) "
        "select golden_hash, :c, 'normal' from moderation.golden_set",
        c=content_hash(photo(seed=21)),
    )
    return golden


def test_deleted_photo_is_archived_again_only_after_new_decision(own: Shop) -> None:
    own.upload("one.jpg", ONE)
    run_nightly(own)
    wanted, limits = sorted(_hashes(ONE)), decode_limits(own.settings)
    label_photos(own, wanted, "normal")
    assert archive_missing(wanted, limits=limits, connections=own.connections) == {}
    _purge(own)
    reasons = archive_missing(wanted, limits=limits, connections=own.connections)
    assert reasons == dict.fromkeys(wanted, "expired")
    assert _archived(own) == set()
    # Two days before the purge's cutoff is too early; the day after it counts.
    now = datetime.now(UTC)
    label_photos(own, wanted, "violate", at=now + timedelta(days=DAYS - 1), reviewer="bea")
    assert archive_missing(wanted, limits=limits, connections=own.connections) != {}
    label_photos(own, wanted, "violate", at=now + timedelta(days=DAYS + 2), reviewer="cho")
    assert archive_missing(wanted, limits=limits, connections=own.connections) == {}
    assert _archived(own) == _hashes(ONE)
    assert own.rows("select deleted_at from moderation.archived_photo") == [(None,)]


def test_next_run_deletes_bytes_after_kill(decided: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_self: ObjectStore, _keys: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "delete_many", killed)
        with pytest.raises(KeyboardInterrupt):
            _purge(decided)
    assert _archived(decided) == _hashes(ONE, TWO)
    assert _purge(decided).items == 2  # counted once, by the first attempt
    assert _archived(decided) == set()


def test_bytes_without_row_are_kept(own: Shop) -> None:
    own.connections.models.put(f"labelled/{'f' * 64}", b"of another installation")
    assert _purge(own).items == 0
    assert _archived(own) == {"f" * 64}


def test_local_copies_are_deleted(decided: Shop) -> None:
    folder = decided.settings.data_dir / "labelled"
    folder.mkdir(parents=True)
    for data in (ONE, TWO):
        (folder / content_hash(data)).write_bytes(data)
    (folder / f"{content_hash(ONE)}.7.8.part").write_bytes(ONE[:9])  # of a killed process
    (folder / ("e" * 64)).write_bytes(b"unknown")
    assert evict_deleted(decided.settings, decided.connections.engine) == 0
    _purge(decided, dry_run=True)
    assert len(list(folder.iterdir())) == 4
    _purge(decided)
    assert [path.name for path in folder.iterdir()] == ["e" * 64]


def test_deleted_photo_is_not_found(decided: Shop) -> None:
    _purge(decided)
    with pytest.raises(ObjectNotFound):
        decided.connections.models.get(f"labelled/{content_hash(ONE)}")


def test_archived_photos_are_kept_without_days_in_policy(decided: Shop) -> None:
    planned = purge_plan(ahead=9999)
    assert purge(decided, "archived_photos", planned).days is None
    assert _archived(decided) == _hashes(ONE, TWO)
