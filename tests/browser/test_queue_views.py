"""An animated photo in the queue: all judged frames at once, and *Why?* names the worst."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.screens.views import describe_views
from tests.browser.faults import faults
from tests.browser.queue_page import open_queue
from tests.support import views
from tests.support.pages import Pages
from tests.support.review_tasks import judged_photo

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]


def _waiting(pages: Pages, name: str, data: bytes, **worst: int) -> int:
    """A judged photo whose worst view is the one with this frame or part; returns its number."""
    photo = decode(data, limits=DecodeLimits(), all_views=True)
    number = next(i for i, v in enumerate(photo.views) if worst.items() <= v.to_json().items())
    found = describe_views(photo)
    assert found is not None
    stored = found.to_json()
    stored["evidence"] = found.evidence | {"worst": number}
    reasons = (found.reason or "violation:violate",)
    judged_photo(pages.shop, name, data, screens={"views": stored}, reasons=reasons)
    return number + 1


def test_frames_are_shown_and_the_worst_is_named(pages: Pages, logged_in: LogIn) -> None:
    number = _waiting(pages, "moving.gif", views.with_dark_frame("GIF", at=7), frame=7)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows("moving.gif")
    shape = queue.photo.evaluate("i => [i.naturalWidth, i.naturalHeight]")
    assert shape == [3 * 64 + 8, 2 * 48 + 4]
    box = queue.photo.bounding_box()
    assert box is not None
    assert box["width"] / box["height"] == pytest.approx(shape[0] / shape[1], rel=0.05)
    queue.press("w")
    told = queue.page.locator("#why-body .screens")
    expect(told).to_contain_text("6 judged, numbered as in the picture")
    expect(told).to_contain_text(f"the worst is number {number} · frame 8 of 12")
    assert faults(queue.page) == []
    queue.press("m")
    expect(queue.page.locator("#frame .map")).to_be_visible()
    queue.page.click("#language")
    queue.shows("moving.gif")
    queue.press("w")
    expect(queue.page.locator("#why-body .screens")).to_contain_text(f"最可疑的是 {number} 号")
    assert queue.faults == []


def test_reason_of_a_photo_that_was_not_judged_wholly_is_in_words(
    pages: Pages, logged_in: LogIn
) -> None:
    _waiting(pages, "strip.png", views.long_strip(), part=2)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows("strip.png")
    expect(queue.page.locator("#reason")).to_have_text("Very long and narrow: look closely")
    queue.press("w")
    expect(queue.page.locator("#why-body .screens")).to_contain_text("part 3")
    assert faults(queue.page) == []
