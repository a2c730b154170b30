"""Charts as data: what is drawn where."""

import importlib
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from ml.core.settings import ROOT
from ml.operations.monitoring.trend import RunTotals

PLUGINS = str(ROOT / "plugins")


@pytest.fixture
def charts(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(PLUGINS)
    return importlib.import_module("moderation_ui.operations.charts")


def runs(*verdicts: tuple[int, int, int]) -> list[RunTotals]:
    found = []
    for i, (passed, review, block) in enumerate(verdicts):
        report = {
            "verdicts": {"pass": passed, "review": review, "block": block},
            "images_per_second": 10.0 + i,
            "yuan": {"saved": 1.0 * i},
        }
        end = datetime(2026, 11, 20, 18, tzinfo=UTC) + timedelta(days=i)
        found.append(RunTotals(f"run-{i}", end, "reconciled", 10, report))
    return found


def of(charts: ModuleType, shown: list[RunTotals], language: str = "en") -> Any:  # noqa: ANN401 - a class of a module that is imported late
    return charts.TrendCharts(
        shown, charts.Words(language), timezone="Asia/Shanghai", address=lambda run: f"/n/{run}"
    )


def test_verdict_mix_stacks_three_named_colors_per_run(charts: ModuleType) -> None:
    chart = of(charts, runs((5, 3, 1), (7, 2, 0))).verdict_mix()
    assert [(s["name"], s["y"], s["marker"]["color"]) for s in chart["data"]] == [
        ("pass", [5, 7], "--pass"),
        ("review", [3, 2], "--review"),
        ("block", [1, 0], "--block"),
    ]
    assert chart["layout"]["barmode"] == "stack"
    # 18:00 UTC is the next day in Shanghai.
    assert chart["layout"]["xaxis"]["ticktext"] == ["11-21", "11-22"]
    assert chart["data"][0]["customdata"] == ["/n/run-0", "/n/run-1"]


def test_review_rate_outside_the_band_is_marked(charts: ModuleType) -> None:
    chart = of(charts, runs((8, 2, 0), (2, 8, 0), (0, 0, 0))).review_rate((0.1, 0.5))
    (line,) = chart["data"]
    assert line["y"] == [0.2, 0.8, None]
    assert line["marker"]["color"] == ["--review", "--block", "--review"]
    (band,) = chart["layout"]["shapes"]
    assert (band["y0"], band["y1"]) == (0.1, 0.5)


def test_chart_names_are_in_the_users_language(charts: ModuleType) -> None:
    chart = of(charts, runs((1, 1, 1)), "zh").verdict_mix()
    assert chart["data"][1]["name"] == "待人审"


def test_stages_end_with_the_longest_and_an_unknown_one_keeps_its_name(
    charts: ModuleType,
) -> None:
    chart = charts.stages({"fetch": 3.0, "wall": 9.0, "newstage": 5.0}, charts.Words("en"))
    (bars,) = chart["data"]
    assert bars["y"] == ["fetch", "newstage", "elapsed"]
    assert bars["x"] == [3.0, 5.0, 9.0]


def test_charts_of_thirty_runs_are_json_with_few_labels(charts: ModuleType) -> None:
    shown = of(charts, runs(*[(i, i, i) for i in range(30)]))
    for chart in (shown.verdict_mix(), shown.review_rate((0, 0.5)), shown.throughput()):
        json.dumps(chart, allow_nan=False)
        assert len(chart["layout"]["xaxis"]["tickvals"]) <= 8


def test_charts_import_neither_plotly_nor_torch() -> None:
    code = (
        f"import sys; sys.path.insert(0, {PLUGINS!r}); import moderation_ui.operations.charts; "
        "print({'plotly', 'torch', 'numpy', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
