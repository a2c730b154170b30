"""The reviewers page in a real browser."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import BrowserContext, expect

from ml.storage.activity_log import record
from ml.storage.database import in_transaction
from ml.storage.labels import NewLabel, add_labels
from tests.browser.faults import faults
from tests.support.pages import Pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SCRIPT = "<img src=x onerror=\"document.title='broken'\">"


def _worked(pages: Pages) -> None:
    """Two reviewers decide twelve photos and disagree on two; one of them writes a note."""
    at = datetime.now(UTC) - timedelta(days=1)
    names = [("ann", lambda _: "violate"), (SCRIPT, lambda i: "normal" if i < 2 else "violate")]
    labels = [
        NewLabel(f"{i:064x}", said(i), name, "uncertain", at) for name, said in names
        for i in range(12)
    ]  # fmt: skip
    engine = pages.shop.connections.engine
    in_transaction(engine, lambda c: add_labels(c, labels))
    for name, _ in names:
        said = {"label": "violate", "note": SCRIPT}
        in_transaction(
            engine, lambda c, n=name, s=said: record(c, actor=n, action="decide", target="x", **s)
        )


@pytest.mark.parametrize(
    "options",
    [{"color_scheme": "light"}, {"color_scheme": "dark", "locale": "zh-CN"} | PHONE],
    ids=["light", "dark-phone"],
)
def test_reviewers_page_passes_axe_and_fits_the_screen(
    pages: Pages, logged_in: LogIn, options: dict[str, object]
) -> None:
    _worked(pages)
    page = logged_in("owner", **options).new_page()
    for path in ("/reviewers", "/reviewers/activity"):
        page.goto(f"{pages.url}{path}")
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_names_and_notes_on_the_reviewers_page_are_html_escaped(
    pages: Pages, logged_in: LogIn
) -> None:
    _worked(pages)
    page = logged_in("owner").new_page()
    page.goto(f"{pages.url}/reviewers")
    expect(page.locator("#work .js-plotly-plot, [data-chart] .main-svg").first).to_be_visible()
    expect(page.locator("#agreement")).to_contain_text("<img")
    expect(page.locator(".log")).to_contain_text("note <img")
    expect(page.locator("[data-chart] .legendtext", has_text="<img")).to_have_count(1)
    expect(page.locator("main img")).to_have_count(0)
    expect(page).to_have_title("Reviewers · Photo moderation")


def test_activity_log_is_filtered_by_reviewer(pages: Pages, logged_in: LogIn) -> None:
    _worked(pages)
    page = logged_in("owner").new_page()
    page.goto(f"{pages.url}/reviewers")
    page.get_by_role("link", name="Full log").click()
    expect(page.locator(".log tbody tr")).to_have_count(2)
    page.get_by_label("Filter by user").get_by_role("link", name="<img").click()
    expect(page.locator(".log tbody tr")).to_have_count(1)
    expect(page.locator(".log tbody")).to_contain_text(SCRIPT)
