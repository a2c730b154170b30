"""The monthly report as one HTML page for people: no script, nothing from elsewhere.

English with Chinese beside it. Whatever comes from the shop's people (categories, object keys,
reasons) is escaped by the template engine.
"""

import base64
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ml.retraining.report_files import Pictures
from ml.retraining.report_view import GROUPINGS, PLOTS, chance, measures, sentence, verdict

_NONE = "–"
_PROBABLY_LUCK = 0.05  # only how bold a figure is shown; gates have their own significance
_KIB = 1024


def render(
    report: Mapping[str, Any], pictures: Pictures, *, gated: Mapping[str, Any] | None
) -> str:
    """The page.

    Args:
        report: as `ml.retraining.evaluate` writes it.
        pictures: its plots and thumbnails; those absent are left out.
        gated: `decision` and `gates`; None while the gates have not been asked.
    """
    images = {
        f"plot_{name}": _data_uri(data, "image/png") for name, data in pictures.plots.items()
    } | {
        f"photo_{name}": _data_uri(data, "image/jpeg") for name, data in pictures.thumbnails.items()
    }
    return _template().render(
        report=report,
        gated=gated,
        verdict=verdict(gated),
        sentences=sentence(report),
        sets={name: measures(part) for name, part in report["sets"].items()},
        groupings=GROUPINGS,
        plots=[(name, PLOTS.get(name, name)) for name in report["plots"]],
        images=images,
    )


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("ml.retraining"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": _share,
        "points": _points,
        "signed": _signed,
        "count": _count,
        "fixed": _fixed,
        "chance": chance,
        "size": _size,
        "tone": _tone,
    }
    return environment.get_template("report.html.j2")


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1%}"


def _points(value: float | None) -> str:
    """A difference of shares, in percentage points."""
    return _NONE if value is None else _with_sign(100 * value, 1)


def _signed(value: float | None) -> str:
    """A difference of other numbers."""
    return _NONE if value is None else _with_sign(value, 3)


def _with_sign(value: float, digits: int) -> str:
    text = f"{value:+.{digits}f}"
    return text.replace("-", "−") if float(text) else text[1:]


def _count(value: float | None) -> str:
    return _NONE if value is None else f"{value:,.0f}"


def _fixed(value: float | None, digits: int = 3) -> str:
    return _NONE if value is None else f"{value:.{digits}f}"


def _size(value: int) -> str:
    return f"{value / _KIB**2:.1f} MiB"


def _tone(row: Mapping[str, Any]) -> str:
    """`good`, `bad` or nothing: whether a difference is to the candidate's favour, beyond luck."""
    difference, chance = row["difference"], row["p_value"]
    if not difference or (chance is not None and chance >= _PROBABLY_LUCK):
        return ""
    return "good" if (difference > 0) == row["higher_is_better"] else "bad"
