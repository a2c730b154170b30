"""Photos of an export: from the archive into files that are named by their hash alone.

No part of a path is taken from an object key, and a class or category only where it is a plain
name: no file is written outside of the folder.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path

from ml.core.concurrency import bounded_map
from ml.core.errors import ObjectArchived, ObjectNotFound
from ml.core.files import write_file
from ml.learning.labels.exported_label import ExportedLabel, find_category, resolve
from ml.storage.labelled_contents import Decision
from ml.storage.object_store import ObjectStore
from ml.storage.photo_archive import archive_key
from ml.vision.images.fingerprint import content_hash

PHOTOS = "photos"
NEVER_ARCHIVED, PURGED, ABSENT = "never_archived", "purged", "object_absent"
IN_TIER, CHANGED, UNKNOWN_CLASS = "object_archived", "object_changed", "unknown_class"

_PLAIN_NAME = re.compile(r"\w[\w.-]{0,63}")  # of a folder: no separator, no leading dot
_EXPORTED = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{3,4}")
_HEIF_BRANDS = {b"avif": "avif", b"avis": "avif"}
_STARTS = (
    (b"\xff\xd8", "jpg"), (b"\x89PNG", "png"), (b"GIF8", "gif"), (b"BM", "bmp"),
)  # fmt: skip

EXTENSIONS = ("jpg", "png", "webp", "heic", "avif", "gif", "bmp", "bin")  # of `file_extension`


@dataclass(frozen=True)
class MissingPhoto:
    """A photo that an export has no file of, and why."""

    content_sha256: str
    label: str
    reason: str


class PhotoExporter:
    """Writes the photos of contents below a folder; in class folders where `by_class`."""

    def __init__(
        self,
        folder: Path,
        store: ObjectStore,
        *,
        classes: Collection[str],
        by_class: bool,
        threads: int,
    ) -> None:
        self._folder, self._store, self._threads = folder / PHOTOS, store, threads
        self._classes, self._by_class = set(classes), by_class
        self._written: set[str] = set()

    def export(self, page: Iterable[Sequence[Decision]]) -> Iterator[ExportedLabel | MissingPhoto]:
        """Yield the label of each photo, in order, whose file is there by now; or why not.

        At most twice as many photos as threads are in memory. A file that is there with the right
        bytes is not read from the bucket again.

        Raises:
            StorageError: bucket or disk as a whole; run it again.
        """
        ahead = 2 * self._threads
        with (
            ThreadPoolExecutor(self._threads, "export") as pool,
            closing(bounded_map(pool, self._export_one, page, ahead=ahead)) as results,
        ):
            for result in results:
                if isinstance(result, ExportedLabel):
                    self._written.add(result.file)
                yield result

    def delete_others(self) -> None:
        """Delete photos of an earlier attempt whose label was undone or changed since."""
        for path in self._folder.rglob("*"):
            name = path.relative_to(self._folder).as_posix()
            if _EXPORTED.fullmatch(path.name) and name not in self._written:
                path.unlink()

    def _export_one(self, decisions: Sequence[Decision]) -> ExportedLabel | MissingPhoto:
        label = _describe(decisions)
        reason = _why_not(decisions[-1], label.label, self._classes)
        if reason:
            return MissingPhoto(label.content_sha256, label.label, reason)
        folder = self._place(label)
        present = self._find_present(folder, label.content_sha256)
        if present is not None:
            return replace(label, file=present)
        try:
            data = self._store.get(archive_key(label.content_sha256))
        except ObjectNotFound:
            return MissingPhoto(label.content_sha256, label.label, ABSENT)
        except ObjectArchived:
            return MissingPhoto(label.content_sha256, label.label, IN_TIER)
        if content_hash(data) != label.content_sha256:
            return MissingPhoto(label.content_sha256, label.label, CHANGED)
        file = f"{folder}{label.content_sha256}.{file_extension(data)}"
        write_file(self._folder / file, data)
        return replace(label, file=file)

    def _place(self, label: ExportedLabel) -> str:
        """The folder of a photo, with a slash at the end; empty: the folder of all."""
        if not self._by_class:
            return ""
        parts = [label.label]
        if label.category and _PLAIN_NAME.fullmatch(label.category):
            parts.append(label.category)
        return "".join(f"{part}/" for part in parts)

    def _find_present(self, folder: str, content_sha256: str) -> str | None:
        # A look at each possible name: a folder of a million files is not searched for each photo.
        for extension in EXTENSIONS:
            path = self._folder / folder / f"{content_sha256}.{extension}"
            if path.is_file() and content_hash(path.read_bytes()) == content_sha256:
                return f"{folder}{path.name}"
        return None


def _describe(decisions: Sequence[Decision]) -> ExportedLabel:
    decision, reviewers, contested = resolve(decisions)
    return ExportedLabel(
        content_sha256=decision.content_sha256,
        label=decision.label,
        category=find_category(decisions, decision.label),
        decided_at=decision.decided_at.astimezone(UTC).isoformat(),
        route=decisions[0].route,
        reviewers=reviewers,
        contested=contested,
        object_key=decision.object_key,
        width=decision.width or 0,
        height=decision.height or 0,
        file="",
    )


def _why_not(decision: Decision, label: str, classes: Collection[str]) -> str:
    """Why a photo cannot be exported, from its row alone; empty if it can."""
    if label not in classes or not _PLAIN_NAME.fullmatch(label):
        return UNKNOWN_CLASS
    if decision.object_key is None:
        return NEVER_ARCHIVED
    return PURGED if decision.purged else ""


def file_extension(data: bytes) -> str:
    """The extension by which other tools know a photo's format, from its first bytes."""
    for start, extension in _STARTS:
        if data.startswith(start):
            return extension
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[4:8] == b"ftyp":
        return _HEIF_BRANDS.get(data[8:12], "heic")
    return "bin"
