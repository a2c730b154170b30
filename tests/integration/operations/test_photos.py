import pytest

from ml.operations import photos
from ml.operations.photos import Found, Wanted, photos_of
from ml.storage.database import in_transaction
from tests.integration.operations.rows import Rows
from tests.support.night import run_night, start
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def found(shop: Shop, **wanted: str) -> list[str]:
    asked = Wanted("night", **wanted)  # type: ignore[arg-type]  # the test's own literals
    shown = in_transaction(shop.connections.engine, lambda c: photos_of(c, asked))
    return [each.object_key.rpartition("/")[2] for each in shown.photos]


@pytest.fixture
def judged(shop: Shop) -> Shop:
    shop.upload("bright.jpg", photo(BRIGHT, seed=1))
    shop.upload("dark.jpg", photo(DARK, seed=2))
    shop.upload("broken.jpg", b"no photo")
    shop.upload("empty.jpg", b"")
    run_night(shop)
    return shop


def test_each_filter_finds_its_photos(judged: Shop) -> None:
    assert found(judged) == ["bright.jpg", "broken.jpg", "dark.jpg", "empty.jpg"]
    assert found(judged, outcome="judged") == ["bright.jpg", "dark.jpg"]
    assert found(judged, decision="pass") == ["bright.jpg"]
    assert found(judged, decision="review") == ["dark.jpg"]
    assert found(judged, decision="block") == []
    assert found(judged, reason="violation:violate") == ["dark.jpg"]
    assert found(judged, outcome="quarantined", reason="empty") == ["empty.jpg"]
    assert found(judged, outcome="undecided") == []


def test_photos_without_an_outcome_are_found(shop: Shop) -> None:
    shop.upload("waits.jpg", photo(seed=1))
    start(shop)
    assert found(shop, outcome="undecided") == ["waits.jpg"]


def test_a_photo_carries_what_the_page_shows(judged: Shop) -> None:
    shown = in_transaction(
        judged.connections.engine, lambda c: photos_of(c, Wanted("night")).photos
    )
    bright, broken, dark, _ = shown
    assert (bright.decision, dark.reasons) == ("pass", ("violation:violate",))
    assert dark.violation_score is not None
    assert dark.violation_score > 0.5
    assert (dark.model_hash, broken.decision) == (judged.model_hash, None)
    assert (broken.quarantine_reason, broken.content_sha256) == ("not_an_image", None)
    assert broken.quarantine_detail


def walk(rows: Rows, wanted: Wanted, *, limit: int, patience: float = 60.0) -> list[Found]:
    pages, after = [], ""
    while True:
        page = in_transaction(
            rows.engine,
            lambda c, after=after: photos_of(
                c, wanted, after=after, limit=limit, patience_seconds=patience
            ),
        )
        pages.append(page)
        if page.next_after is None:
            return pages
        after = page.next_after


def test_pages_hold_every_photo_once_in_order(rows: Rows) -> None:
    rows.night("n", day=0)
    keys = rows.photos("n", [0.1] * 700)
    pages = walk(rows, Wanted("n"), limit=60)
    assert [photo.object_key for page in pages for photo in page.photos] == keys
    assert [len(page.photos) for page in pages] == [60] * 11 + [40]


def test_a_full_last_page_is_the_last(rows: Rows) -> None:
    rows.night("n", day=0)
    rows.photos("n", [0.1] * 60)
    assert [len(page.photos) for page in walk(rows, Wanted("n"), limit=60)] == [60]


def test_a_search_whose_time_is_up_goes_on_where_it_was(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photos, "FIRST_CHUNK", 50)
    monkeypatch.setattr(photos, "CHUNK", 50)
    rows.night("n", day=0)
    rows.photos("n", [0.1] * 400)
    rare = rows.photos("n", [0.9] * 3, decision="review")  # their keys come last
    pages = walk(rows, Wanted("n", decision="review"), limit=60, patience=0.0)
    assert len(pages) > 2
    assert not any(page.complete for page in pages[:-1])
    assert pages[-1].complete
    assert [photo.object_key for page in pages for photo in page.photos] == rare
