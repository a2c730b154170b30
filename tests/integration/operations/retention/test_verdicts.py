"""Which verdicts go, and that nothing that somebody needs does."""

from pathlib import Path

import pytest

from ml.core.errors import ReconciliationError
from ml.models import registry
from ml.moderation.nightly.reconcile import reconcile
from ml.moderation.nightly.replay import replay
from ml.moderation.nightly.report import report
from ml.operations.retention import verdicts
from ml.operations.retention.plan import Plan
from ml.operations.retention.purge import Purged, Purging
from ml.operations.retention.verdicts import purge_verdicts
from ml.vision.images.fingerprint import content_hash
from tests.support.backdated_rows import backdate_run, purge_plan
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
    """Six photos judged long ago by the first champion, five of them again by the next one."""
    for name, data in NAMES.items():
        shop.upload(name, data)
    alone = shop.upload("alone", ALONE)
    run_nightly(shop, "first")
    backdate_run(shop, "first")
    shop.connections.photos.delete(alone)
    # As strict as the first, so that a bright photo passes with both.
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
    return purge_verdicts(planned or purge_plan(verdict_days=400), shop.connections)


def test_only_the_superseded_verdict_that_nobody_needs_goes(superseded: Shop) -> None:
    before = _verdicts(superseded)
    purged = _purge(superseded)
    assert before - _verdicts(superseded) == {(content_hash(PLAIN), superseded.model_hash)}
    assert (purged.items, purged.days) == (1, 400)
    assert purged.bytes > 100


def test_verdicts_of_predict_go_and_stay_as_those_of_a_night_do(superseded: Shop) -> None:
    superseded.execute("update moderation.verdict set run_id = 'predict'")
    before = _verdicts(superseded)
    _purge(superseded)
    assert before - _verdicts(superseded) == {(content_hash(PLAIN), superseded.model_hash)}


def test_again_deletes_nothing_more_and_reports_the_same(superseded: Shop) -> None:
    planned = purge_plan(verdict_days=400)
    first, left = _purge(superseded, planned), _verdicts(superseded)
    assert _purge(superseded, planned) == first
    assert _verdicts(superseded) == left
    assert _purge(superseded, purge_plan(verdict_days=400, run_id="next")).items == 0


def test_nothing_goes_where_the_policy_names_no_days(superseded: Shop) -> None:
    assert _purge(superseded, purge_plan()) == Purged("verdicts", None)


def test_a_verdict_that_is_not_old_enough_stays(superseded: Shop) -> None:
    assert _purge(superseded, purge_plan(verdict_days=600)).items == 0


def test_versions_that_a_run_of_these_days_used_keep_all_their_verdicts(superseded: Shop) -> None:
    superseded.execute("update moderation.audit_run set started_at = now() where run_id = 'first'")
    assert _purge(superseded).items == 0


def test_what_a_run_that_is_not_reconciled_counts_stays(superseded: Shop) -> None:
    superseded.execute("update moderation.audit_run set state = 'failed' where run_id = 'first'")
    assert _purge(superseded).items == 0


def test_the_champions_verdicts_stay(superseded: Shop) -> None:
    engine = superseded.connections.engine
    registry.promote(superseded.model_hash, engine=engine, by="test", reason="back")
    assert _purge(superseded).items == 0


def test_the_account_and_report_of_a_purged_run_stay_as_they_were(superseded: Shop) -> None:
    parts = {"settings": superseded.settings, "connections": superseded.connections}
    account, told = reconcile("first", **parts), report("first", **parts)
    _purge(superseded)
    assert reconcile("first", **parts) == account
    assert report("first", **parts) == told
    # Not because nothing is looked at any more: the newer run is still counted.
    superseded.execute("delete from moderation.verdict where run_id = 'second'")
    with pytest.raises(ReconciliationError):
        reconcile("second", **parts)


def test_a_run_within_the_days_replays_as_before(superseded: Shop) -> None:
    _purge(superseded)
    again = replay("second", settings=superseded.settings, connections=superseded.connections)
    assert (again.photos, again.equal) == (5, 5)


def test_a_killed_purge_goes_on_and_reports_the_whole(
    superseded: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    superseded.execute("delete from moderation.golden_photo")  # a second verdict that may go
    monkeypatch.setattr(verdicts, "ROWS_PER_BATCH", 1)
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
