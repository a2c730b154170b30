"""The operations page in a real browser, with real nightly runs."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import BrowserContext, Page, expect

from ml.core.settings import Settings
from ml.core.window import Window
from tests.browser.faults import faults
from tests.support.nightly_run import run_nightly
from tests.support.pages import Pages
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.seeded_pages import reset_pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]

HOSTILE = "<img src=x onerror=alert(1)>'\"{{7*7}}.jpg"
RUN = "manual__2026-11-23T02:00:00+08:00"


@pytest.fixture
def emptied(pages: Pages) -> Pages:
    return reset_pages(pages)


@pytest.fixture
def nightly_run(emptied: Pages) -> Pages:
    """Two passed photos, one in review, two in quarantine, one of them with a hostile name."""
    shop = emptied.shop
    shop.upload("bright-1.jpg", photo(BRIGHT, seed=1))
    shop.upload("bright-2.jpg", photo(BRIGHT, seed=2))
    shop.upload("dark.jpg", photo(DARK, seed=3))
    shop.upload("broken.jpg", b"no photo")
    shop.upload(HOSTILE, b"")
    run_nightly(shop, RUN)
    return emptied


def open_page(pages: Pages, logged_in: LogIn, path: str = "/operations", **options: object) -> Page:
    page = logged_in("viewer", **options).new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    page.goto(f"{pages.url}{path}")
    page.wait_for_load_state("networkidle")
    assert troubles == []
    return page


def set_policy(settings: Settings, **reviewing: object) -> None:
    path: Path = settings.policy_file
    policy = yaml.safe_load(path.read_text(encoding="utf-8"))
    policy["reviewing"] |= reviewing
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")


def names(page: Page) -> list[str]:
    return page.locator(".tile .name").all_inner_texts()


def test_run_summary_numbers_link_to_the_photos(nightly_run: Pages, logged_in: LogIn) -> None:
    page = open_page(nightly_run, logged_in)
    account = page.locator("#account")
    expect(account).to_have_text(
        "5 found = 3 judged + 2 quarantined + 0 judged earlier ✓ every photo accounted for"
    )
    page.locator("#verdicts a", has_text="2").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Photos: 2")
    assert names(page) == ["bright-1.jpg", "bright-2.jpg"]
    page.go_back()
    page.locator("#verdicts a", has_text="1").click()
    page.wait_for_selector(".tile")
    assert names(page) == ["dark.jpg"]
    # The thumbnail of the photo is shown.
    size = page.locator(".tile img").evaluate(
        "async i => { await i.decode(); return i.naturalWidth }"
    )
    assert size == 64
    page.go_back()
    account.get_by_role("link", name="2").click()
    expect(page.locator(".quarantined tbody tr")).to_have_count(2)
    page.get_by_role("link", name="not an image").click()
    expect(page.locator(".quarantined tbody tr")).to_have_count(1)
    expect(page.locator(".quarantined tbody tr")).to_contain_text("broken.jpg")


def test_charts_are_drawn_from_the_runs_numbers(nightly_run: Pages, logged_in: LogIn) -> None:
    page = open_page(nightly_run, logged_in)
    charts = page.locator("[data-chart]")
    expect(charts).to_have_count(5)  # no drift and no leak yet
    drawn = charts.evaluate_all("all => all.map(e => e.querySelectorAll('.main-svg').length > 0)")
    assert drawn == [True] * 5
    heights = page.evaluate(
        "document.querySelector('[data-chart]').data.map(series => [series.name, series.y[0]])"
    )
    assert heights == [["pass", 2], ["review", 1], ["block", 0]]


def test_click_on_a_run_in_a_chart_opens_it(nightly_run: Pages, logged_in: LogIn) -> None:
    window = nightly_run.shop.window
    later = Window(window.end, window.end + timedelta(minutes=10))
    run_nightly(nightly_run.shop, "later", later)
    page = open_page(nightly_run, logged_in)
    expect(page.locator("#account")).to_contain_text("0 found")
    page.locator("[data-chart] .barlayer .point path").first.click(force=True)
    page.wait_for_url("**/operations?run=manual__2026-11-23T02%3A00%3A00%2B08%3A00")
    expect(page.locator("#account")).to_contain_text("5 found")
    expect(page.locator("code.copied")).to_contain_text("manual__2026-11-23T02%3A00%3A00%2B08%3A00")


def test_review_rate_warning_is_shown_only_outside_of_the_band(
    nightly_run: Pages, logged_in: LogIn
) -> None:
    page = open_page(nightly_run, logged_in)  # one of three is for review
    expect(page.locator(".alert")).to_have_count(0)
    set_policy(nightly_run.shop.settings, review_rate_alert=[0.0, 0.2])
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("33.3 % of the verdicts wait for review")
    expect(page.get_by_role("alert")).to_contain_text("0 % to 20 %")


def open_alerts(pages: Pages) -> None:
    """One delivered alert, and one with a hostile error that is not delivered yet."""
    pages.shop.execute(
        "insert into moderation.alert (kind, dedup_key, details, raised_at, notified_at) values "
        "('queue_age', 'queue', :waiting, '2026-11-24T01:00+00', '2026-11-24T01:01+00'), "
        "('run_failed', 'r', :failed, '2026-11-24T02:00+00', null)",
        waiting='{"waiting": 120, "hours": 31.0, "limit": 24.0}',
        failed=json.dumps(
            {"dag_id": "audit_review_images", "run_id": RUN, "task_id": "judge", "error": HOSTILE}
        ),
    )


@pytest.mark.parametrize(
    ("locale", "waiting"),
    [
        ("en", "The oldest of 120 pending photos has waited 31 hours; the limit is 24 hours."),
        ("zh-CN", "120 张待审图片中，最久的已等待 31 小时，上限 24 小时。"),
    ],
)
def test_active_alerts_are_shown_first_in_the_users_language(
    nightly_run: Pages, logged_in: LogIn, locale: str, waiting: str
) -> None:
    open_alerts(nightly_run)
    page = open_page(nightly_run, logged_in, locale=locale)
    card = page.locator("section[aria-labelledby=alerts]")
    expect(card).to_contain_text(waiting)
    expect(card).to_contain_text(HOSTILE)  # as text
    assert page.locator("main img[src=x]").count() == 0
    boxes = [found.bounding_box() for found in (card, page.locator("#account"))]
    top, below = (box["y"] for box in boxes if box is not None)
    assert top < below
    nightly_run.shop.execute("update moderation.alert set resolved_at = now()")
    page.reload()
    expect(card).to_have_count(0)


def test_hostile_names_and_details_are_html_escaped(nightly_run: Pages, logged_in: LogIn) -> None:
    nightly_run.shop.execute(
        "update moderation.quarantine set detail = :d where reason = 'empty'",
        d="</td><script>alert(2)</script>",
    )
    page = open_page(nightly_run, logged_in)
    page.locator("#quarantine a", has_text="onerror").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    expect(page.locator("main")).to_contain_text("</td><script>alert(2)</script>")
    assert page.locator("main script, main img").count() == 0
    listed = open_page(nightly_run, logged_in, f"/operations/photos?run={RUN.replace('+', '%2B')}")
    expect(listed.locator(".quarantined")).to_contain_text("</td><script>alert(2)</script>")
    assert listed.locator("img[src=x]").count() == 0


def test_photo_list_is_paginated(emptied: Pages, logged_in: LogIn) -> None:
    for i in range(63):
        emptied.shop.upload(f"{i:02}.jpg", photo(BRIGHT, seed=i, size=(32, 32)))
    run_nightly(emptied.shop)
    page = open_page(emptied, logged_in, "/operations/photos?run=night")
    first = names(page)
    page.get_by_role("link", name="Next page").click()
    expect(page.locator(".tile")).to_have_count(3)
    assert first + names(page) == [f"{i:02}.jpg" for i in range(63)]
    expect(page.get_by_role("link", name="Next page")).to_have_count(0)
    page.get_by_role("link", name="First page").click()
    expect(page.locator(".tile")).to_have_count(60)


def test_blurred_photo_is_shown_on_request(nightly_run: Pages, logged_in: LogIn) -> None:
    path = nightly_run.shop.settings.policy_file
    path.write_text(path.read_text("utf-8").replace("blur: false", "blur: true"), "utf-8")
    page = open_page(nightly_run, logged_in, "/operations/photos?run=" + RUN.replace("+", "%2B"))
    dark = page.get_by_alt_text("dark.jpg")
    expect(dark).to_have_css("filter", "blur(18px)")
    expect(page.get_by_alt_text("bright-1.jpg")).to_have_css("filter", "none")
    page.get_by_role("button", name="Show blurred photos").click()
    expect(dark).to_have_css("filter", "none")


def test_photo_with_missing_bytes_shows_its_name(nightly_run: Pages, logged_in: LogIn) -> None:
    key = f"{nightly_run.shop.settings.photo_prefix}dark.jpg"
    nightly_run.shop.connections.photos.delete(key)
    page = open_page(nightly_run, logged_in, f"/operations/photo?key={key}")
    expect(page.locator(".picture.missing")).to_have_text("dark.jpg")
    expect(page.locator("main")).to_contain_text("likely Violation")


def test_operations_page_is_shown_in_chinese(nightly_run: Pages, logged_in: LogIn) -> None:
    page = open_page(nightly_run, logged_in, locale="zh-CN")
    expect(page.locator("#account")).to_have_text(
        "5 发现 = 3 已判定 + 2 已隔离 + 0 此前已判定 ✓ 数量一致，无遗漏"
    )
    expect(page.locator("#quarantine")).to_contain_text("空文件")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 390])
def test_operations_page_passes_axe_and_fits_the_screen(
    nightly_run: Pages, logged_in: LogIn, scheme: str, width: int
) -> None:
    key = f"{nightly_run.shop.settings.photo_prefix}dark.jpg"
    run = RUN.replace("+", "%2B")
    for path in (
        "/operations",
        f"/operations/photos?run={run}",
        f"/operations/photo?key={key}",
        "/operations?run=nope",
    ):
        page = open_page(
            nightly_run,
            logged_in,
            path,
            color_scheme=scheme,
            viewport={"width": width, "height": 900},
        )
        assert faults(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_operations_page_opens_inside_airflow(nightly_run: Pages, logged_in: LogIn) -> None:
    page = logged_in("viewer").new_page()
    page.goto(f"{nightly_run.airflow.url}/plugin/moderation_operations")
    framed = page.frame_locator("iframe")
    expect(framed.locator("#account")).to_contain_text("5 found = 3 judged")
    framed.locator("#account").get_by_role("link", name="2").click()
    expect(framed.locator(".quarantined tbody tr")).to_have_count(2)
