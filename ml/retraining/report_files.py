"""The report of one candidate on one golden set, as files of the model bucket."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ml.storage.object_store import ObjectStore

_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Pictures:
    """What the page shows inline: plots (PNG, by name) and thumbnails (JPEG, by content hash)."""

    plots: dict[str, bytes] = field(default_factory=dict)
    thumbnails: dict[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportFiles:
    """Where the report lies: `evaluations/<candidate>/<golden hash>/`."""

    store: ObjectStore
    candidate: str
    golden_hash: str

    def key(self, name: str) -> str:
        """The object key of one of the files."""
        return f"evaluations/{self.candidate}/{self.golden_hash}/{name}"

    def put_report(self, report: dict[str, Any]) -> None:
        """Write `report.json`."""
        text = json.dumps(report, indent=1, sort_keys=True, allow_nan=False)
        self.store.put(self.key("report.json"), text.encode(), content_type="application/json")

    def put_page(self, page: str) -> None:
        """Write `report.html`."""
        self.store.put(self.key("report.html"), page.encode(), content_type=_HTML)

    def put_pictures(self, pictures: Pictures) -> None:
        """Write plots and thumbnails."""
        for name, data in pictures.plots.items():
            self.store.put(self._plot(name), data, content_type="image/png")
        for name, data in pictures.thumbnails.items():
            self.store.put(self._thumbnail(name), data, content_type="image/jpeg")

    def get_pictures(self, plots: Sequence[str], thumbnails: Sequence[str]) -> Pictures:
        """Read the named plots and thumbnails.

        Raises:
            ObjectAbsent: one is not there.
        """
        return Pictures(
            {name: self.store.get(self._plot(name)) for name in plots},
            {name: self.store.get(self._thumbnail(name)) for name in thumbnails},
        )

    def _plot(self, name: str) -> str:
        return self.key(f"plots/{name}.png")

    def _thumbnail(self, content_sha256: str) -> str:
        return self.key(f"differences/{content_sha256}.jpg")
