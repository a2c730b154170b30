"""The models pages in a real browser: owners promote and roll back, others only view."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.faults import faults
from tests.support.measured_candidate import RUN, MeasuredCandidate
from tests.support.pages import Pages
from tests.support.versions import (
    add_int8_rows,
    add_version,
    add_version_row,
    set_gate_decision,
)

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
        "select actor, action, detail ->> 'reason' from moderation.activity order by activity_id"
    )


def test_owner_promotes_a_version_and_rolls_back(
    pages: Pages, logged_in: LogIn, tmp_path: Path
) -> None:
    first, second = pages.shop.model_hash, add_version(pages.shop, tmp_path / "second")
    page = _open(logged_in("owner"), pages)
    page.locator(f'[data-switch="promote"][data-hash="{second}"]').click()
    _confirm(page, "better on QR codes")
    # The first switch of a server's life loads torch.
    done = f"{second[:12]} is the champion now."
    expect(page.locator("#notices")).to_contain_text(done, timeout=60_000)
    expect(page.locator("#models")).to_have_attribute("data-champion", second)
    assert _champion(pages) == second
    # The first champion has no promotion in the history: add one long ago.
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


def test_promotion_needs_a_reason_and_a_confirmation(
    pages: Pages, logged_in: LogIn, tmp_path: Path
) -> None:
    add_version(pages.shop, tmp_path / "second")
    page = _open(logged_in("owner"), pages)
    button = page.locator('[data-switch="promote"]')
    button.click()
    page.locator("#switch-yes").click()
    expect(page.locator("#switch")).to_be_visible()  # the dialog asks for the reason
    page.locator('#switch button[value="cancel"]').click()
    expect(page.locator("#switch")).to_be_hidden()
    button.click()
    _confirm(page, "   ")
    expect(page.locator(".notice.bad")).to_contain_text("The request is invalid.")
    assert _did(pages) == []


def test_promotion_from_an_outdated_page_is_rejected(
    pages: Pages, logged_in: LogIn, tmp_path: Path
) -> None:
    second = add_version(pages.shop, tmp_path / "second")
    third = add_version(pages.shop, tmp_path / "third", seed=3)
    page = _open(logged_in("owner"), pages)
    pages.shop.execute("update moderation.champion set model_hash = :h", h=third)
    page.locator(f'[data-switch="promote"][data-hash="{second}"]').click()
    _confirm(page, "better")
    refusal = "Someone else promoted or rolled back a model first."
    expect(page.locator(".notice.bad")).to_contain_text(refusal, timeout=60_000)
    assert _champion(pages) == third


def test_only_owners_see_buttons_and_held_versions_have_none(
    pages: Pages, logged_in: LogIn
) -> None:
    held = add_version_row(pages.shop, "d")
    set_gate_decision(pages.shop, held, held_by="recall_floor:violate")
    for account in ("viewer", "reviewer"):
        page = _open(logged_in(account), pages)
        expect(page.locator(".timeline, .versions").first).to_be_visible()
        expect(page.locator("[data-switch], [data-answer], dialog")).to_have_count(0)
    page = _open(logged_in("owner"), pages)
    row = page.locator(f'tr[data-version="{held}"]')
    expect(row).to_contain_text("Failed release checks: Minimum recall · Violation")
    expect(row.locator("button")).to_have_count(0)


def test_user_text_is_html_escaped(pages: Pages, logged_in: LogIn) -> None:
    pages.shop.execute(
        "insert into moderation.promotion (model_hash, promoted_by, reason) values (:h, :s, :s)",
        h=pages.shop.model_hash,
        s=SCRIPT,
    )
    version = add_version_row(pages.shop, "e")
    set_gate_decision(pages.shop, version, held_by=SCRIPT)
    page = _open(logged_in("owner"), pages)
    expect(page.locator(".timeline li").first).to_contain_text("<script>")
    expect(page).to_have_title(re.compile("Models"))
    expect(page.locator("main img")).to_have_count(0)


def test_run_unknown_to_airflow_is_shown_as_unknown(
    pages: Pages, logged_in: LogIn, measured_candidate: MeasuredCandidate
) -> None:
    candidate = measured_candidate.add_to(pages.shop)
    set_gate_decision(pages.shop, candidate)
    page = _open(logged_in("owner"), pages)
    asked = []
    page.on("request", lambda r: asked.append((r.method, r.url, r.post_data)))
    for option, said in (("Approve", "continues"), ("Reject", "champion stays")):
        page.locator(f'[data-answer="{option}"]').click()
        expect(page.locator("#switch-says")).to_contain_text(said)
        page.locator("#switch-yes").click()
        expect(page.locator(".notice.bad")).to_contain_text("no open approval for this run")
        page.locator(".notice.bad button").click()
        expect(page.locator(".notice")).to_have_count(0)
    run = RUN.replace(":", "%3A").replace("+", "%2B")
    path = f"/api/v2/dags/retrain_model/dagRuns/{run}/taskInstances/approve/-1/hitlDetails"
    assert asked == [
        ("PATCH", f"{pages.airflow.url}{path}", f'{{"chosen_options":["{o}"],"params_input":{{}}}}')
        for o in ("Approve", "Reject")
    ]


def test_evaluated_version_shows_plots_and_differing_photos(
    pages: Pages, logged_in: LogIn, measured_candidate: MeasuredCandidate
) -> None:
    candidate = measured_candidate.add_to(pages.shop)
    page = _open(logged_in("viewer"), pages, f"/models/{candidate}")
    expect(page.locator(".plots img")).to_have_count(7)
    _all_loaded(page, ".plots img")
    page.get_by_role("link", name="Compare with champion").click()
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
def test_models_page_passes_axe_and_fits_the_screen(
    pages: Pages,
    logged_in: LogIn,
    measured_candidate: MeasuredCandidate,
    options: dict[str, object],
) -> None:
    candidate = measured_candidate.add_to(pages.shop)
    set_gate_decision(pages.shop, candidate)
    set_gate_decision(pages.shop, add_version_row(pages.shop, "d"), held_by="recall_floor:violate")
    page = logged_in("owner", **options).new_page()
    other = f"/models/{candidate}/versus/{pages.shop.model_hash}"
    versions = [f"/models/{version}" for version in (candidate, *add_int8_rows(pages.shop))]
    for path in ("/models", *versions, other):
        page.goto(f"{pages.url}{path}")
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.goto(f"{pages.url}/models")
    page.locator('[data-answer="Approve"]').click()
    assert faults(page) == []
