"""The models pages in a real browser: owners switch the champion, everybody else looks."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.faults import faults
from tests.support.measured import RUN, measured_candidate
from tests.support.pages import Pages
from tests.support.versions import add_row, add_version, gated

pytestmark = [pytest.mark.integration, pytest.mark.airflow, pytest.mark.browser]
LogIn = Callable[..., BrowserContext]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SCRIPT = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"


def _open(context: BrowserContext, pages: Pages, path: str = "/models") -> Page:
    page = context.new_page()
    page.goto(f"{pages.url}{path}")
    return page


def _confirm(page: Page, reason: str) -> None:
    dialog = page.locator("#switch")
    expect(dialog).to_be_visible()
    dialog.locator("textarea").fill(reason)
    dialog.locator("#switch-yes").click()


def _champion(pages: Pages) -> object:
    return pages.shop.rows("select model_hash from moderation.champion")[0][0]


def _did(pages: Pages) -> list[tuple[object, ...]]:
    return pages.shop.rows(
        "select who, what, detail ->> 'reason' from moderation.activity order by activity_id"
    )


def test_an_owner_promotes_a_version_and_rolls_back(
    pages: Pages, logged_in: LogIn, tmp_path: Path
) -> None:
    first, second = pages.shop.model_hash, add_version(pages.shop, tmp_path / "second")
    page = _open(logged_in("owner"), pages)
    page.locator(f'[data-switch="promote"][data-hash="{second}"]').click()
    _confirm(page, "better on QR codes")
    # The first switch of a server's life loads torch.
    done = f"The champion is {second[:12]} now."
    expect(page.locator("#notices")).to_contain_text(done, timeout=60_000)
    expect(page.locator("#models")).to_have_attribute("data-champion", second)
    assert _champion(pages) == second
    # The first champion of these tests has no history: as if it had been promoted long ago.
    pages.shop.execute(
        "insert into moderation.promotion (model_hash, promoted_by, reason, promoted_at) "
        "values (:h, 'test', 'test', now())",
        h=first,
    )
    pages.shop.execute(
        "insert into moderation.promotion (model_hash, previous_hash, promoted_by, reason) "
        "values (:s, :h, 'test', 'again')",
        h=first,
        s=second,
    )
    page.reload()
    page.locator('[data-switch="previous"]').click()
    _confirm(page, "passes too much")
    expect(page.locator("#models")).to_have_attribute("data-champion", first, timeout=60_000)
    expect(page.locator(".timeline li").first).to_contain_text("passes too much")
    assert _champion(pages) == first
    assert _did(pages) == [
        ("owner", "promote", "better on QR codes"),
        ("owner", "rollback", "passes too much"),
    ]


def test_without_a_reason_or_on_second_thoughts_nothing_is_switched(
    pages: Pages, logged_in: LogIn, tmp_path: Path
) -> None:
    add_version(pages.shop, tmp_path / "second")
    page = _open(logged_in("owner"), pages)
    button = page.locator('[data-switch="promote"]')
    button.click()
    page.locator("#switch-yes").click()
    expect(page.locator("#switch")).to_be_visible()  # the reason is asked for
    page.locator('#switch button[value="cancel"]').click()
    expect(page.locator("#switch")).to_be_hidden()
    button.click()
    _confirm(page, "   ")
    expect(page.locator(".notice.bad")).to_contain_text("Something in the request is wrong.")
    assert _did(pages) == []


def test_a_page_that_shows_an_older_champion_switches_nothing(
    pages: Pages, logged_in: LogIn, tmp_path: Path
) -> None:
    second = add_version(pages.shop, tmp_path / "second")
    third = add_version(pages.shop, tmp_path / "third", seed=3)
    page = _open(logged_in("owner"), pages)
    pages.shop.execute("update moderation.champion set model_hash = :h", h=third)
    page.locator(f'[data-switch="promote"][data-hash="{second}"]').click()
    _confirm(page, "better")
    refusal = "Another switch came first."
    expect(page.locator(".notice.bad")).to_contain_text(refusal, timeout=60_000)
    assert _champion(pages) == third


def test_only_owners_have_buttons_and_held_versions_none(pages: Pages, logged_in: LogIn) -> None:
    held = add_row(pages.shop, "d")
    gated(pages.shop, held, held_by="recall_floor:violate")
    for account in ("viewer", "reviewer"):
        page = _open(logged_in(account), pages)
        expect(page.locator(".timeline, .versions").first).to_be_visible()
        expect(page.locator("[data-switch], [data-answer], dialog")).to_have_count(0)
    page = _open(logged_in("owner"), pages)
    row = page.locator(f'tr[data-version="{held}"]')
    expect(row).to_contain_text("Held by: Least recall · Violation")
    expect(row.locator("button")).to_have_count(0)


def test_what_people_wrote_stays_text(pages: Pages, logged_in: LogIn) -> None:
    pages.shop.execute(
        "insert into moderation.promotion (model_hash, promoted_by, reason) values (:h, :s, :s)",
        h=pages.shop.model_hash,
        s=SCRIPT,
    )
    version = add_row(pages.shop, "e")
    gated(pages.shop, version, held_by=SCRIPT)
    page = _open(logged_in("owner"), pages)
    expect(page.locator(".timeline li").first).to_contain_text("<script>")
    expect(page).to_have_title(re.compile("Models"))
    expect(page.locator("main img")).to_have_count(0)


def test_a_run_that_airflow_does_not_know_is_said_plainly(
    pages: Pages, logged_in: LogIn, tmp_path: Path
) -> None:
    candidate = measured_candidate(pages.shop, tmp_path)
    gated(pages.shop, candidate)
    page = _open(logged_in("owner"), pages)
    asked = []
    page.on("request", lambda r: asked.append((r.method, r.url, r.post_data)))
    for option, said in (("Approve", "goes on"), ("Reject", "champion stays")):
        page.locator(f'[data-answer="{option}"]').click()
        expect(page.locator("#switch-says")).to_contain_text(said)
        page.locator("#switch-yes").click()
        expect(page.locator(".notice.bad")).to_contain_text("no open question for this run")
        page.locator(".notice.bad button").click()
        expect(page.locator(".notice")).to_have_count(0)
    run = RUN.replace(":", "%3A").replace("+", "%2B")
    path = f"/api/v2/dags/retrain_model/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    assert asked == [
        ("PATCH", f"{pages.airflow.url}{path}", f'{{"chosen_options":["{o}"],"params_input":{{}}}}')
        for o in ("Approve", "Reject")
    ]


def test_a_measured_version_shows_its_plots_and_differing_photos(
    pages: Pages, logged_in: LogIn, tmp_path: Path
) -> None:
    candidate = measured_candidate(pages.shop, tmp_path)
    page = _open(logged_in("viewer"), pages, f"/models/{candidate}")
    expect(page.locator(".plots img")).to_have_count(7)
    _all_loaded(page, ".plots img")
    page.get_by_role("link", name="Beside").click()
    expect(page.locator(".differing img")).to_have_count(8)
    _all_loaded(page, ".differing img")
    expect(page.locator(".differing li").first).to_contain_text("Violation")


def _all_loaded(page: Page, selector: str) -> None:
    for image in page.locator(selector).all():
        image.scroll_into_view_if_needed()
        expect(image).not_to_have_js_property("naturalWidth", 0)


@pytest.mark.parametrize(
    "options",
    [{"color_scheme": "light"}, {"color_scheme": "dark", "locale": "zh-CN"} | PHONE],
    ids=["light", "dark-phone"],
)
def test_axe_finds_nothing_serious_and_nothing_runs_over(
    pages: Pages, logged_in: LogIn, tmp_path: Path, options: dict[str, object]
) -> None:
    candidate = measured_candidate(pages.shop, tmp_path)
    gated(pages.shop, candidate)
    gated(pages.shop, add_row(pages.shop, "d"), held_by="recall_floor:violate")
    page = logged_in("owner", **options).new_page()
    other = f"/models/{candidate}/versus/{pages.shop.model_hash}"
    for path in ("/models", f"/models/{candidate}", other):
        page.goto(f"{pages.url}{path}")
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.goto(f"{pages.url}/models")
    page.locator('[data-answer="Approve"]').click()
    assert faults(page) == []
