"""The grid view of the review queue."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.browser.queue_page import add_class, labels, open_queue, waiting
from tests.support.pages import Pages
from tests.support.photos import photo
from tests.support.review_tasks import judged_photo

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]


def _tile(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=re.compile(rf"^Photo {re.escape(name)},"))


def _all_shown(page: Page, count: int) -> None:
    expect(page.locator(".tile img")).to_have_count(count)


def test_grid_submits_marked_photos_as_violations_in_one_request(
    pages: Pages, logged_in: LogIn
) -> None:
    waiting(pages, 9)
    queue = open_queue(logged_in("reviewer"), pages, "?view=grid")
    page = queue.page
    _all_shown(page, 9)
    _tile(page, "2.jpg").click()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("v")
    expect(page.locator("#grid-decide")).to_contain_text("2 marked, 7 Normal")
    sent: list[str] = []
    page.on("request", lambda r: sent.append(r.url) if r.url.endswith("/decide") else None)
    page.keyboard.press("Enter")
    expect(page.locator("#nothing-title")).to_have_text("All done")
    queue.saved()
    violations = {name for name, label in labels(pages).items() if label == "violate"}
    assert violations == {"2.jpg", "3.jpg"}
    assert len(labels(pages)) == 9
    assert len(sent) == 1
    assert queue.faults == []


def test_grid_undo_reverts_one_photo_at_a_time(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 7)
    queue = open_queue(logged_in("reviewer"), pages, "?view=grid")
    _all_shown(queue.page, 7)
    _tile(queue.page, "6.jpg").click()
    queue.page.keyboard.press("Enter")
    queue.saved()
    queue.press("u")
    expect(_tile(queue.page, "6.jpg")).to_have_attribute("aria-pressed", "true")
    queue.press("u")
    _all_shown(queue.page, 2)
    queue.saved()
    assert sorted(labels(pages)) == [f"{n}.jpg" for n in range(5)]
    assert queue.faults == []


def test_grid_menu_offers_all_violation_classes(pages: Pages, logged_in: LogIn) -> None:
    add_class(pages, "advert", en="Advert", zh="广告")
    waiting(pages, 2)
    queue = open_queue(logged_in("reviewer"), pages, "?view=grid")
    _all_shown(queue.page, 2)
    _tile(queue.page, "1.jpg").click()
    queue.page.get_by_role("dialog").get_by_role("button", name="Advert").click()
    queue.page.get_by_role("button", name="Decide all").click()
    queue.saved()
    assert labels(pages) == {"0.jpg": "normal", "1.jpg": "advert"}


def test_grid_skips_a_photo_that_cannot_be_shown(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 2)
    judged_photo(pages.shop, "gone.jpg", photo(seed=902), score=0.99)
    pages.shop.connections.photos.delete(f"{pages.shop.settings.photo_prefix}gone.jpg")
    queue = open_queue(logged_in("reviewer"), pages, "?view=grid")
    _all_shown(queue.page, 2)
    expect(_tile(queue.page, "gone.jpg")).to_contain_text("×")
    queue.page.keyboard.press("Enter")
    queue.saved()
    assert labels(pages) == {"0.jpg": "normal", "1.jpg": "normal"}
    closed = pages.shop.rows(
        "select t.object_key from moderation.activity a "
        "join moderation.review_task t on a.target = 'review_task:' || t.task_id "
        "where a.action = 'close_missing' and t.state = 'decided'"
    )
    assert [str(key).rpartition("/")[2] for (key,) in closed] == ["gone.jpg"]


def test_grid_view_can_be_switched_and_linked(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 2)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    queue.press("g")
    _all_shown(queue.page, 2)
    assert "view=grid" in queue.page.url
    queue.press("g")
    queue.shows(" 0.jpg")
    assert "view" not in queue.page.url
