"""`python -m benchmarks.peers.chart FILE.json CHART.svg`: the comparison as a bar chart."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import matplotlib as mpl
import typer

from benchmarks.peers.figures import CEILING, OURS, Result, speeds
from ml.core.settings import PREFIX

_COLORS = {True: "#1f77b4", False: "#b0b0b0"}  # ours, and the others


@dataclass(frozen=True)
class Bar:
    """One bar: the median images/s, and how far the slowest and the fastest round are from it."""

    label: str
    value: float
    below: float
    above: float
    is_ours: bool


def bars(results: list[Result]) -> list[Bar]:
    """Return a bar for each case, in the order of the first round."""
    ours = {r.case for r in results if r.system == OURS}
    return [
        Bar(case.replace(PREFIX, ""), s.middle, s.middle - s.low, s.high - s.middle, case in ours)
        for case, s in speeds(results).items()
    ]


def draw(drawn: list[Bar], title: str, path: Path) -> None:
    """Draw the bars into an SVG or PNG file."""
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "peers"  # the same figures give the same file
    mpl.rcParams["svg.fonttype"] = "none"  # text, which is smaller than outlines of its letters
    import matplotlib.pyplot as plt  # noqa: PLC0415 - after the choice of the backend

    figure, axes = plt.subplots(figsize=(8, 1 + 0.35 * len(drawn)), layout="constrained")
    positions = range(len(drawn))
    bar = axes.barh(
        positions,
        [each.value for each in drawn],
        xerr=[[each.below for each in drawn], [each.above for each in drawn]],
        color=[_COLORS[each.is_ours] for each in drawn],
        ecolor="#404040",
    )
    axes.bar_label(bar, [f"{each.value:.1f}" for each in drawn], padding=6)
    axes.set_yticks(positions, [each.label for each in drawn])
    axes.invert_yaxis()
    axes.set_xlabel("images/s: median of the rounds, and the slowest and fastest")
    figure.suptitle(title, fontsize="medium")
    axes.margins(x=0.12)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def main(
    results: Annotated[Path, typer.Argument(help="JSON lines of `python -m benchmarks.peers`.")],
    chart: Annotated[Path, typer.Argument(help="File to write: .svg or .png.")],
) -> None:
    """Draw the results of an earlier run."""
    summary, measured = read_lines(results.read_text(encoding="utf-8"))
    draw(bars(measured), title(summary), chart)


def read_lines(text: str) -> tuple[dict[str, object], list[Result]]:
    """Return the machine's line and the results, without the ceilings."""
    summary, *lines = (json.loads(line) for line in text.splitlines())
    names = {field.name for field in fields(Result)}
    results = [Result(**{name: line[name] for name in names}) for line in lines]
    return summary, [result for result in results if result.system != CEILING]


def title(summary: dict[str, object]) -> str:
    """Return the chart's title: machine and calibration."""
    return (
        f"{summary['photos']} photos, {summary['machine']}; "
        f"ResNet18 alone: {summary['calibration']:.1f} images/s"
    )


if __name__ == "__main__":
    typer.run(main)
