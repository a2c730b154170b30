"""Where the photos of a distillation come from: counted by source for the card."""

import csv
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from ml.core.errors import TrainingError
from ml.models.bundled_weights import PhotoSource

NOT_STATED = "not stated"

_COLUMNS = ("sha256", "source", "licence")
_OTHER_NAMES = {"source repository": "source", "license": "licence"}


class Origin(NamedTuple):
    """Source and licence of a photo."""

    source: str
    licence: str


def read_manifests(paths: Sequence[Path]) -> dict[str, Origin]:
    """The origin of each photo of CSV files, by content hash.

    They have the columns `sha256`, `source` (or `source repository`) and `licence` (or `license`).

    Raises:
        TrainingError: one cannot be read, or a column is missing.
    """
    origins: dict[str, Origin] = {}
    for path in paths:
        try:
            with path.open(encoding="utf-8", newline="") as file:
                origins |= _read_rows(file, path)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise TrainingError(f"{path} cannot be read as CSV: {error}") from error
    return origins


def _read_rows(file: TextIO, path: Path) -> dict[str, Origin]:
    rows = csv.DictReader(file)
    names = [_OTHER_NAMES.get(name, name) for name in rows.fieldnames or ()]
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise TrainingError(
            f"{path} has no column {', '.join(missing)}: name a CSV file with the columns "
            f"{', '.join(_COLUMNS)}"
        )
    rows.fieldnames = names
    return {row["sha256"]: Origin(row["source"], row["licence"]) for row in rows}


def count_sources(
    photos: Iterable[tuple[str, str]], origins: Mapping[str, Origin]
) -> tuple[PhotoSource, ...]:
    """The photos (content hash, name) by origin, the largest first.

    A photo without an origin counts by the first part of its name, its folder.
    """
    found = Counter(
        origins.get(content, Origin(name.partition("/")[0], NOT_STATED)) for content, name in photos
    )
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple(PhotoSource(**origin._asdict(), photos=count) for origin, count in ordered)
