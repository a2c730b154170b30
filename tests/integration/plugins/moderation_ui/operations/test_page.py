"""The operations page as it is served."""

import re
from datetime import timedelta
from html import unescape

import httpx
import pytest
from sqlalchemy import text

from ml.core.window import Window
from tests.support.nightly_run import run_nightly, start_run
from tests.support.pages import Pages
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.seeded_pages import reset_pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow]


@pytest.fixture
def emptied(pages: Pages) -> Pages:
    return reset_pages(pages)


def words_of(answer: httpx.Response) -> str:
    """The page's text in one line, without tags."""
    assert answer.status_code == 200, answer.text
    body = answer.text.partition("<main")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def read(pages: Pages, path: str = "/operations", account: str = "viewer") -> str:
    with pages.client(account) as client:
        return words_of(client.get(path))


def test_operations_page_before_the_first_run_says_what_to_do(pages: Pages) -> None:
    said = read(pages)
    assert "No nightly run yet." in said
    assert "unpause the DAG audit_review_images" in said


def test_operations_page_of_another_dag_says_so(pages: Pages) -> None:
    said = read(pages, "/operations?dag=retrain_model&run=x")
    assert "Only runs of audit_review_images have this page." in said


@pytest.mark.parametrize("path", ["/operations", "/operations/photos"])
def test_operations_page_of_a_run_without_preflight_says_so(pages: Pages, path: str) -> None:
    said = read(pages, f"{path}?run=manual__%3Cb%3E")
    assert "This run has not listed any photos." in said
    assert "manual__<b>" in said


@pytest.mark.parametrize(
    "path",
    [
        "/operations/photos?run=x&outcome=lost",
        "/operations/photos?run=x&decision=delete",
        "/operations/photos?run=x&sort=name",
        "/operations/photos",
    ],
)
def test_invalid_query_is_rejected(pages: Pages, path: str) -> None:
    with pages.client("viewer") as client:
        answer = client.get(path)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")


def test_run_without_photos_is_shown(emptied: Pages) -> None:
    run_nightly(emptied.shop)
    said = read(emptied)
    account = "0 found = 0 judged + 0 quarantined + 0 judged earlier ✓ every photo accounted for"
    assert account in said
    assert "No photo was quarantined." in said
    assert "No spot-check results yet" in said
    assert "The review queue is empty." in said


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("Device and computation CPU, 2 threads, openvino int8 variant abababababab",
                "Not used to compute scores openvino bfloat16: logits")),
        ("zh", ("设备与计算方式 CPU, 2 threads, openvino int8 变体 abababababab",
                "未用于计算分数 openvino bfloat16: logits")),
    ],
)  # fmt: skip
def test_run_says_how_it_computed_and_what_it_did_not_use(
    emptied: Pages, language: str, words: tuple[str, ...]
) -> None:
    run_nightly(emptied.shop)
    emptied.shop.execute(
        "update moderation.audit_run set device = 'CPU, 2 threads, openvino int8', "
        "variant = repeat('ab', 32), fallback = 'openvino bfloat16: logits differ'"
    )
    with emptied.client("viewer") as client:
        said = words_of(client.get("/operations", headers={"Accept-Language": language}))
    for each in words:
        assert each in said


def test_queue_that_cannot_be_counted_is_unknown_not_zero(emptied: Pages) -> None:
    emptied.shop.upload("dark.jpg", photo(DARK, seed=1))
    run_nightly(emptied.shop)
    with emptied.shop.connections.engine.begin() as holder:
        holder.execute(text("lock table moderation.review_task in access exclusive mode"))
        said = read(emptied)
    assert "Review queue now unknown photos pending" in said
    assert "The number of pending photos is unknown" in said
    assert "1 found = 1 judged" in said
    assert "1 photos pending" in read(emptied)


def test_running_run_shows_its_progress(emptied: Pages) -> None:
    emptied.shop.upload("bright.jpg", photo(BRIGHT, seed=1))
    start_run(emptied.shop)
    said = read(emptied)
    assert "This run is not finished." in said
    assert "1 found = 0 judged + 0 quarantined + 0 judged earlier + 1 still to judge" in said
    assert "every photo accounted for" not in said


def test_failed_run_links_to_the_missing_photos(emptied: Pages) -> None:
    emptied.shop.upload("lost.jpg", photo(BRIGHT, seed=1))
    start_run(emptied.shop)
    emptied.shop.execute(
        "update moderation.audit_run set state = 'failed', judged = 0, quarantined = 0, "
        "already_judged = 0, reconciled_at = now()"
    )
    said = read(emptied)
    assert "This run failed its reconciliation." in said
    assert "1 found ≠ 0 judged + 0 quarantined + 0 judged earlier ✗ 1 photos unaccounted" in said
    assert "lost.jpg" in read(emptied, "/operations/photos?run=night&outcome=undecided")


def test_overdue_run_is_shown_on_the_page_of_the_latest_run_alone(
    pages: Pages,
) -> None:
    before = timedelta(days=3)
    window = Window(pages.shop.window.start - before, pages.shop.window.end - before)
    run_nightly(pages.shop, "old", window)
    overdue = "No nightly run has started for the window that ended"
    assert overdue in read(pages)
    assert overdue not in read(pages, "/operations?run=old")


def test_reviewer_of_a_claimed_photo_does_not_see_its_verdict(emptied: Pages) -> None:
    key = emptied.shop.upload("dark.jpg", photo(DARK, seed=1))
    run_nightly(emptied.shop)
    with emptied.client("reviewer") as client:
        claimed = client.post("/api/queue/claim", json={"count": 1})
        assert claimed.json()["tasks"], claimed.text
    assert "likely Violation" in read(emptied, f"/operations/photo?key={key}")
    hers = read(emptied, f"/operations/photo?key={key}", "reviewer")
    assert "You are reviewing this photo." in hers
    assert "likely Violation" not in hers


def test_open_alerts_are_shown_on_the_page_of_the_latest_run_alone(emptied: Pages) -> None:
    run_nightly(emptied.shop, "with-alerts")
    emptied.shop.execute(
        "insert into moderation.alert (kind, dedup_key, details) values ('queue_age', 'queue', "
        """'{"hours": 30, "limit": 24, "waiting": 5}')"""
    )
    said = read(emptied)
    assert "Alerts Photos wait too long for review · since" in said
    assert "The oldest of 5 pending photos has waited 30 hours; the limit is 24 hours." in said
    assert "did not accept the message. What to do: docs/runbook.md#queue_age" in said
    assert "Photos wait too long" not in read(emptied, "/operations?run=with-alerts")
    emptied.shop.execute("delete from moderation.alert")
