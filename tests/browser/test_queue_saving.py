"""Nothing that a reviewer said is lost: outages, reloads, and leases that ran out."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.browser.queue_page import QueuePage, labels, open_queue, waiting
from tests.support.pages import Pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]


def test_decisions_of_an_outage_are_kept_shown_and_saved_after_it(
    pages: Pages, logged_in: LogIn
) -> None:
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


def test_leaving_with_unsaved_decisions_warns_and_a_reload_saves_them(
    pages: Pages, logged_in: LogIn
) -> None:
    waiting(pages, 3)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    queue.page.route("**/api/queue/decide", lambda route: route.abort())
    queue.page.locator("[data-label=violate]").click()  # a page that was touched may warn
    expect(queue.page.locator("#saving")).to_have_attribute("data-state", "waiting")
    queue.page.reload()
    expect(queue.page.locator("#saving")).to_have_text("Not saved yet: 1")
    queue.shows(" 1.jpg")
    assert queue.warned == 1
    queue.page.unroute("**/api/queue/decide")
    queue.saved()
    assert labels(pages) == {"0.jpg": "violate"}


def test_an_answer_that_was_lost_is_asked_for_again(pages: Pages, logged_in: LogIn) -> None:
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
    """The photo that waits for this reviewer's decision; None when none is left."""
    done = queue.page.locator("#queue[data-view=empty]")
    expect(queue.photo.or_(done)).to_be_visible()
    return None if done.is_visible() else queue.page.locator("#facts dd").last.inner_text()


def test_a_photo_that_lapsed_and_was_taken_gives_a_notice_and_no_decision(
    pages: Pages, logged_in: LogIn
) -> None:
    waiting(pages, 8)  # enough, so that the page claims nothing meanwhile
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    pages.shop.execute(
        "update moderation.review_task set claimed_until = now() - interval '1 s' "
        "where object_key like '%/0.jpg'"
    )
    other = open_queue(logged_in("reviewer2"), pages)
    other.shows(" 0.jpg")
    queue.press("v")
    expect(queue.notices()).to_contain_text("This photo is with somebody else now.")
    expect(queue.notices()).to_contain_text("0.jpg was not decided. (Violation)")
    queue.shows(" 1.jpg")
    assert labels(pages) == {}
    other.press("n")
    other.saved()
    assert labels(pages) == {"0.jpg": "normal"}
    assert queue.faults + other.faults == []


def test_a_closed_page_gives_its_photos_back(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 3)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    queue.page.goto(f"{pages.url}/help")
    other = open_queue(logged_in("reviewer2"), pages)
    other.shows(" 0.jpg")


def test_a_reviewer_who_is_away_is_asked_before_leases_are_renewed(
    pages: Pages, logged_in: LogIn
) -> None:
    pages.reviewing(lease_seconds=30, golden_share=0.0, withheld_share=0.0)
    waiting(pages, 2)
    page = logged_in("reviewer").new_page()
    page.clock.install()
    page.goto(f"{pages.url}/queue")
    expect(page.locator("#frame > img")).to_be_visible()
    page.clock.fast_forward(31_000)
    expect(page.get_by_role("heading", name="Still there?")).to_be_visible()
    page.keyboard.press("v")
    with page.expect_response("**/api/queue/renew"):
        page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Still there?")).to_be_hidden()
    assert labels(pages) == {}
