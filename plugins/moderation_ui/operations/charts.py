"""Figures of the operations page as Plotly's {data, layout}; drawn by `static/charts.js`.

Colours are names of style variables, so that both themes fit. No text that a buyer wrote gets in.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from moderation_ui.web.operations_labels import stage_text
from moderation_ui.web.resources import Words

if TYPE_CHECKING:
    from ml.operations.monitoring.drift import Drift
    from ml.operations.monitoring.leak_rate import MonthlyLeakRate
    from ml.operations.monitoring.trend import RunTotals

Chart = dict[str, Any]
_DECISIONS = ("pass", "review", "block")
_TICKS = 8
_MIN_PLACES = 10  # so that a single run is not one bar as wide as the chart
_WIDEST_LABEL = 14


class TrendCharts:
    """Charts with one position per run, the earliest at the left; a click opens the run.

    Args:
        runs: with a report.
        words: of the page.
        timezone: of the dates.
        address: of a run's page by its run id.
    """

    def __init__(
        self,
        runs: "Sequence[RunTotals]",
        words: Words,
        *,
        timezone: str,
        address: Callable[[str], str],
    ) -> None:
        zone = ZoneInfo(timezone)
        self._nights, self._words = runs, words
        self._ends = [nightly_run.window_end.astimezone(zone) for nightly_run in runs]
        self._addresses = [address(nightly_run.run_id) for nightly_run in runs]

    def verdict_mix(self) -> Chart:
        """Photos by decision, stacked."""
        data = [
            self._series(
                self._words(f"common.{decision}"),
                [
                    nightly_run.verdicts[decision] if nightly_run.verdicts else None
                    for nightly_run in self._nights
                ],
                color=f"--{decision}",
                unit=":,",
            )
            | {"type": "bar"}
            for decision in _DECISIONS
        ]
        return _chart(data, {"barmode": "stack", "xaxis": self._axis(), "yaxis": _axis(",d")})

    def review_rate(self, band: tuple[float, float]) -> Chart:
        """Share of photos sent to review, on the band that the policy expects."""
        rates = [nightly_run.review_rate for nightly_run in self._nights]
        outside = [rate is not None and not band[0] <= rate <= band[1] for rate in rates]
        line = self._series(
            self._words("operations.review_rate"), rates, color="--review", unit=":.1%"
        )
        line |= {"type": "scatter", "mode": "lines+markers", "line": {"color": "--review"}}
        line["marker"]["color"] = ["--block" if out else "--review" for out in outside]
        line["marker"]["size"] = [11 if out else 7 for out in outside]
        top = max([band[1], *(rate for rate in rates if rate is not None)])
        axis = _axis(".0%") | {"range": [0, min(1.02, top * 1.1 + 0.01)]}
        expected = {
            "type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": band[0], "y1": band[1],
            "fillcolor": "--pass", "opacity": 0.12, "line": {"width": 0}, "layer": "below",
        }  # fmt: skip
        layout = {"xaxis": self._axis(), "yaxis": axis, "shapes": [expected], "showlegend": False}
        return _chart([line], layout)

    def throughput(self) -> Chart:
        """Photos a second."""
        speeds = [nightly_run.images_per_second for nightly_run in self._nights]
        line = self._series(
            self._words("operations.throughput"), speeds, color="--accent", unit=":,.1f"
        )
        line |= {"type": "scatter", "mode": "lines+markers", "line": {"color": "--accent"}}
        layout = {"xaxis": self._axis(), "yaxis": _axis(",~g"), "showlegend": False}
        return _chart([line], layout)

    def saved(self) -> Chart:
        """Yuan saved."""
        yuan = [
            nightly_run.yuan["saved"] if nightly_run.yuan else None for nightly_run in self._nights
        ]
        bars = self._series(self._words("operations.saved"), yuan, color="--pass", unit=":,.2f")
        layout = {"xaxis": self._axis(), "yaxis": _axis(",~g"), "showlegend": False}
        return _chart([bars | {"type": "bar"}], layout)

    def _series(self, name: str, values: Sequence[object], *, color: str, unit: str) -> Chart:
        return {
            "name": name,
            "x": list(range(len(values))),
            "y": list(values),
            "marker": {"color": color},
            "customdata": self._addresses,
            "text": [end.strftime("%Y-%m-%d %H:%M") for end in self._ends],
            "textposition": "none",
            "hovertemplate": f"%{{text}}<br>{name}: %{{y{unit}}}<extra></extra>",
        }

    def _axis(self) -> Chart:
        places = range(len(self._ends))
        shown = places[:: -(-len(places) // _TICKS) or 1]
        return {
            "tickmode": "array",
            "tickvals": list(shown),
            "ticktext": [self._ends[i].strftime("%m-%d") for i in shown],
            "range": [-0.6, max(len(places), _MIN_PLACES) - 0.4],
            "fixedrange": True,
            "showgrid": False,
            "zeroline": False,
        }


def stages(seconds: Mapping[str, float], words: Words) -> Chart:
    """Seconds of each stage of the scoring tasks, the longest at the top."""
    ordered = sorted(seconds.items(), key=lambda stage: stage[1])
    names = [stage_text(name, words) for name, _ in ordered]
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [value for _, value in ordered],
        "y": names,
        "marker": {"color": "--accent"},
        "texttemplate": "%{x:,.1f} s",
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{x:,.2f} s<extra></extra>",
    }
    max_length = max(seconds.values(), default=0.0)
    right = {"margin": {"r": 24}, "showlegend": False}
    axis = _axis(",~g") | {"range": [0, max_length * 1.25 or 1.0]}
    upright = {"fixedrange": True, "showgrid": False, "ticksuffix": "  "}
    return _chart([bars], {"xaxis": axis, "yaxis": upright} | right)


def scores(drift: "Drift", words: Words) -> Chart:
    """Share of photos by violation score: the reference, and the run; the axis is logarithmic."""
    width = 1.0 / len(drift.current)
    sides = (("reference", drift.reference, "--soft"), ("this_run", drift.current, "--accent"))
    data = [
        {
            "type": "bar",
            "name": words(f"operations.{name}"),
            "x": [round((i + 0.5) * width, 4) for i in range(len(shares))],
            "y": [share or None for share in shares],
            "marker": {"color": color},
            "hovertemplate": "%{x:.3f}: %{y:.2%}<extra>%{fullData.name}</extra>",
        }
        for name, shares, color in sides
    ]
    across = _axis(".1f") | {"range": [0, 1], "title": {"text": words("operations.score")}}
    upright = _axis("~%") | {
        "type": "log",
        "tickvals": [0.0001, 0.001, 0.01, 0.1, 1],
        "ticktext": ["0.01%", "0.1%", "1%", "10%", "100%"],
    }
    upright.pop("rangemode")
    return _chart(data, {"barmode": "group", "bargap": 0.1, "xaxis": across, "yaxis": upright})


def leaks(months: "Sequence[MonthlyLeakRate]", words: Words) -> Chart:
    """The estimate of each month with its interval."""
    name = words("operations.leak_rate")
    points = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": list(range(len(months))),
        "y": [month.rate for month in months],
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [month.high - month.rate for month in months],
            "arrayminus": [month.rate - month.low for month in months],
            "color": "--block",
        },
        "marker": {"color": "--block", "size": 9},
        "hovertemplate": f"{name}: %{{y:.2%}}<extra></extra>",
    }
    axis = {
        "tickvals": list(range(len(months))),
        "ticktext": [month.month for month in months],
        "range": [-0.6, max(len(months), 4) - 0.4],
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
    }
    return _chart([points], {"xaxis": axis, "yaxis": _axis(".1~%"), "showlegend": False})


def _axis(form: str) -> Chart:
    return {"tickformat": form, "rangemode": "tozero", "fixedrange": True}


def _chart(data: list[Chart], layout: Chart) -> Chart:
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    shared = {"legend": legend, "dragmode": False, "hoverlabel": {"namelength": _WIDEST_LABEL}}
    return {"data": data, "layout": shared | layout}
