"""The summary at each stage of a real run."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from ml.core.errors import ReconciliationError
from ml.core.window import Window
from ml.operations.monitoring.run_summary import NightlyRun, find_run
from ml.operations.monitoring.trend import runs_until
from ml.storage.database import in_transaction
from tests.support.nightly_run import finish_run, run_nightly, start_run
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration
T = TypeVar("T")


def ask(shop: Shop, work: Callable[[Connection], T]) -> T:
    return in_transaction(shop.connections.engine, work)


def seen(shop: Shop, run_id: str = "night") -> NightlyRun:
    found = ask(shop, lambda c: find_run(c, run_id))
    assert found is not None
    return found


def upload(shop: Shop) -> None:
    shop.upload("bright.jpg", photo(BRIGHT, seed=1))
    shop.upload("dark.jpg", photo(DARK, seed=2))
    shop.upload("broken.jpg", b"no photo")


def test_no_run_before_the_first(shop: Shop) -> None:
    assert ask(shop, find_run) is None
    assert ask(shop, lambda c: find_run(c, "nope")) is None


def test_finished_run_balances(shop: Shop) -> None:
    upload(shop)
    run_nightly(shop)
    nightly_run = seen(shop)
    assert (
        nightly_run.listed,
        nightly_run.judged,
        nightly_run.quarantined,
        nightly_run.already_judged,
    ) == (3, 2, 1, 0)
    assert (nightly_run.state, nightly_run.balanced, nightly_run.undecided) == (
        "reconciled",
        True,
        0,
    )


def test_running_run_counts_outcomes_so_far(shop: Shop) -> None:
    upload(shop)
    start_run(shop)
    nightly_run = seen(shop)
    assert (nightly_run.state, nightly_run.listed, nightly_run.undecided, nightly_run.missing) == (
        "running",
        3,
        3,
        3,
    )
    assert not nightly_run.balanced


def test_a_night_that_lost_photos_says_how_many(shop: Shop) -> None:
    upload(shop)
    start_run(shop)
    with pytest.raises(ReconciliationError):
        finish_run(shop)
    nightly_run = seen(shop)
    assert (nightly_run.state, nightly_run.missing, nightly_run.undecided) == ("failed", 3, 3)


def test_backfill_does_not_hide_the_latest_run(shop: Shop) -> None:
    upload(shop)
    run_nightly(shop, "last")
    earlier = Window(shop.window.start - timedelta(days=3), shop.window.end - timedelta(days=3))
    run_nightly(shop, "backfill", earlier)
    found = ask(shop, find_run)
    assert found is not None
    assert found.run_id == "last"
    runs = ask(shop, lambda c: runs_until(c, found))
    assert [nightly_run.run_id for nightly_run in runs] == ["backfill", "last"]
    # Runs of later windows are not part of the trend of the backfill.
    before = ask(shop, lambda c: runs_until(c, seen(shop, "backfill")))
    assert [nightly_run.run_id for nightly_run in before] == ["backfill"]


def test_trend_has_the_numbers_of_the_report(shop: Shop) -> None:
    upload(shop)
    report = run_nightly(shop)
    (nightly_run,) = ask(shop, lambda c: runs_until(c, seen(shop)))
    assert nightly_run.verdicts == {"pass": 1, "review": 1, "block": 0}
    assert nightly_run.review_rate == 0.5
    assert nightly_run.images_per_second == report["images_per_second"]
    assert nightly_run.yuan == report["yuan"]


def test_trend_has_the_latest_runs_up_to_the_limit(shop: Shop) -> None:
    for i in range(3):
        moved = timedelta(days=i)
        run_nightly(shop, f"n{i}", Window(shop.window.start + moved, shop.window.end + moved))
    runs = ask(shop, lambda c: runs_until(c, seen(shop, "n2"), limit=2))
    assert [nightly_run.run_id for nightly_run in runs] == ["n1", "n2"]
