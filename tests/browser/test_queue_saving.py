"""No decision is lost: outages, reloads, and expired leases."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.queue_page import QueuePage, labels, open_queue, waiting
from tests.support.pages import Pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]


def test_decisions_during_an_outage_are_saved_after_it(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 4)
    context = logged_in("reviewer")
    queue = open_queue(context, pages)
    queue.shows(" 0.jpg")
    queue.page.route("**/api/queue/decide", lambda route: route.abort())
    for n, key in enumerate("vn"):
        queue.shows(f" {n}.jpg")
        queue.press(key)
    saving = queue.page.locator("#saving")
    expect(saving).to_have_text("Not saved yet: 2")
    expect(saving).to_have_attribute("data-state", "waiting")
    assert labels(pages) == {}
    queue.page.unroute("**/api/queue/decide")
    queue.saved()
    assert labels(pages) == {"0.jpg": "violate", "1.jpg": "normal"}


def test_unsaved_decisions_warn_on_leave_and_are_saved_on_reload(
    pages: Pages, logged_in: LogIn
) -> None:
    waiting(pages, 3)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    queue.page.route("**/api/queue/decide", lambda route: route.abort())
    queue.page.locator("[data-label=violate]").click()  # browsers warn only after an interaction
    expect(queue.page.locator("#saving")).to_have_attribute("data-state", "waiting")
    queue.page.reload()
    expect(queue.page.locator("#saving")).to_have_text("Not saved yet: 1")
    queue.shows(" 1.jpg")
    assert queue.warned == 1
    queue.page.unroute("**/api/queue/decide")
    queue.saved()
    assert labels(pages) == {"0.jpg": "violate"}


def test_decision_with_a_lost_response_is_sent_again(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 2)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")

    def done_but_unheard(route: Route) -> None:
        route.fetch()
        route.abort()

    queue.page.route("**/api/queue/decide", done_but_unheard, times=1)
    queue.press("v")
    queue.shows(" 1.jpg")
    queue.saved()
    assert pages.shop.rows("select label from moderation.human_label") == [("violate",)]


def test_two_reviewers_never_see_the_same_photo(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 24)
    queues = [open_queue(logged_in(name), pages) for name in ("reviewer", "reviewer2")]
    seen: list[set[str]] = [set(), set()]
    for _ in range(24):
        for queue, names in zip(queues, seen, strict=True):
            if (name := _name_shown(queue)) is not None:
                assert name not in names
                names.add(name)
                queue.press("n")
    for queue in queues:
        queue.saved()
        assert queue.faults == []
    assert not seen[0] & seen[1]
    assert min(map(len, seen)) >= 10
    assert len(seen[0] | seen[1]) == len(labels(pages)) == 24


def _name_shown(queue: QueuePage) -> str | None:
    """Return the photo that waits for this reviewer's decision, or None."""
    done = queue.page.locator("#queue[data-view=empty]")
    expect(queue.photo.or_(done)).to_be_visible()
    return None if done.is_visible() else queue.page.locator("#facts dd").last.inner_text()


def test_photo_claimed_by_another_after_expiry_is_not_decided(
    pages: Pages, logged_in: LogIn
) -> None:
    waiting(pages, 8)  # enough that the page claims no more photos meanwhile
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    pages.shop.execute(
        "update moderation.review_task set claimed_until = now() - interval '1 s' "
        "where object_key like '%/0.jpg'"
    )
    other = open_queue(logged_in("reviewer2"), pages)
    other.shows(" 0.jpg")
    queue.press("v")
    expect(queue.notices()).to_contain_text("A colleague is reviewing this photo now.")
    expect(queue.notices()).to_contain_text("0.jpg was not decided. (Violation)")
    queue.shows(" 1.jpg")
    assert labels(pages) == {}
    other.press("n")
    other.saved()
    assert labels(pages) == {"0.jpg": "normal"}
    assert queue.faults + other.faults == []


def test_closed_page_releases_its_photos(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 3)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    queue.page.goto(f"{pages.url}/help")
    other = open_queue(logged_in("reviewer2"), pages)
    other.shows(" 0.jpg")


def test_inactive_reviewer_is_asked_before_leases_are_renewed(
    pages: Pages, logged_in: LogIn
) -> None:
    pages.reviewing(lease_seconds=30, golden_share=0.0, hide_scores_share=0.0)
    waiting(pages, 2)
    page = logged_in("reviewer").new_page()
    page.clock.install()
    page.goto(f"{pages.url}/queue")
    expect(page.locator("#frame > img")).to_be_visible()
    page.clock.fast_forward(31_000)
    expect(page.get_by_role("heading", name="Still there?")).to_be_visible()
    page.keyboard.press("v")
    with page.expect_response("**/api/queue/renew"):
        page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("heading", name="Still there?")).to_be_hidden()
    assert labels(pages) == {}
