"""Deciding photos one by one: keys, buttons, notes, skip and undo."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.queue_page import labels, open_queue, waiting
from tests.support.pages import Pages
from tests.support.photos import photo
from tests.support.review_tasks import judged_photo

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]


def test_twenty_photos_are_decided_by_keyboard(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 20)
    queue = open_queue(logged_in("reviewer"), pages)
    keys = "nvn12" * 4
    for n, key in enumerate(keys):
        queue.shows(f" {n}.jpg")
        queue.press(key)
    expect(queue.page.locator("#nothing-title")).to_have_text("All done")
    queue.saved()
    said = {"n": "normal", "1": "normal", "v": "violate", "2": "violate"}
    assert labels(pages) == {f"{n}.jpg": said[key] for n, key in enumerate(keys)}
    status = pages.shop.rows("select distinct moderation_status from commerce.review_image")
    assert sorted(status) == [("block",), ("pass",)]
    assert queue.faults == []


def test_undo_reverts_the_last_decision_and_shows_the_photo(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 3)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    queue.press("v")
    queue.shows(" 1.jpg")
    queue.press("v")
    queue.shows(" 2.jpg")
    queue.press("u")
    queue.shows(" 1.jpg")
    queue.press("u")
    queue.shows(" 0.jpg")
    queue.press("n")
    queue.shows(" 1.jpg")
    queue.saved()
    assert labels(pages) == {"0.jpg": "normal"}
    assert queue.faults == []


def test_skipped_photo_is_released_without_a_label(pages: Pages, logged_in: LogIn) -> None:
    # More than the page claims ahead: with fewer it would claim the skipped photo again.
    first, *_ = waiting(pages, 30)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    queue.press("s")
    queue.shows(" 1.jpg")
    queue.saved()
    rows = pages.shop.rows(
        "select state, skipped_by from moderation.review_task where task_id = :t", t=first
    )
    assert rows == [("open", ["reviewer"])]
    assert labels(pages) == {}


def test_buttons_have_the_effect_of_keys(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 2)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    queue.page.get_by_role("button", name="Violation").click()
    queue.shows(" 1.jpg")
    queue.page.get_by_role("button", name="Normal").click()
    queue.saved()
    assert labels(pages) == {"0.jpg": "violate", "1.jpg": "normal"}


def test_note_belongs_to_its_photo_and_receives_the_keys(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 2)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    queue.press("c")
    queue.page.keyboard.type("never seen, v n s u")
    queue.shows(" 0.jpg")
    queue.page.keyboard.press("Enter")
    queue.press("v")
    queue.shows(" 1.jpg")
    expect(queue.page.get_by_label("Note")).to_have_value("")
    queue.press("n")
    queue.saved()
    notes = pages.shop.rows("select label, note from moderation.human_label order by label_id")
    assert notes == [("violate", "never seen, v n s u"), ("normal", "")]


def test_photo_that_cannot_be_shown_is_not_decided(pages: Pages, logged_in: LogIn) -> None:
    judged_photo(pages.shop, "gone.jpg", photo(seed=901), score=0.9)
    judged_photo(pages.shop, "there.jpg", photo(seed=2), score=0.8)
    pages.shop.connections.photos.delete(f"{pages.shop.settings.photo_prefix}gone.jpg")
    queue = open_queue(logged_in("reviewer"), pages)
    expect(queue.page.locator("#stage-trouble")).to_contain_text("no longer in the storage")
    queue.press("n")
    expect(queue.notices()).to_contain_text("The photo has not been shown yet")
    queue.press("s")
    queue.shows("there.jpg")
    queue.saved()
    assert labels(pages) == {}


def test_key_repeat_decides_once(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 3)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    for _ in range(3):
        queue.page.keyboard.down("n")
    queue.page.keyboard.up("n")
    queue.shows(" 1.jpg")
    queue.saved()
    assert labels(pages) == {"0.jpg": "normal"}


def test_counts_are_unknown_when_the_request_fails(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 3)
    queue = open_queue(logged_in("reviewer"), pages)
    expect(queue.page.locator("#waiting")).to_have_text("3 waiting")
    expect(queue.page.locator("#oldest")).to_have_text("oldest 6 h")
    queue.page.route("**/api/queue/counts", lambda route: route.abort())
    queue.shows(" 0.jpg")
    queue.press("n")
    expect(queue.page.locator("#waiting")).to_have_text("waiting: unknown")
    expect(queue.page.locator("#others")).to_have_text("with colleagues: unknown")


def test_filters_are_part_of_the_url(pages: Pages, logged_in: LogIn) -> None:
    judged_photo(pages.shop, "sure.jpg", photo(seed=1), score=0.9, product=7)
    judged_photo(
        pages.shop, "unsure.jpg", photo(seed=2), score=0.4, reasons=["low_confidence"], product=8
    )
    queue = open_queue(logged_in("reviewer"), pages, "?product=8")
    queue.shows("unsure.jpg")
    expect(queue.page.locator("#reason")).to_have_text("The model is not sure")
    expect(queue.page.locator("#waiting")).to_have_text("1 waiting")
    queue.page.get_by_role("button", name="Filter (1)").click()
    queue.page.get_by_label("Product").fill("")
    queue.page.get_by_label("Reason").select_option("Likely Violation")
    queue.page.get_by_role("button", name="Apply").click()
    queue.shows("sure.jpg")
    assert "reason=violation%3Aviolate" in queue.page.url
    assert "product" not in queue.page.url
    assert queue.faults == []


def test_blinded_photo_hides_the_models_scores(pages: Pages, logged_in: LogIn) -> None:
    judged_photo(pages.shop, "blind.jpg", photo(seed=1), kind="blind", score=0.9)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows("blind.jpg")
    expect(queue.page.locator("#reason")).to_have_text("No model hint on this one")
    expect(queue.page.locator("#score")).to_have_text("")
    queue.press("m")
    expect(queue.page.locator("#stage-note")).to_contain_text("hidden")
    queue.press("w")
    expect(queue.page.locator("#why-body")).to_contain_text("hidden")
    expect(queue.page.locator(".score")).to_have_count(0)
    queue.press("n")
    queue.saved()
    assert queue.faults == []


def test_problem_of_the_policy_file_is_shown_above_a_usable_queue(
    pages: Pages, logged_in: LogIn
) -> None:
    waiting(pages, 1)
    pages.store_policy()
    pages.shop.settings.policy_file.write_text("classes: [", encoding="utf-8")
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    problem = queue.page.get_by_role("alert")
    expect(problem).to_contain_text("policy.yaml, line 1")
    expect(problem).to_be_in_viewport(ratio=1)
    expect(queue.page.locator("#decide")).to_be_in_viewport(ratio=1)
    queue.press("v")
    queue.saved()
    assert labels(pages) == {"0.jpg": "violate"}
    assert queue.faults == []
