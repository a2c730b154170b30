"""The bytes of a photo that a label is about, or the reason why they cannot be had."""

from pathlib import Path

from ml.core.errors import (
    ImageRejected,
    ObjectChanged,
    ObjectNotFound,
    QuarantineReason,
    StorageError,
    StorageForbidden,
)
from ml.storage.object_store import ObjectStore


def from_bucket(store: ObjectStore, key: str, *, max_bytes: int, etag: str | None = None) -> bytes:
    """Read an object; one byte over `max_bytes` at most, so that a decoder sees it is too long.

    Raises:
        ImageRejected: `object_absent`, `object_changed`, `forbidden` or `unreachable`: this one.
        StorageError: the bucket as a whole; then nothing can be said about the photo.
    """
    try:
        return store.get(key, etag=etag, max_bytes=max_bytes)
    except StorageError as error:
        store.check()  # a missing bucket or lost rights must not be blamed on its photos
        raise ImageRejected(_reason(error), str(error)) from error


def _reason(error: StorageError) -> QuarantineReason:
    if isinstance(error, ObjectNotFound):
        return QuarantineReason.OBJECT_ABSENT
    if isinstance(error, ObjectChanged):
        return QuarantineReason.OBJECT_CHANGED
    if isinstance(error, StorageForbidden):
        return QuarantineReason.FORBIDDEN
    return QuarantineReason.UNREACHABLE


def from_file(path: Path, *, max_bytes: int) -> bytes:
    """Read a file; one byte over `max_bytes` at most.

    Raises:
        ImageRejected: `object_absent`, `forbidden` or `unreachable`.
    """
    try:
        if not path.is_file():  # a folder, or a pipe that would be waited for without end
            raise ImageRejected(QuarantineReason.OBJECT_ABSENT, f"no file {path.name}")
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except PermissionError as error:
        raise ImageRejected(QuarantineReason.FORBIDDEN, f"{path.name} may not be read") from error
    except OSError as error:
        detail = f"{path.name}: {error.strerror}"
        raise ImageRejected(QuarantineReason.UNREACHABLE, detail) from error


def from_folder(folder: Path, relative: str, *, max_bytes: int) -> bytes:
    """Read a file inside a folder, which neither `..` nor a link may lead out of.

    Raises:
        ImageRejected: as `from_file`; `forbidden` for a path that leaves the folder.
    """
    try:
        path = (folder / relative).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # links in a circle, overlong names
        raise ImageRejected(QuarantineReason.OBJECT_ABSENT, f"no file {relative!r}") from error
    if not path.is_relative_to(folder.resolve()):
        detail = f"{relative!r} leaves the folder of the CSV file"
        raise ImageRejected(QuarantineReason.FORBIDDEN, detail)
    return from_file(path, max_bytes=max_bytes)
