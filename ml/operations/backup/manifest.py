"""Files of a backup folder.

`schema.dump` is written by `pg_dump`, `objects/` holds the bucket, `sha256sum --check` reads
`SHA256SUMS`, and `backup.json`, written last, marks the backup as complete.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from ml.core.errors import BackupError
from ml.core.yaml_file import StrictModel
from ml.operations.backup.bucket_copy import Copied

DUMP = "schema.dump"
OBJECTS = "objects"
SUMS = "SHA256SUMS"
MANIFEST_FILE = "backup.json"
FORMAT = 1


class BackupManifest(StrictModel):
    """When the backup was taken, and of what."""

    format_version: int = FORMAT
    taken_at: datetime
    server_major: int
    revision: str
    champion: str | None
    dump_sha256: str
    objects: int
    bytes: int


def write_manifest(folder: Path, manifest: BackupManifest) -> None:
    """Mark the backup as complete."""
    (folder / MANIFEST_FILE).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")


def read_manifest(folder: Path) -> BackupManifest:
    """Description of a complete backup.

    Raises:
        BackupError: there is no complete backup.
    """
    try:
        manifest = BackupManifest.model_validate_json(
            (folder / MANIFEST_FILE).read_text(encoding="utf-8")
        )
    except FileNotFoundError as error:
        raise BackupError(
            f"{folder} holds no complete backup: {MANIFEST_FILE} is missing"
        ) from error
    except (OSError, ValidationError) as error:
        raise BackupError(f"{folder / MANIFEST_FILE} cannot be read: {error}") from error
    if manifest.format_version != FORMAT:
        raise BackupError(
            f"{folder} is a backup of format {manifest.format_version}; this program reads {FORMAT}"
        )
    return manifest


def sum_line(copied: Copied) -> str:
    """A line of SHA256SUMS."""
    return f"{copied.sha256}  {OBJECTS}/{copied.key}\n"


def read_sums(folder: Path) -> Iterator[Copied]:
    """The objects of a backup."""
    with (folder / SUMS).open(encoding="utf-8") as lines:
        for line in lines:
            sha256, _, path = line.rstrip("\n").partition("  ")
            if path.startswith(f"{OBJECTS}/"):
                yield Copied(path.removeprefix(f"{OBJECTS}/"), 0, sha256)
