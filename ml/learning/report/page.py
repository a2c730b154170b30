"""The model report of a retraining run as one HTML page: no scripts, no external resources.

English and Chinese side by side. User text (categories, object keys, reasons) is escaped by the
template engine.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from ml.core.format import MISSING, count, file_size, percent, signed
from ml.learning.report.tables import (
    BOUND_STATES,
    GROUPINGS,
    PLOTS,
    SETS,
    golden_labels,
    measures,
    p_value_text,
    summary,
    verdict,
)
from ml.models.bound_state import find_bound_state
from ml.storage.object_store import ObjectStore
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits

_THUMBNAIL_PIXELS = 160
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class Pictures:
    """What the page shows inline: plots (PNG, by name) and thumbnails (JPEG, by content hash)."""

    plots: dict[str, bytes] = field(default_factory=dict)
    thumbnails: dict[str, bytes] = field(default_factory=dict)


def thumbnail(data: bytes, limits: DecodeLimits) -> bytes:
    """A JPEG of at most 160 pixels a side, without EXIF or comment: `decode` drops both.

    Raises:
        ImageRejected: the photo cannot be decoded.
    """
    image = decode(data, limits=limits, short_side=_THUMBNAIL_PIXELS).image
    image.thumbnail((_THUMBNAIL_PIXELS, _THUMBNAIL_PIXELS))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return out.getvalue()


@dataclass(frozen=True)
class ReportFiles:
    """Where the report is stored: `evaluations/<candidate>/<golden hash>/`."""

    store: ObjectStore
    candidate: str
    golden_hash: str

    def key(self, name: str) -> str:
        """The object key of a file."""
        return f"evaluations/{self.candidate}/{self.golden_hash}/{name}"

    def put(self, report: dict[str, Any], pictures: Pictures) -> None:
        """Write plots, thumbnails, `report.html` and `report.json`, in this order."""
        for name, data in pictures.plots.items():
            self.store.put(self._plot(name), data, content_type="image/png")
        for name, data in pictures.thumbnails.items():
            self.store.put(self._thumbnail(name), data, content_type="image/jpeg")
        self.put_page(render(report, pictures, gated=None))
        text = json.dumps(report, indent=1, sort_keys=True, allow_nan=False)
        self.store.put(self.key("report.json"), text.encode(), content_type="application/json")

    def put_page(self, page: str) -> None:
        """Write `report.html`."""
        self.store.put(
            self.key("report.html"), page.encode(), content_type="text/html; charset=utf-8"
        )

    def get_pictures(self, plots: Sequence[str], thumbnails: Sequence[str]) -> Pictures:
        """Read the named plots and thumbnails; raises ObjectNotFound if one is missing."""
        return Pictures(
            {name: self.store.get(self._plot(name)) for name in plots},
            {name: self.store.get(self._thumbnail(name)) for name in thumbnails},
        )

    def _plot(self, name: str) -> str:
        return self.key(f"plots/{name}.png")

    def _thumbnail(self, content_sha256: str) -> str:
        return self.key(f"differences/{content_sha256}.jpg")


_SIGNIFICANCE = 0.05  # for colors only; gates have their own significance


def render(
    report: Mapping[str, Any], pictures: Pictures, *, gated: Mapping[str, Any] | None
) -> str:
    """The page of a report of `ml.learning.retrain.evaluate`; absent pictures are left out.

    `gated` has `decision` and `gates`; None before the gates have run.
    """
    plots, thumbnails = pictures.plots.items(), pictures.thumbnails.items()
    images = {f"plot_{name}": data_uri(data, "image/png") for name, data in plots}
    images |= {f"photo_{name}": data_uri(data, "image/jpeg") for name, data in thumbnails}
    return load_template("report.html.j2").render(
        report=report,
        gated=gated,
        verdict=verdict(gated),
        sentences=summary(report),
        golden_labels=golden_labels(report),
        sets={name: measures(part) for name, part in report["sets"].items()},
        set_names=SETS,
        bound_states=BOUND_STATES,
        groupings=GROUPINGS,
        plots=[(name, PLOTS.get(name, name)) for name in report["plots"]],
        images=images,
    )


@cache
def load_template(name: str) -> Template:
    """A template of this package; its filters format numbers, and it escapes all else."""
    environment = Environment(
        loader=PackageLoader("ml.learning.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "share": percent,
        "points": _points,
        "signed": signed,
        "count": count,
        "fixed": _fixed,
        "chance": p_value_text,
        "size": file_size,
        "tone": _tone,
        "bound_state": find_bound_state,
    }
    return environment.get_template(name)


def data_uri(data: bytes, kind: str) -> str:
    """The picture as the address of an image of the page."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _points(value: float | None) -> str:
    """A difference of shares, in percentage points."""
    return MISSING if value is None else signed(100 * value, 1)


def _fixed(value: float | None, digits: int = 3) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"


def _tone(row: Mapping[str, Any]) -> str:
    """`good`, `bad` or "": whether a significant difference favors the candidate."""
    difference, chance = row["difference"], row["p_value"]
    if not difference or (chance is not None and chance >= _SIGNIFICANCE):
        return ""
    return "good" if (difference > 0) == row["higher_is_better"] else "bad"
