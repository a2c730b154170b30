"""What is in the folder of a backup.

`schema.dump` is PostgreSQL's, `objects/` holds the bucket, `SHA256SUMS` is what `sha256sum --check`
reads, and `backup.json`, written last, says that all is there.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ml.backup.bucket_copy import Copied
from ml.errors import BackupError

DUMP = "schema.dump"
OBJECTS = "objects"
SUMS = "SHA256SUMS"
ABOUT = "backup.json"
FORMAT = 1


class About(BaseModel):
    """When the backup was taken, and of what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: int = FORMAT
    taken_at: datetime
    server_major: int
    revision: str
    champion: str | None
    dump_sha256: str
    objects: int
    bytes: int


def write_about(folder: Path, about: About) -> None:
    """Say that the backup is complete."""
    (folder / ABOUT).write_text(about.model_dump_json(indent=1), encoding="utf-8")


def read_about(folder: Path) -> About:
    """What the backup says of itself.

    Raises:
        BackupError: there is no complete backup.
    """
    try:
        about = About.model_validate_json((folder / ABOUT).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BackupError(f"{folder} holds no complete backup: {ABOUT} is missing") from error
    except (OSError, ValidationError) as error:
        raise BackupError(f"{folder / ABOUT} cannot be read: {error}") from error
    if about.format_version != FORMAT:
        raise BackupError(
            f"{folder} is a backup of format {about.format_version}; this program reads {FORMAT}"
        )
    return about


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
