"""Charts of the operations page as Plotly's {data, layout}; drawn by `static/charts.js`.

Colors are names of style variables, so that both themes fit. Texts of buyers never get in.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from moderation_ui.web.words import Words

if TYPE_CHECKING:
    from ml.operations.monitoring.drift import Drift
    from ml.operations.monitoring.leak_rate import MonthlyLeakRate
    from ml.operations.monitoring.trend import RunTotals

Chart = dict[str, Any]
_MAX_RUN_LABELS, _MAX_MONTH_LABELS = 8, 13
_MIN_RUNS, _MIN_MONTHS = 10, 4  # positions, so that a single value does not fill the chart
_MAX_HOVER_NAME = 14  # characters


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
        self._runs, self._words = runs, words
        self._ends = [run.window_end.astimezone(zone) for run in runs]
        self._addresses = [address(run.run_id) for run in runs]

    def verdict_mix(self) -> Chart:
        """Photos by decision, stacked."""
        data = [
            self._bars(
                f"common.{decision}",
                [run.verdicts[decision] if run.verdicts else None for run in self._runs],
                color=f"--{decision}",
                unit=":,",
            )
            for decision in ("pass", "review", "block")
        ]
        return self._chart(data, ",d", barmode="stack")

    def review_rate(self, band: tuple[float, float]) -> Chart:
        """Share of photos sent to review, on the band that the policy expects."""
        low, high = band
        rates = [run.review_rate for run in self._runs]
        outside = [rate is not None and not low <= rate <= high for rate in rates]
        line = self._line("operations.review_rate", rates, color="--review", unit=":.1%")
        line["marker"] = {
            "color": ["--block" if out else "--review" for out in outside],
            "size": [11 if out else 7 for out in outside],
        }
        expected = {
            "type": "rect", "xref": "paper", "x0": 0, "x1": 1, "y0": low, "y1": high,
            "fillcolor": "--pass", "opacity": 0.12, "line": {"width": 0}, "layer": "below",
        }  # fmt: skip
        chart = self._chart([line], ".0%", shapes=[expected], showlegend=False)
        top = max([high, *(rate for rate in rates if rate is not None)])
        chart["layout"]["yaxis"]["range"] = [0, min(1.02, top * 1.1 + 0.01)]
        return chart

    def throughput(self) -> Chart:
        """Photos per second."""
        speeds = [run.images_per_second for run in self._runs]
        line = self._line("operations.throughput", speeds, color="--accent", unit=":,.1f")
        return self._chart([line], ",~g", showlegend=False)

    def saved(self) -> Chart:
        """Yuan saved."""
        yuan = [run.yuan["saved"] if run.yuan else None for run in self._runs]
        bars = self._bars("operations.saved", yuan, color="--pass", unit=":,.2f")
        return self._chart([bars], ",~g", showlegend=False)

    def _bars(self, key: str, values: Sequence[object], *, color: str, unit: str) -> Chart:
        return self._series(key, values, color, unit) | {"type": "bar"}

    def _line(self, key: str, values: Sequence[object], *, color: str, unit: str) -> Chart:
        line = {"type": "scatter", "mode": "lines+markers", "line": {"color": color}}
        return self._series(key, values, color, unit) | line

    def _series(self, key: str, values: Sequence[object], color: str, unit: str) -> Chart:
        name = self._words(key)
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

    def _chart(self, data: list[Chart], tick_format: str, **layout: object) -> Chart:
        dates = [end.strftime("%m-%d") for end in self._ends]
        axis = _category_axis(dates, min_places=_MIN_RUNS, max_labels=_MAX_RUN_LABELS)
        return _chart(data, xaxis=axis, yaxis=_value_axis(tick_format), **layout)


def stages(seconds: Mapping[str, float], words: Words) -> Chart:
    """Seconds of each stage of the scoring tasks, the longest at the top."""
    ordered = sorted(seconds.items(), key=lambda stage: stage[1])
    bars = {
        "type": "bar",
        "orientation": "h",
        "x": [value for _, value in ordered],
        "y": [words.get(f"operations.stage_{name}", name) for name, _ in ordered],
        "marker": {"color": "--accent"},
        "texttemplate": "%{x:,.1f} s",
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": "%{y}: %{x:,.2f} s<extra></extra>",
    }
    xaxis = _value_axis(",~g") | {"range": [0, max(seconds.values()) * 1.25 or 1.0]}
    yaxis = {"fixedrange": True, "showgrid": False, "ticksuffix": "  "}
    return _chart([bars], xaxis=xaxis, yaxis=yaxis, margin={"r": 24}, showlegend=False)


def scores(drift: "Drift", words: Words) -> Chart:
    """Share of photos by violation score, of the reference and of the run; logarithmic."""
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
    xaxis = _value_axis(".1f") | {"range": [0, 1], "title": {"text": words("operations.score")}}
    yaxis = {
        "type": "log",
        "tickvals": [0.0001, 0.001, 0.01, 0.1, 1],
        "ticktext": ["0.01%", "0.1%", "1%", "10%", "100%"],
        "fixedrange": True,
    }
    return _chart(data, xaxis=xaxis, yaxis=yaxis, barmode="group", bargap=0.1)


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
    names = [month.month for month in months]
    axis = _category_axis(names, min_places=_MIN_MONTHS, max_labels=_MAX_MONTH_LABELS)
    return _chart([points], xaxis=axis, yaxis=_value_axis(".1~%"), showlegend=False)


def _category_axis(names: Sequence[str], *, min_places: int, max_labels: int) -> Chart:
    labeled = range(len(names))[:: -(-len(names) // max_labels) or 1]
    return {
        "tickmode": "array",
        "tickvals": list(labeled),
        "ticktext": [names[i] for i in labeled],
        "range": [-0.6, max(len(names), min_places) - 0.4],
        "fixedrange": True,
        "showgrid": False,
        "zeroline": False,
    }


def _value_axis(tick_format: str) -> Chart:
    return {"tickformat": tick_format, "rangemode": "tozero", "fixedrange": True}


def _chart(data: list[Chart], **layout: object) -> Chart:
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}
    shared = {"legend": legend, "dragmode": False, "hoverlabel": {"namelength": _MAX_HOVER_NAME}}
    return {"data": data, "layout": shared | layout}
