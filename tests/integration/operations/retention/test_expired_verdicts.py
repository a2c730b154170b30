"""Superseded verdicts are purged; those that something needs are kept."""

from pathlib import Path

import pytest

from ml.core.errors import ReconciliationError
from ml.models import registry
from ml.moderation.nightly.reconcile import reconcile
from ml.moderation.nightly.replay import replay
from ml.moderation.nightly.report import report
from ml.operations.retention import expired_rows
from ml.operations.retention.purge import Plan, Purged, Purging
from ml.vision.images.fingerprint import content_hash
from tests.support.backdated_rows import backdate_run, purge, purge_plan
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.support.versions import add_version

pytestmark = pytest.mark.integration

PLAIN, LABELLED, GOLDEN, BAD, ALONE = (photo(BRIGHT, seed=n) for n in range(5))
ASKED = photo(DARK, seed=9)  # goes to review, so that a task names it
NAMES = {"plain": PLAIN, "labelled": LABELLED, "golden": GOLDEN, "bad": BAD, "asked": ASKED}


@pytest.fixture
def superseded(shop: Shop, tmp_path: Path) -> Shop:
    """Six photos scored long ago by the first champion, five of them later by the next one."""
    for name, data in NAMES.items():
        shop.upload(name, data)
    alone = shop.upload("alone", ALONE)
    run_nightly(shop, "first")
    backdate_run(shop, "first")
    shop.connections.photos.delete(alone)
    # Its threshold lets a bright photo pass with both.
    second = add_version(shop, tmp_path, pass_confidence=0.7)
    registry.promote(second, engine=shop.connections.engine, by="test", reason="test")
    run_nightly(shop, "second")
    label_photos(shop, [content_hash(LABELLED)], "normal")
    _make_golden(shop, content_hash(GOLDEN))
    shop.execute(
        "insert into moderation.blocklist_photo (content_sha256, added_by, reason) "
        "values (:c, 't', 't')",
        c=archive_photo(shop, BAD),
    )
    return shop


def _make_golden(shop: Shop, content: str) -> None:
    shop.execute(
        "insert into moderation.golden_set (golden_hash, name, photos, added) "
        "values (:h, 'golden', 1, 1)",
        h="a" * 64,
    )
    shop.execute(
        "insert into moderation.golden_photo (golden_hash, content_sha256, label) "
        "values (:h, :c, 'normal')",
        h="a" * 64,
        c=content,
    )


def _verdicts(shop: Shop) -> set[tuple[object, ...]]:
    return set(shop.rows("select content_sha256, model_hash from moderation.verdict"))


def _purge(shop: Shop, planned: Plan | None = None) -> Purged:
    return purge(shop, "verdicts", planned or purge_plan(verdict_days=400))


def test_only_superseded_unneeded_verdict_is_deleted(superseded: Shop) -> None:
    before = _verdicts(superseded)
    purged = _purge(superseded)
    assert before - _verdicts(superseded) == {(content_hash(PLAIN), superseded.model_hash)}
    assert (purged.items, purged.days) == (1, 400)
    assert purged.bytes > 100


def test_verdicts_of_predict_are_treated_like_those_of_nightly_runs(superseded: Shop) -> None:
    superseded.execute("update moderation.verdict set run_id = 'predict'")
    before = _verdicts(superseded)
    _purge(superseded)
    assert before - _verdicts(superseded) == {(content_hash(PLAIN), superseded.model_hash)}


def test_repeated_purge_deletes_nothing_and_reports_the_same(superseded: Shop) -> None:
    planned = purge_plan(verdict_days=400)
    first, left = _purge(superseded, planned), _verdicts(superseded)
    assert _purge(superseded, planned) == first
    assert _verdicts(superseded) == left
    assert _purge(superseded, purge_plan(verdict_days=400, run_id="next")).items == 0


def test_verdicts_are_kept_without_days_in_policy(superseded: Shop) -> None:
    assert _purge(superseded, purge_plan()) == Purged("verdicts", None)


def test_verdict_within_retention_days_is_kept(superseded: Shop) -> None:
    assert _purge(superseded, purge_plan(verdict_days=600)).items == 0


def test_verdicts_of_version_used_by_recent_run_are_kept(superseded: Shop) -> None:
    superseded.execute("update moderation.audit_run set started_at = now() where run_id = 'first'")
    assert _purge(superseded).items == 0


def test_verdicts_of_unreconciled_run_are_kept(superseded: Shop) -> None:
    superseded.execute("update moderation.audit_run set state = 'failed' where run_id = 'first'")
    assert _purge(superseded).items == 0


def test_verdicts_of_champion_are_kept(superseded: Shop) -> None:
    engine = superseded.connections.engine
    registry.promote(superseded.model_hash, engine=engine, by="test", reason="back")
    assert _purge(superseded).items == 0


def test_accounting_and_report_of_purged_run_are_unchanged(superseded: Shop) -> None:
    parts = {"settings": superseded.settings, "connections": superseded.connections}
    account, stored = reconcile("first", **parts), report("first", **parts)
    _purge(superseded)
    assert reconcile("first", **parts) == account
    assert report("first", **parts) == stored
    # The newer run is still counted.
    superseded.execute("delete from moderation.verdict where run_id = 'second'")
    with pytest.raises(ReconciliationError):
        reconcile("second", **parts)


def test_recent_run_replays_after_purge(superseded: Shop) -> None:
    _purge(superseded)
    again = replay("second", settings=superseded.settings, connections=superseded.connections)
    assert (again.photos, again.equal) == (5, 5)


def test_killed_purge_continues_and_reports_the_total(
    superseded: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    superseded.execute(
        "delete from moderation.golden_photo"
    )  # a second verdict that may be deleted
    monkeypatch.setattr(expired_rows, "ROWS_PER_BATCH", 1)
    whole, batches = Purging.batch, []

    def killed(self: Purging, work: object) -> object:
        count = whole(self, work)  # type: ignore[arg-type]  # handed through
        batches.append(count.items)
        if sum(batches) == 1:
            raise KeyboardInterrupt
        return count

    planned = purge_plan(verdict_days=400)
    with monkeypatch.context() as patched:
        patched.setattr(Purging, "batch", killed)
        with pytest.raises(KeyboardInterrupt):
            _purge(superseded, planned)
    assert _purge(superseded, planned).items == 2
