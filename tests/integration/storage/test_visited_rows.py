"""In a database of years, a statement visits the rows of its run or photo, whatever the statistics.

Each table of photos, tasks or labels has more rows than MAX_ROWS: a statement that reads one of
them whole, or joins it to each photo of a run, is found, also one that is written later.
"""

from collections.abc import Callable
from datetime import timedelta
from itertools import islice

import pytest
from sqlalchemy import Connection

from benchmarks.two_years_nightly_run import NightlyRun, make_nightly_run
from benchmarks.two_years_reviews import pages, retention, reviews
from benchmarks.two_years_rows import STATISTICS, OldShop, prepare_old_shop, start_of_today
from benchmarks.visited_rows import Execution, record_executions
from ml.core.window import Window
from ml.learning.pretraining import photo_list
from ml.learning.pretraining.photo_list import list_photos
from ml.operations.monitoring.signal_report import report_signals
from ml.operations.retention import expired_rows
from ml.policy.schema import load_policy
from ml.review.golden_tasks import insert_golden_tasks
from ml.review.queue import claim_tasks
from ml.storage import blocklist_hashes, decided_photos, photo_features
from ml.storage.database import in_transaction
from ml.storage.golden_answers import load_opinions
from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

PHOTOS = 120
MAX_ROWS = 6000
Record = Callable[[Callable[[NightlyRun], object]], list[Execution]]
OLD = OldShop(runs=800, photos_per_run=30, midnight=start_of_today(), task_every=4)


@pytest.fixture(params=STATISTICS)
def record(shop: Shop, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Record:
    """Run work on old data with one kind of statistics; return the statements it executed."""
    # The pages of these statements have more rows than the whole shop.
    monkeypatch.setattr(decided_photos, "_PAGE", 200)
    monkeypatch.setattr(expired_rows, "ROWS_PER_BATCH", 200)
    # Asked for by the data contract where reviewers filter by product.
    shop.execute("create index on commerce.review_image (product_id)")
    engine = shop.connections.engine
    prepare_old_shop(engine, OLD, request.param)
    nightly_run = make_nightly_run(shop.settings, shop.connections, OLD, "night", photos=PHOTOS)
    nightly_run.insert_rows()

    def run(work: Callable[[NightlyRun], object]) -> list[Execution]:
        with record_executions(engine) as executions:
            work(nightly_run)
        return executions

    return run


def _wide(executions: list[Execution], *, least: int = 16) -> list[str]:
    """The statements that visited too many rows; there are `least` in all."""
    assert len(executions) >= least
    # The catalog does not grow with the data.
    ours = [e for e in executions if "from pg_class" not in e.statement]
    wide = {e.statement: e.rows for e in ours if e.rows > MAX_ROWS}
    return [f"{rows} rows: {statement}" for statement, rows in wide.items()]


def test_a_nightly_run_visits_rows_of_its_photos_only(record: Record, shop: Shop) -> None:
    assert _wide(record(lambda nightly_run: nightly_run.run(shop.model_hash))) == []


def test_a_run_that_scores_photos_visits_rows_of_its_photos_only(
    record: Record, shop: Shop
) -> None:
    for number in range(4):
        shop.upload(f"{number}.jpg", photo(seed=number))
    assert _wide(record(lambda _: run_nightly(shop))) == []


def test_a_repeated_write_back_visits_rows_of_its_photos_only(record: Record, shop: Shop) -> None:
    record(lambda nightly_run: nightly_run.run(shop.model_hash))
    assert _wide(record(NightlyRun.finish)) == []


def test_reviews_and_pages_visit_rows_of_their_photos_only(record: Record, shop: Shop) -> None:
    record(lambda nightly_run: nightly_run.run(shop.model_hash))
    assert _wide(record(lambda nightly_run: reviews(nightly_run, newest=200))) == []
    assert _wide(record(pages)) == []


def test_a_list_of_unlabeled_photos_visits_no_more_than_a_page(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_list, "PAGE", 200)
    assert _wide(record(_list_photos)) == []


def _list_photos(nightly_run: NightlyRun) -> None:
    window = Window(OLD.midnight - timedelta(days=OLD.runs), OLD.midnight)
    listed = list_photos(
        window, max_photos=3000, settings=nightly_run.settings, connections=nightly_run.connections
    )
    assert listed.photos


def test_decided_photos_of_a_run_are_looked_up_by_the_newest_labels(
    record: Record, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_features, "MAX_PHOTOS", 200)
    shop.execute(
        "insert into moderation.photo_feature (source, content_sha256, features, computed_at) "
        "select source, content_sha256, '\\x0000', now() - interval '1 day' "
        "from (select distinct content_sha256 from moderation.human_label) l, "
        "unnest(array['now', 'before']) as source"
    )
    shop.execute(
        "insert into moderation.photo_picture (content_sha256, picture) "
        "select distinct content_sha256, cast('\\x00' as bytea) from moderation.human_label"
    )
    assert _wide(record(_look_up_features), least=3) == []


def _look_up_features(nightly_run: NightlyRun) -> None:
    before = OLD.midnight + timedelta(days=1)

    def look_up(connection: Connection) -> None:
        found = photo_features.load_decided(
            connection, "now", before=before, classes=["normal", "violate"]
        )
        assert 0 < len(found) <= 200
        assert photo_features.list_missing(connection, "now", before=before, pictures=True) == []
        contents = [photo.content_sha256 for photo in found[:10]]
        assert len(photo_features.load_pictures(nightly_run.connections.engine, contents)) == 10

    in_transaction(nightly_run.connections.engine, look_up)


def test_hashes_of_outside_lists_are_read_in_pages_and_removed_by_list(
    record: Record, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocklist_hashes, "_PAGE", 200)
    shop.execute(
        "insert into moderation.blocklist_hash (kind, hash, source, added_by) "
        "select 'md5', md5(n::text), case when n > 8000 then 'few' else 'many' end, 'ann' "
        "from generate_series(1, 8010) n"
    )
    engine = shop.connections.engine
    listed = record(lambda _: list(blocklist_hashes.listed_hashes(engine, before=None)))
    assert _wide(listed, least=40) == []
    removed = record(lambda _: in_transaction(engine, blocklist_hashes.remove_source, "few"))
    assert _wide(removed, least=1) == []


def test_a_report_of_signals_visits_the_labels_of_its_period(record: Record, shop: Shop) -> None:
    shop.execute(
        "update moderation.verdict set screens = screens || jsonb_build_object('signal:nudity', "
        "jsonb_build_object('state', 'fired', 'evidence', jsonb_build_object('class', 'violate')))"
    )
    assert _wide(record(_report_signals), least=2) == []


def _report_signals(nightly_run: NightlyRun) -> None:
    policy = load_policy(nightly_run.settings.policy_file)
    window = Window(OLD.midnight - timedelta(days=30), OLD.midnight)
    [found] = in_transaction(
        nightly_run.connections.engine, lambda c: report_signals(c, window, policy=policy)
    )
    assert 0 < found.confirmed < found.decided


def test_opinions_on_a_golden_set_are_looked_up_by_photo(record: Record) -> None:
    assert _wide(record(_load_opinions), least=1) == []


def _load_opinions(nightly_run: NightlyRun) -> None:
    def load(connection: Connection) -> None:
        golden = list(islice(OLD.reviewed(), 400))
        found = load_opinions(connection, golden, as_of=OLD.midnight + timedelta(days=1))
        assert any(o.is_blind for opinions in found.values() for o in opinions)
        assert sum(map(bool, found.values())) > 300

    in_transaction(nightly_run.connections.engine, load)


def test_a_golden_task_is_drawn_from_the_newest_set_alone(record: Record) -> None:
    assert _wide(record(_draw_golden_tasks), least=6) == []


def _draw_golden_tasks(nightly_run: NightlyRun) -> None:
    policy = load_policy(nightly_run.settings.policy_file)
    reviewing = policy.reviewing.model_copy(update={"golden_share": 0.5})
    often = policy.model_copy(update={"reviewing": reviewing})

    def draw(connection: Connection) -> None:
        commerce = nightly_run.connections.commerce
        claimed = claim_tasks(
            connection, reviewer="eve", count=10, lease_seconds=60, commerce=commerce
        )
        mixed = insert_golden_tasks(
            connection, claimed, reviewer="eve", policy=often, lease_seconds=60
        )
        assert len(mixed) > len(claimed) > 0

    in_transaction(nightly_run.connections.engine, draw)


def test_retention_visits_each_row_once(record: Record) -> None:
    assert _wide(record(retention)) == []
