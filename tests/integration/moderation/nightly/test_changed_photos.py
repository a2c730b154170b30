"""Photos that arrive late, change, vanish or lack their row are accounted for, and later scored."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from ml.core.window import Window
from ml.moderation.nightly.discover import discover
from ml.moderation.nightly.preflight import preflight
from ml.moderation.nightly.score_shard import score_shard
from ml.moderation.nightly.write_back import write_back
from tests.integration.moderation.nightly.screened import person_decides, task_of
from tests.support.nightly_run import finish_run, run_nightly, start_run
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def _next_night(shop: Shop) -> Window:
    return Window(shop.window.end, shop.window.end + timedelta(hours=1))


def _reason(shop: Shop, key: str) -> list[tuple[object, ...]]:
    return shop.rows(
        "select reason, released_by from moderation.quarantine where object_key = :k", k=key
    )


def test_unseen_photo_from_before_the_window_is_scored(shop: Shop) -> None:
    key = shop.upload("late.jpg", photo(seed=1))
    report = run_nightly(shop, window=_next_night(shop))
    assert (report["listed"], report["judged"]) == (1, 1)
    assert shop.status(key) == "pass"


def test_photo_older_than_the_lookback_is_not_listed(shop: Shop) -> None:
    shop.upload("ancient.jpg", photo(seed=1))
    far = datetime.now(UTC) + timedelta(days=shop.settings.lookback_days, hours=2)
    report = run_nightly(shop, window=Window(far, far + timedelta(days=1)))
    assert report["listed"] == 0


def test_photo_uploaded_after_the_window_is_left_to_the_next_run(shop: Shop) -> None:
    key = shop.upload("tomorrow.jpg", photo(seed=1))
    past = Window(shop.window.start - timedelta(days=1), shop.window.start)
    # The row was written shortly before the object: the object is not reported as absent.
    shop.execute(
        "update commerce.review_image set uploaded_at = :t", t=past.end - timedelta(minutes=1)
    )
    assert run_nightly(shop, "early", past)["listed"] == 0
    assert run_nightly(shop, "right")["judged"] == 1
    assert shop.status(key) == "pass"


def test_settled_photo_is_not_listed_by_the_next_run(shop: Shop) -> None:
    shop.upload("one.jpg", photo(seed=1))
    shop.upload("broken.jpg", b"no photo")
    run_nightly(shop)
    assert run_nightly(shop, "next", _next_night(shop))["listed"] == 0


def test_reupload_is_scored_and_replaces_the_earlier_verdict(shop: Shop) -> None:
    key = shop.upload("photo.jpg", photo(BRIGHT, seed=1))
    run_nightly(shop)
    assert shop.status(key) == "pass"
    shop.connections.photos.put(key, photo(DARK, seed=2))
    report = run_nightly(shop, "second")
    assert (report["judged"], report["already_judged"]) == (1, 0)
    assert shop.status(key) == "review"
    assert len(shop.rows("select 1 from moderation.image where object_key = :k", k=key)) == 2


def test_repeated_steps_of_an_older_run_leave_newer_rows_unchanged(shop: Shop) -> None:
    key = shop.upload("photo.jpg", photo(BRIGHT, seed=1))
    run_nightly(shop, "older")
    time.sleep(1.1)  # S3 has times in whole seconds
    shop.connections.photos.put(key, photo(DARK, seed=2))
    run_nightly(shop, "newer")
    before = shop.rows("select moderation_status, moderated_at from commerce.review_image")
    finish_run(shop, "older")  # raises where the account does not balance
    assert shop.rows("select moderation_status, moderated_at from commerce.review_image") == before
    assert shop.status(key) == "review"
    finish_run(shop, "newer")


def test_reupload_of_the_first_bytes_becomes_the_newest_version(shop: Shop) -> None:
    first = photo(BRIGHT, seed=1)
    key = shop.upload("photo.jpg", first)
    run_nightly(shop, "first")
    for run_id, data, status in (
        ("second", photo(DARK, seed=2), "review"),
        ("third", first, "pass"),
    ):
        time.sleep(1.1)  # as above
        shop.connections.photos.put(key, data)
        run_nightly(shop, run_id)
        assert shop.status(key) == status


def test_decision_on_older_bytes_is_not_applied_to_a_reupload(shop: Shop) -> None:
    key = shop.upload("photo.jpg", photo(DARK, seed=1))
    run_nightly(shop, "older")
    person_decides(shop, int(str(task_of(shop, key)[0])), "normal")
    assert shop.status(key) == "pass"
    time.sleep(1.1)  # as above
    shop.connections.photos.put(key, photo(DARK, seed=2))
    shop.execute("update commerce.review_image set moderation_status='pending', moderated_at=null")
    start_run(shop, "newer")  # listed, and not scored yet
    write_back("older", settings=shop.settings, connections=shop.connections)
    assert shop.status(key) == "pending"


def test_unreadable_reupload_revokes_the_pass(shop: Shop) -> None:
    key = shop.upload("photo.jpg", photo(BRIGHT, seed=1))
    run_nightly(shop)
    shop.connections.photos.put(key, b"not a photo any more")
    run_nightly(shop, "second")
    assert shop.status(key) == "pending"


def test_object_without_a_row_is_quarantined_until_its_row_exists(shop: Shop) -> None:
    key = shop.upload("orphan.jpg", photo(seed=1), row=False)
    report = run_nightly(shop)
    assert report["quarantine_reasons"] == {"no_commerce_row": 1}
    shop.add_row(key)
    assert run_nightly(shop, "next", _next_night(shop))["judged"] == 1
    assert _reason(shop, key) == [("no_commerce_row", "next")]
    assert shop.status(key) == "pass"


def test_row_without_an_object_is_quarantined_until_its_object_exists(shop: Shop) -> None:
    key = f"{shop.settings.photo_prefix}absent.jpg"
    shop.add_row(key)
    report = run_nightly(shop)
    assert report["quarantine_reasons"] == {"object_absent": 1}
    assert shop.status(key) == "pending"
    shop.connections.photos.put(key, photo(seed=1))
    assert run_nightly(shop, "next", _next_night(shop))["judged"] == 1
    assert _reason(shop, key) == [("object_absent", "next")]


def test_object_deleted_between_listing_and_fetch_is_quarantined(shop: Shop) -> None:
    keys = [shop.upload(f"{i}.jpg", photo(seed=i)) for i in range(3)]
    shards = start_run(shop)
    shop.connections.photos.delete(keys[1])
    for shard in shards:
        score_shard(shard, settings=shop.settings, connections=shop.connections)
    report = finish_run(shop)
    assert report["quarantine_reasons"] == {"object_absent": 1}
    assert [shop.status(k) for k in keys] == ["pass", "pending", "pass"]


def test_object_replaced_between_listing_and_fetch_is_left_to_the_next_run(shop: Shop) -> None:
    key = shop.upload("photo.jpg", photo(BRIGHT, seed=1))
    shards = start_run(shop)
    shop.connections.photos.put(key, photo(DARK, seed=2))
    for shard in shards:
        score_shard(shard, settings=shop.settings, connections=shop.connections)
    assert finish_run(shop)["quarantine_reasons"] == {"object_changed": 1}
    assert shop.status(key) == "pending"
    assert run_nightly(shop, "next", _next_night(shop))["judged"] == 1
    assert shop.status(key) == "review"


def test_reviewer_decision_is_never_overwritten(shop: Shop) -> None:
    key = shop.upload("photo.jpg", photo(DARK, seed=1))
    run_nightly(shop)
    shop.execute("update moderation.review_task set state = 'decided'")
    shop.execute(
        "update commerce.review_image set moderation_status = 'pass', moderated_at = now()"
    )
    run_nightly(shop, "again")
    assert shop.status(key) == "pass"


def test_decision_of_the_commerce_database_is_never_overwritten(shop: Shop) -> None:
    key = shop.upload("photo.jpg", photo(BRIGHT, seed=1))
    shop.execute(
        "update commerce.review_image set moderation_status = 'block', "
        "moderated_at = now() + interval '1 hour'"
    )
    run_nightly(shop)
    assert shop.status(key) == "block"


def test_repeated_discover_returns_the_same_shards(shop: Shop) -> None:
    for i in range(7):
        shop.upload(f"{i}.jpg", photo(seed=i))
    settings = shop.settings.model_copy(update={"shard_size": 2})
    parts = {"settings": settings, "connections": shop.connections}
    preflight("night", shop.window, **parts)
    first = discover("night", **parts)
    assert [s.images for s in first] == [2, 2, 2, 1]
    shop.upload("8.jpg", photo(seed=8))
    assert discover("night", **parts) == first
