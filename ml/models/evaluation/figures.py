"""Figures in one style, without pyplot's global state."""

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure

DPI = 120


def new_figure(
    title: str, x: str, y: str, *, size: tuple[float, float] = (4.8, 4.6)
) -> tuple[Figure, Axes]:
    """A figure with one pair of axes."""
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    style_axes(axes, title, x, y)
    return figure, axes


def style_axes(axes: Axes, title: str, x: str, y: str) -> None:
    """Titles, a faint grid, and no frame above and at the right."""
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(visible=True, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    out = io.BytesIO()
    figure.savefig(out, format="png")
    return out.getvalue()
