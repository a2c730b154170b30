"""A wrong label of a similar decided photo is sent to another review from *Why?*."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from ml.vision.images.fingerprint import content_hash
from tests.browser.faults import faults
from tests.browser.queue_page import QueuePage, open_queue
from tests.integration.review.test_similar_decisions import scene
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.pages import Pages
from tests.support.review_tasks import judged_photo

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]
PHOTO, LIKE, IMPORTED = scene(1), scene(1, quality=75), scene(1, quality=60)


def _prepare(pages: Pages, **options: object) -> int:
    """A waiting photo, and two like it: decided by a reviewer (returns the task), and imported."""
    earlier = judged_photo(pages.shop, "like.jpg", LIKE, score=0.7)
    with pages.client("reviewer2") as bob:
        bob.post("/api/queue/claim", json={"count": 1})
        said = [{"task_id": earlier, "label": "violate"}]
        bob.post("/api/queue/decide", json={"decisions": said})
    label_photos(pages.shop, [archive_photo(pages.shop, IMPORTED)], "normal")
    judged_photo(pages.shop, "new.jpg", PHOTO, score=0.9, **options)  # type: ignore[arg-type]  # as they are
    return earlier


def _similar(queue: QueuePage, data: bytes) -> Locator:
    image = queue.page.locator(f'img[src*="{content_hash(data)}"]')
    return queue.page.locator(".near figure").filter(has=image)


def test_wrong_label_is_sent_to_another_review_by_keyboard(pages: Pages, logged_in: LogIn) -> None:
    earlier = _prepare(pages)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows("new.jpg")
    queue.press("w")
    expect(_similar(queue, IMPORTED)).to_contain_text("Imported label")
    expect(_similar(queue, IMPORTED).get_by_role("button")).to_have_count(0)
    button = _similar(queue, LIKE).get_by_role("button", name="Wrong label? Review again")
    button.focus()
    queue.page.keyboard.press("Enter")
    assert faults(queue.page) == []
    queue.page.keyboard.type("a belt, n v")
    queue.page.keyboard.press("Enter")
    expect(_similar(queue, LIKE)).to_contain_text("Waits for another review")
    expect(_similar(queue, LIKE).locator("p")).to_be_focused()
    assert faults(queue.page) == []
    rows = pages.shop.rows("select task_id, reason, appealed_by from moderation.appeal")
    assert rows == [(earlier, "a belt, n v", "reviewer")]
    state = "select state from moderation.review_task where task_id = :t"
    assert pages.shop.rows(state, t=earlier) == [("open",)]
    queue.page.reload()
    queue.shows("new.jpg")
    queue.press("w")
    expect(_similar(queue, LIKE)).to_contain_text("Waits for another review")
    expect(queue.page.locator(".near button")).to_have_count(0)
    assert queue.faults == []


def test_canceled_or_failed_appeal_changes_nothing(pages: Pages, logged_in: LogIn) -> None:
    _prepare(pages)
    queue = open_queue(logged_in("reviewer", locale="zh-CN"), pages)
    queue.shows("new.jpg")
    queue.press("w")
    button = _similar(queue, LIKE).get_by_role("button", name="有误？重新审核")
    for leave in (lambda: queue.page.keyboard.press("Escape"), _cancel(queue)):
        button.click()
        expect(queue.page.locator("#appeal-reason")).to_be_focused()
        leave()
        expect(queue.page.locator("#appeal")).not_to_be_visible()
    queue.page.route("**/api/appeals", lambda route: route.abort())
    button.click()
    queue.page.keyboard.type("误判")
    queue.page.keyboard.press("Enter")
    expect(queue.notices()).to_have_class(re.compile("bad"))
    expect(button).to_be_enabled()
    assert pages.shop.rows("select count(*) from moderation.appeal") == [(0,)]


def _cancel(queue: QueuePage) -> Callable[[], None]:
    return queue.page.locator("#appeal").get_by_role("button", name="取消").click


def test_no_appeal_is_offered_where_scores_are_hidden(pages: Pages, logged_in: LogIn) -> None:
    _prepare(pages, kind="blind")
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows("new.jpg")
    queue.press("w")
    expect(_similar(queue, LIKE)).to_have_text("Violation")
    expect(_similar(queue, IMPORTED)).to_have_text("Normal")
