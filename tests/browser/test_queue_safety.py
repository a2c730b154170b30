"""Text of users and photos is HTML-escaped on the queue page."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.queue_page import open_queue
from tests.support.pages import Pages
from tests.support.photos import photo
from tests.support.review_tasks import judged_photo

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]

_IMAGE = "<img src=x onerror=\"alert('key')\">"
_SCRIPT = "</script><script>alert('text')</script>"


def test_markup_in_photo_data_is_html_escaped(pages: Pages, logged_in: LogIn) -> None:
    name = f"{_IMAGE}.jpg"
    screens = {
        "text": {
            "fired": True,
            "reason": f"contact:{_SCRIPT}",
            "value": 0.2,
            "evidence": {"lines": [{"text": _SCRIPT, "box": [[1, 1], [40, 1], [40, 9], [1, 9]]}]},
        },
        _IMAGE: {"fired": True, "reason": _IMAGE, "value": None, "evidence": {"text": _IMAGE}},
    }
    judged_photo(
        pages.shop, name, photo(seed=1), reasons=["violation:violate", _SCRIPT], screens=screens
    )
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows(name)
    expect(queue.page.locator("#facts")).to_contain_text(name)
    expect(queue.page.locator("#reason")).to_contain_text(_SCRIPT)
    queue.press("c")
    queue.page.keyboard.type(_SCRIPT)
    queue.page.keyboard.press("Enter")
    queue.press("w")
    expect(queue.page.locator(".screens")).to_contain_text(_SCRIPT)
    expect(queue.page.locator(".screens")).to_contain_text(_IMAGE)
    expect(queue.page.locator("#frame polygon")).to_have_count(1)
    queue.press("v")
    queue.saved()
    queue.press("u")
    expect(queue.notices().last).to_contain_text(name)
    queue.shows(name)
    queue.press("g")
    expect(queue.page.locator(".tile")).to_have_attribute("title", name)
    queue.press("g")
    expect(queue.page.locator(".history")).to_contain_text(_SCRIPT)
    assert queue.page.locator("img[src=x]").count() == 0
    assert queue.faults == []


def test_link_with_markup_is_html_escaped(pages: Pages, logged_in: LogIn) -> None:
    queue = open_queue(
        logged_in("reviewer"), pages, "?reason=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E"
    )
    expect(queue.page.locator("#nothing-text")).to_contain_text("matches your filter")
    queue.page.get_by_role("button", name="Filter (1)").click()
    expect(queue.page.get_by_label("Reason")).to_have_value("<img src=x onerror=alert(1)>")
    assert queue.faults == []


def test_evidence_of_any_type_is_displayed(pages: Pages, logged_in: LogIn) -> None:
    forms = [None, 7, "text", [], [[1, 2]], {"box": "here"}, {"box": [1, 2, 30, 40]}, [[{}]]]
    screens = {
        f"screen{n}": {"fired": True, "reason": None, "value": None, "evidence": form}
        for n, form in enumerate(forms)
    }
    judged_photo(pages.shop, "odd.jpg", photo(seed=1), screens=screens)
    queue = open_queue(logged_in("reviewer"), pages)
    queue.shows("odd.jpg")
    queue.press("w")
    expect(queue.page.locator(".screens li")).to_have_count(len(forms))
    expect(queue.page.locator("#frame polygon")).to_have_count(1)
    assert queue.faults == []
