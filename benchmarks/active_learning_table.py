"""Report of the simulated months: areas by number of labels, and the labels that an area needs."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.active_learning_months import ACTIVE, RANDOM, Month, Shop

Runs = Mapping[str, Sequence[Sequence[Month]]]

_HEADER = """\
| absent | share | draw | {drawn} | {states} | recall at the end |
|---|---|---|---|{lines}|---|"""


def format_report(found: Mapping[Shop, Runs], *, photos: int, months: int, made: str) -> str:
    """Markdown: the mean area after each month, and labels needed for the area of random ones."""
    states = " | ".join(f"month {month}" for month in range(months + 1))
    lines = "|".join("---" for _ in range(months + 1))
    rows = [_HEADER.format(drawn="drawn", states=states, lines=lines)]
    for shop, runs in found.items():
        rows += [_format_row(shop, draw, runs[draw]) for draw in (RANDOM, ACTIVE)]
    needed = ["| absent | share | difference of the area, mean ± standard error | same area with |"]
    needed.append("|---|---|---|---|")
    needed += [_format_comparison(shop, runs) for shop, runs in found.items()]
    return "\n".join([f"{photos:,} photos, {made}", "", *rows, "", *needed])


def _format_row(shop: Shop, draw: str, runs: Sequence[Sequence[Month]]) -> str:
    means = np.array(runs).mean(axis=0)
    areas = " | ".join(f"{area:.4f}" for area in means[:, 1])
    last = means[-1]
    return (
        f"| {shop.absent or 'none'} | {shop.share} | {draw} | {last[0]:.0f} | {areas} | "
        f"{last[2]:.3f} |"
    )


def _format_comparison(shop: Shop, runs: Runs) -> str:
    ratio = needed_share(runs[RANDOM], runs[ACTIVE])
    mean, error = gain(runs[RANDOM], runs[ACTIVE])
    cell = "not reached" if ratio is None else f"{ratio:.0%} of the labels"
    return f"| {shop.absent or 'none'} | {shop.share} | {mean:+.4f} ± {error:.4f} | {cell} |"


def gain(
    random: Sequence[Sequence[Month]], active: Sequence[Sequence[Month]]
) -> tuple[float, float]:
    """The mean difference of the area, over months and paired seeds, and its standard error."""
    areas = np.array(active)[:, 1:, 1] - np.array(random)[:, 1:, 1]
    by_seed = areas.mean(axis=1)
    error = by_seed.std(ddof=1) / np.sqrt(len(by_seed)) if len(by_seed) > 1 else np.nan
    return float(by_seed.mean()), float(error)


def needed_share(
    random: Sequence[Sequence[Month]], active: Sequence[Sequence[Month]]
) -> float | None:
    """Labels drawn until the last area of random ones is reached, as a share of theirs.

    Between two months the mean area is a line; None where it is not reached.
    """
    of_random, of_active = (np.array(runs).mean(axis=0) for runs in (random, active))
    labels, area = of_random[-1, :2]
    # Each area as the best one so far: a curve that falls is reached where it first was.
    best = np.maximum.accumulate(of_active[:, 1])
    if best[-1] < area:
        return None
    return float(np.interp(area, best, of_active[:, 0]) / labels)
