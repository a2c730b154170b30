"""Language, phones, display settings, and accessibility of the review queue."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.faults import faults
from tests.browser.queue_page import labels, open_queue, waiting
from tests.support.pages import Pages
from tests.support.photos import photo
from tests.support.review_tasks import judged_photo

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def _no_sideways_scroll(page: Page) -> None:
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(width) <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_queue_page_passes_axe(pages: Pages, logged_in: LogIn, theme: str) -> None:
    waiting(pages, 8)
    queue = open_queue(logged_in("reviewer", color_scheme=theme), pages)
    page = queue.page
    queue.shows(" 0.jpg")
    expect(page.locator("html")).to_have_attribute("data-theme", theme)
    queue.press("w")
    expect(page.locator(".score")).to_have_count(2)
    found = faults(page)
    for opener in ("#open-keys", "#open-filters", "#open-display"):
        page.locator(opener).click()
        found += faults(page)
        page.keyboard.press("Escape")
    queue.press("g")
    expect(page.locator(".tile img")).to_have_count(8)
    page.locator(".tile").first.click()
    found += faults(page)
    page.keyboard.press("Enter")
    expect(page.locator("#nothing-title")).to_have_text("All done")
    found += faults(page)
    assert found == []


def test_raised_and_failed_signals_are_named_in_both_languages(
    pages: Pages, logged_in: LogIn
) -> None:
    reasons = ["signal:nudity:nsfw", "screen_failed:signal:arms"]
    screens = {
        "signal:nudity": {"fired": True, "value": 0.97, "reason": reasons[0]},
        "signal:arms": {"fired": None, "value": None, "reason": "failed"},
        "sharpness": {"fired": False, "value": 120.5},
    }
    judged_photo(pages.shop, "0.jpg", photo(), reasons=reasons, screens=screens, score=0.02)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    expect(queue.page.locator("#reason")).to_contain_text("Raised by another model: nudity:nsfw")
    queue.press("w")
    expect(queue.page.locator("#why-body")).to_contain_text("Other model: arms")
    expect(queue.page.locator("#why-body")).to_contain_text("OK: Sharpness")
    queue.page.click("#language")
    expect(queue.page.locator("#reason")).to_contain_text("外部模型标记：nudity:nsfw")
    queue.press("w")
    expect(queue.page.locator("#why-body")).to_contain_text("外部模型：arms")
    assert queue.faults == []


def test_language_switch_changes_page_and_photo_texts(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 1)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    expect(queue.page.locator("#reason")).to_have_text("Likely Violation")
    expect(queue.page.locator("#guidance-text")).to_contain_text("QR codes")
    queue.page.click("#language")
    expect(queue.page.locator("#reason")).to_have_text("疑似违规")
    expect(queue.page.locator("#guidance-text")).to_contain_text("引流二维码")
    queue.shows(" 0.jpg")
    queue.page.get_by_role("button", name="违规").click()
    expect(queue.page.locator("#nothing-title")).to_have_text("全部审完")
    queue.saved()
    assert labels(pages) == {"0.jpg": "violate"}


def test_phone_layout_allows_decisions_without_horizontal_scrolling(
    pages: Pages, logged_in: LogIn
) -> None:
    waiting(pages, 3)
    queue = open_queue(logged_in("reviewer", **PHONE), pages)
    page = queue.page
    queue.shows(" 0.jpg")
    _no_sideways_scroll(page)
    button = page.locator("[data-label=violate]")
    box = button.bounding_box()
    assert box is not None
    assert box["y"] > 844 / 2
    assert box["height"] >= 44
    button.tap()
    queue.shows(" 1.jpg")
    page.locator("#open-why").tap()
    expect(page.locator(".score")).to_have_count(2)
    _no_sideways_scroll(page)
    page.locator("[data-label=normal]").tap()
    queue.shows(" 2.jpg")
    page.locator("#switch-view").tap()
    expect(page.locator(".tile img")).to_have_count(1)
    _no_sideways_scroll(page)
    queue.saved()
    assert labels(pages) == {"0.jpg": "violate", "1.jpg": "normal"}
    assert queue.faults == []


def test_display_settings_are_saved_per_reviewer(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 8)
    queue = open_queue(logged_in("reviewer"), pages)
    page = queue.page
    queue.shows(" 0.jpg")
    expect(page.locator("#frame")).not_to_contain_class("blurred")
    page.locator("#open-display").click()
    page.get_by_label("Blur photos").select_option("Always")
    page.get_by_label("Grayscale").check()
    with page.expect_response(lambda r: '"batch":6' in (r.request.post_data or "")):
        page.get_by_label("Photos in the grid").select_option("6")
    again = open_queue(logged_in("reviewer"), pages)
    expect(again.page.locator("#frame")).to_contain_class("blurred grey")
    again.shows(" 0.jpg")
    blur = "getComputedStyle(document.querySelector('#frame img')).filter"
    assert again.page.evaluate(blur) == "blur(28px) grayscale(1)"
    again.press("b")
    expect(again.page.locator("#frame")).not_to_contain_class("blurred")
    again.press("n")
    expect(again.page.locator("#frame")).to_contain_class("blurred grey")
    again.press("g")
    expect(again.page.locator(".tile")).to_have_count(6)


def test_unreadable_display_settings_blur_photos(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 1)
    context = logged_in("reviewer")
    context.route("**/api/preferences", lambda route: route.abort())
    queue = open_queue(context, pages)
    expect(queue.page.locator("#frame")).to_have_class("blurred")
    expect(queue.notices()).to_contain_text("Photos are blurred to be safe")


def test_tab_key_reaches_every_control(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 2)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    controls = "#queue :is(button, input, select, summary):not(dialog *)"
    wanted = queue.page.evaluate(
        f"[...document.querySelectorAll('{controls}')]"
        ".filter((e) => e.checkVisibility()).map((e, i) => (e.dataset.stop = i))"
    )
    reached = set()
    for _ in range(3 * len(wanted)):
        queue.page.keyboard.press("Tab")
        reached.add(queue.page.evaluate("document.activeElement.dataset.stop ?? null"))
    assert {str(n) for n in wanted} <= reached


def test_new_photo_is_announced_to_screen_readers(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 2)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    spoken = queue.page.locator("#spoken[aria-live=polite]")
    expect(spoken).to_have_text("Photo 0.jpg. Likely Violation.")
    queue.press("n")
    expect(spoken).to_have_text("Photo 1.jpg. Likely Violation.")


def test_zoom_pans_by_arrow_keys_and_resets(pages: Pages, logged_in: LogIn) -> None:
    waiting(pages, 1)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(" 0.jpg")
    frame = queue.page.locator("#frame")
    fitted = frame.bounding_box()
    queue.press("z")
    larger = frame.bounding_box()
    queue.press("z")
    assert fitted is not None
    assert larger is not None
    assert larger["width"] > fitted["width"]
    assert frame.bounding_box() == fitted
