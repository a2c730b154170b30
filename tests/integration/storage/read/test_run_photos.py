import pytest

from ml.storage.database import in_transaction
from ml.storage.read import run_photos
from ml.storage.read.run_photos import PhotoFilter, PhotoPage, list_run_photos
from tests.support.audit_rows import Rows
from tests.support.nightly_run import run_nightly, start_run
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def found(shop: Shop, **filters: str) -> list[str]:
    asked = PhotoFilter("night", **filters)  # type: ignore[arg-type]  # the test's own literals
    shown = in_transaction(shop.connections.engine, lambda c: list_run_photos(c, asked))
    return [each.object_key.rpartition("/")[2] for each in shown.photos]


@pytest.fixture
def judged(shop: Shop) -> Shop:
    shop.upload("bright.jpg", photo(BRIGHT, seed=1))
    shop.upload("dark.jpg", photo(DARK, seed=2))
    shop.upload("broken.jpg", b"no photo")
    shop.upload("empty.jpg", b"")
    run_nightly(shop)
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
    start_run(shop)
    assert found(shop, outcome="undecided") == ["waits.jpg"]


def test_a_photo_carries_what_the_page_shows(judged: Shop) -> None:
    shown = in_transaction(
        judged.connections.engine, lambda c: list_run_photos(c, PhotoFilter("night")).photos
    )
    bright, broken, dark, _ = shown
    assert (bright.decision, dark.reasons) == ("pass", ("violation:violate",))
    assert dark.violation_score is not None
    assert dark.violation_score > 0.5
    assert (dark.model_hash, broken.decision) == (judged.model_hash, None)
    assert (broken.quarantine_reason, broken.content_sha256) == ("not_an_image", None)
    assert broken.quarantine_detail


def walk(
    rows: Rows, photo_filter: PhotoFilter, *, limit: int, timeout: float = 60.0
) -> list[PhotoPage]:
    pages, after = [], ""
    while True:
        page = in_transaction(
            rows.engine,
            lambda c, after=after: list_run_photos(
                c, photo_filter, after=after, limit=limit, timeout_seconds=timeout
            ),
        )
        pages.append(page)
        if page.next_after is None:
            return pages
        after = page.next_after


def test_pages_hold_every_photo_once_in_order(rows: Rows) -> None:
    rows.nightly_run("n", day=0)
    keys = rows.photos("n", [0.1] * 700)
    pages = walk(rows, PhotoFilter("n"), limit=60)
    assert [photo.object_key for page in pages for photo in page.photos] == keys
    assert [len(page.photos) for page in pages] == [60] * 11 + [40]


def test_a_full_last_page_is_the_last(rows: Rows) -> None:
    rows.nightly_run("n", day=0)
    rows.photos("n", [0.1] * 60)
    assert [len(page.photos) for page in walk(rows, PhotoFilter("n"), limit=60)] == [60]


def test_a_search_that_times_out_continues_at_its_cursor(
    rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_photos, "FIRST_CHUNK", 50)
    monkeypatch.setattr(run_photos, "MAX_CHUNK", 50)
    rows.nightly_run("n", day=0)
    rows.photos("n", [0.1] * 400)
    rare = rows.photos("n", [0.9] * 3, decision="review")  # their keys come last
    pages = walk(rows, PhotoFilter("n", decision="review"), limit=60, timeout=0.0)
    assert len(pages) > 2
    assert not any(page.complete for page in pages[:-1])
    assert pages[-1].complete
    assert [photo.object_key for page in pages for photo in page.photos] == rare
