"""The night as the database tells it, at each stage of a real run."""

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import pytest
from sqlalchemy import Connection

from ml.audit.window import Window
from ml.errors import ReconciliationError
from ml.operations.night import Night, find, newest
from ml.operations.trend import nights_until
from ml.storage.database import in_transaction
from tests.support.night import finish, run_night, start
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration
T = TypeVar("T")


def ask(shop: Shop, work: Callable[[Connection], T]) -> T:
    return in_transaction(shop.connections.engine, work)


def seen(shop: Shop, run_id: str = "night") -> Night:
    found = ask(shop, lambda c: find(c, run_id))
    assert found is not None
    return found


def upload(shop: Shop) -> None:
    shop.upload("bright.jpg", photo(BRIGHT, seed=1))
    shop.upload("dark.jpg", photo(DARK, seed=2))
    shop.upload("broken.jpg", b"no photo")


def test_before_the_first_night_there_is_none(shop: Shop) -> None:
    assert ask(shop, newest) is None
    assert ask(shop, lambda c: find(c, "nope")) is None


def test_a_finished_night_balances(shop: Shop) -> None:
    upload(shop)
    run_night(shop)
    night = seen(shop)
    assert (night.listed, night.judged, night.quarantined, night.already_judged) == (3, 2, 1, 0)
    assert (night.state, night.balanced, night.undecided) == ("reconciled", True, 0)


def test_a_running_night_counts_what_is_decided_so_far(shop: Shop) -> None:
    upload(shop)
    start(shop)
    night = seen(shop)
    assert (night.state, night.listed, night.undecided, night.missing) == ("running", 3, 3, 3)
    assert not night.balanced


def test_a_night_that_lost_photos_says_how_many(shop: Shop) -> None:
    upload(shop)
    start(shop)
    with pytest.raises(ReconciliationError):
        finish(shop)
    night = seen(shop)
    assert (night.state, night.missing, night.undecided) == ("failed", 3, 3)


def test_a_backfill_does_not_hide_last_night(shop: Shop) -> None:
    upload(shop)
    run_night(shop, "last")
    earlier = Window(shop.window.start - timedelta(days=3), shop.window.end - timedelta(days=3))
    run_night(shop, "backfill", earlier)
    found = ask(shop, newest)
    assert found is not None
    assert found.run_id == "last"
    nights = ask(shop, lambda c: nights_until(c, found))
    assert [night.run_id for night in nights] == ["backfill", "last"]
    # Seen from the backfilled night, what came after its window is not there yet.
    before = ask(shop, lambda c: nights_until(c, seen(shop, "backfill")))
    assert [night.run_id for night in before] == ["backfill"]


def test_the_trend_has_the_numbers_of_the_report(shop: Shop) -> None:
    upload(shop)
    report = run_night(shop)
    (night,) = ask(shop, lambda c: nights_until(c, seen(shop)))
    assert night.verdicts == {"pass": 1, "review": 1, "block": 0}
    assert night.review_rate == 0.5
    assert night.images_per_second == report["images_per_second"]
    assert night.yuan == report["yuan"]


def test_no_more_nights_than_asked_for_the_latest_ones(shop: Shop) -> None:
    for i in range(3):
        moved = timedelta(days=i)
        run_night(shop, f"n{i}", Window(shop.window.start + moved, shop.window.end + moved))
    nights = ask(shop, lambda c: nights_until(c, seen(shop, "n2"), limit=2))
    assert [night.run_id for night in nights] == ["n1", "n2"]
