"""The models pages as they are served."""

import pytest

from tests.support.measured_candidate import MeasuredCandidate
from tests.support.pages import Pages
from tests.support.versions import (
    INT8_VARIANT,
    add_int8_rows,
    add_version_row,
    set_gate_decision,
)

pytestmark = [pytest.mark.integration, pytest.mark.airflow]


def _get(pages: Pages, path: str, language: str = "en") -> tuple[int, str]:
    with pages.client("viewer") as client:
        answer = client.get(path, headers={"Accept-Language": language})
    return answer.status_code, answer.text


def test_only_plots_listed_in_the_report_are_served(
    pages: Pages, measured_candidate: MeasuredCandidate
) -> None:
    candidate = measured_candidate.add_to(pages.shop)
    with pages.client("viewer") as client:
        plot = client.get(f"/models/{candidate}/plots/trade_off")
        unlisted = client.get(f"/models/{candidate}/plots/training")
        outside = client.get(f"/models/{candidate}/plots/..%2Freport.html")
        unmeasured = client.get(f"/models/{pages.shop.model_hash}/plots/trade_off")
    assert plot.headers["content-type"] == "image/png"
    assert plot.content.startswith(b"\x89PNG")
    assert unlisted.status_code == unmeasured.status_code == 404
    assert outside.status_code in (404, 422)


def test_missing_plot_is_404(pages: Pages, measured_candidate: MeasuredCandidate) -> None:
    candidate = measured_candidate.add_to(pages.shop)
    pages.shop.execute(
        "update moderation.model_version set evaluation = jsonb_set(evaluation, '{plots}', "
        "'[\"never_drawn\"]') where model_hash = :h",
        h=candidate,
    )
    assert _get(pages, f"/models/{candidate}/plots/never_drawn")[0] == 404


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_models_page_is_shown_in_both_languages(
    pages: Pages, measured_candidate: MeasuredCandidate, language: str
) -> None:
    candidate = measured_candidate.add_to(pages.shop)
    set_gate_decision(pages.shop, candidate)
    champion = pages.shop.model_hash
    for path in ("", f"/{candidate}", f"/{champion}", f"/{candidate}/versus/{champion}"):
        status, page = _get(pages, f"/models{path}", language)
        assert status == 200
        assert candidate[:12] in page or path == f"/{champion}"


@pytest.mark.parametrize(
    ("language", "states"),
    [
        ("en", ("Int8 variant: allowed", "Int8 variant: refused", "Int8 variant: none")),
        ("zh", ("int8 变体：可用", "int8 变体：不可用", "int8 变体：无")),
    ],
)
def test_models_pages_say_of_each_version_whether_it_has_an_int8_variant(
    pages: Pages, language: str, states: tuple[str, ...]
) -> None:
    variant, _ = add_int8_rows(pages.shop)
    _, page = _get(pages, "/models", language)
    assert [page.count(f"{state}</summary>") for state in states] == [1, 1, 1]
    _, page = _get(pages, f"/models/{variant}", language)
    assert INT8_VARIANT.variant_hash in page
    assert "openvino bfloat16" in page


def test_comparison_is_found_in_either_order(
    pages: Pages, measured_candidate: MeasuredCandidate
) -> None:
    candidate = measured_candidate.add_to(pages.shop)
    other = add_version_row(pages.shop, "e")
    champion = pages.shop.model_hash
    for path in (f"{candidate}/versus/{champion}", f"{champion}/versus/{candidate}"):
        assert "On 8 golden photos" in _get(pages, f"/models/{path}")[1]
    assert "No retraining run" in _get(pages, f"/models/{other}/versus/{champion}")[1]


def test_unknown_version_is_404(pages: Pages) -> None:
    missing = "f" * 64
    for path in (missing, f"{missing}/versus/{missing}", f"{missing}/plots/trade_off"):
        assert _get(pages, f"/models/{path}")[0] == 404


def test_models_page_without_a_champion_says_so(pages: Pages) -> None:
    pages.shop.execute("delete from moderation.champion")
    status, page = _get(pages, "/models")
    pages.shop.execute("insert into moderation.champion values (true, :h)", h=pages.shop.model_hash)
    assert status == 200
    assert "No model is live yet" in page


def test_page_of_a_version_names_its_architecture(pages: Pages) -> None:
    _, page = _get(pages, f"/models/{pages.shop.model_hash}")
    assert "<dt>Architecture</dt><dd><code>resnet18</code></dd>" in page


def test_version_with_a_minimal_card_is_shown(pages: Pages) -> None:
    version = "a" * 64
    pages.shop.execute("insert into moderation.model_version values (:h, :h, '{}')", h=version)
    assert _get(pages, f"/models/{version}")[0] == 200
    assert _get(pages, "/models")[0] == 200
