"""Export the active labels of a window, and their archived photos, in a format of other tools.

The order is that of the contents' hashes, so that a window always gives the same files. Interrupted
and repeated it ends the same: photos that are there stay, all else is written again.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import structlog

from ml.core.errors import LabelExportError
from ml.core.files import write_file
from ml.core.settings import Settings
from ml.core.window import Window, parse_time
from ml.core.yaml_file import load_json
from ml.learning.labels.export_documents import CocoWriter, LabelStudioWriter
from ml.learning.labels.export_photos import PHOTOS, MissingPhoto, PhotoExporter
from ml.learning.labels.exported_label import ExportedLabel, Pseudonyms
from ml.policy.schema import Policy
from ml.storage.connections import Connections
from ml.storage.database import current_time, in_transaction
from ml.storage.labelled_contents import Decision, count_contents, read_decisions

log = structlog.get_logger()

DESCRIPTION, MISSING = "export.json", "missing.csv"
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_PAGE = 500  # contents per transaction


class Format(StrEnum):
    """Formats of an export."""

    IMAGE_FOLDER = "image-folder"
    CSV = "csv"
    PARQUET = "parquet"
    COCO = "coco"
    LABEL_STUDIO = "label-studio"


@dataclass(frozen=True)
class ExportRequest:
    """What to export: labels decided from `start` (inclusive) to `end` (exclusive).

    Without `start`, all that are older; without `end`, that of the export that the folder has, or
    else now. Reviewers are `reviewer-1` ... unless `reviewer_names`.
    """

    format: Format
    start: datetime | None = None
    end: datetime | None = None
    reviewer_names: bool = False


@dataclass
class ExportResult:
    """What was written: photos, or decisions of a table; and the photos without a file."""

    window: Window
    name: str = PHOTOS
    exported: int = 0
    missing: int = 0


class _Document(Protocol):
    def write(self, label: ExportedLabel) -> None: ...
    def close(self) -> str: ...


class _NoDocument:
    """The image folder: its folders are the labels."""

    def write(self, label: ExportedLabel) -> None:
        """Nothing: the photo is in the folder of its class."""

    def close(self) -> str:
        return PHOTOS


Progress = Callable[[int, int], None]


def export_labels(
    folder: Path,
    request: ExportRequest,
    *,
    settings: Settings,
    connections: Connections,
    policy: Policy,
    progress: Progress = lambda _done, _total: None,
) -> ExportResult:
    """Write an export into a folder, which is new or has the same export.

    `progress` is called with the photos done and their total.

    Raises:
        LabelExportError: the folder has another export or other files, or the window is empty.
        StorageError: bucket, database or disk as a whole; run it again.
    """
    window = _begin(folder, request, connections)
    total = in_transaction(connections.engine, count_contents, window)
    result = ExportResult(window)
    pages = read_decisions(connections.engine, window, page_size=_PAGE)
    steps = _count_steps(pages, lambda done: progress(done, total))
    if request.format in (Format.CSV, Format.PARQUET):
        _export_table(folder, request, steps, result)
    else:
        exporter = PhotoExporter(
            folder,
            connections.models,
            classes=policy.classes,
            by_class=request.format is Format.IMAGE_FOLDER,
            threads=settings.fetch_threads,
        )
        document = _open_document(folder, request.format, list(policy.classes))
        _export_photos(folder, exporter, document, steps, result)
    log.info("labels exported", exported=result.exported, missing=result.missing)
    return result


_Pages = Iterator[list[list[Decision]]]


def _count_steps(
    pages: Iterable[dict[str, list[Decision]]], progress: Callable[[int], None]
) -> _Pages:
    done = 0
    for page in pages:
        yield list(page.values())
        done += len(page)
        progress(done)


def _begin(folder: Path, request: ExportRequest, connections: Connections) -> Window:
    """The window; the description of the export is in the folder by now."""
    path = folder / DESCRIPTION
    before = _read_description(path) if path.exists() else None
    if before is None and folder.exists() and any(folder.iterdir()):
        raise LabelExportError(f"{folder} has files of something else: name a new folder")
    end = request.end or (parse_time(before["until"]) if before else None)
    end = end or in_transaction(connections.engine, current_time)
    start = request.start or _BEGINNING
    if start >= end:
        raise LabelExportError(f"no label is decided from {start} until {end}: swap the times")
    window = Window(start, end)
    description = {
        "format": request.format.value,
        "from": request.start.astimezone(UTC).isoformat() if request.start else "",
        "until": end.astimezone(UTC).isoformat(),
        "reviewers": "names" if request.reviewer_names else "pseudonyms",
    }
    if before not in (None, description):
        raise LabelExportError(
            f"{folder} has another export ({', '.join(f'{k} {v}' for k, v in before.items())}): "
            "give the same options to complete it, or name a new folder"
        )
    write_file(path, (json.dumps(description, indent=1) + "\n").encode())
    return window


def _read_description(path: Path) -> dict[str, str]:
    content = load_json(path.read_bytes(), source=path, error=LabelExportError)
    if not isinstance(content, dict) or not isinstance(content.get("until"), str):
        raise LabelExportError(f"{path} does not describe an export: name a new folder")
    return content


def _export_table(
    folder: Path, request: ExportRequest, pages: _Pages, result: ExportResult
) -> None:
    # pandas and pyarrow take a second to load, which other formats do not need.
    from ml.learning.labels.export_tables import TableWriter  # noqa: PLC0415

    names = Pseudonyms(keep_names=request.reviewer_names)
    table = TableWriter(folder, names, parquet=request.format is Format.PARQUET)
    for page in pages:
        table.write(page)
        result.exported += sum(map(len, page))
        result.missing += sum(d[-1].purged or d[-1].object_key is None for d in page)
    result.name = table.close()


def _export_photos(
    folder: Path,
    exporter: PhotoExporter,
    document: _Document,
    pages: _Pages,
    result: ExportResult,
) -> None:
    report = folder / MISSING
    with report.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(field.name for field in fields(MissingPhoto))
        for page in pages:
            for photo in exporter.export(page):
                if isinstance(photo, MissingPhoto):
                    rows.writerow(astuple(photo))
                    result.missing += 1
                else:
                    document.write(photo)
                    result.exported += 1
    exporter.delete_others()
    result.name = document.close()


def _open_document(folder: Path, wanted: Format, classes: Sequence[str]) -> _Document:
    if wanted is Format.COCO:
        return CocoWriter(folder, classes)
    if wanted is Format.LABEL_STUDIO:
        return LabelStudioWriter(folder, classes)
    return _NoDocument()
