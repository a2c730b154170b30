"""Copy the objects of the model bucket into a folder, and back."""

import hashlib
import mimetypes
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TypeVar

from ml.core.concurrency import bounded_map
from ml.core.errors import BackupError, ObjectNotFound
from ml.storage.object_store import ObjectStore

_THREADS = 16
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Copied:
    """One object of a backup."""

    key: str
    size_bytes: int
    sha256: str


def copy_out(store: ObjectStore, folder: Path) -> Iterator[Copied]:
    """Write every object of the bucket into the folder, except those deleted meanwhile.

    Raises:
        BackupError: a key is not a path below the folder.
    """
    copies = _map_in_threads(lambda key: _fetch(store, key, folder), _list_keys(store))
    yield from (copied for copied in copies if copied is not None)


def _fetch(store: ObjectStore, key: str, folder: Path) -> Copied | None:
    path = path_of(key, folder)
    try:
        data = store.get(key)
    except ObjectNotFound:
        return None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Copied(key, len(data), hashlib.sha256(data).hexdigest())


def copy_in(store: ObjectStore, folder: Path, objects: Iterable[Copied]) -> Iterator[Copied]:
    """Put the objects that the bucket lacks; existing ones stay as they are.

    Raises:
        BackupError: a file is missing, or its bytes are not those of the backup.
    """
    existing = set(_list_keys(store))
    missing = (copied for copied in objects if copied.key not in existing)
    return _map_in_threads(lambda copied: _put(store, copied, folder), missing)


def _put(store: ObjectStore, copied: Copied, folder: Path) -> Copied:
    path = path_of(copied.key, folder)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BackupError(f"{path} of the backup cannot be read: {error.strerror}") from error
    check_sha256(path, hashlib.sha256(data).hexdigest(), copied.sha256)
    kind = mimetypes.guess_type(copied.key)[0] or "application/octet-stream"
    content_type = f"{kind}; charset=utf-8" if kind == "text/html" else kind
    store.put(copied.key, data, content_type=content_type)
    return copied


def check_sha256(path: Path, actual: str, expected: str) -> None:
    """Compare the hash of a file's bytes with that of the backup.

    Raises:
        BackupError: they differ.
    """
    if actual != expected:
        raise BackupError(f"{path} is damaged: it hashes to {actual}, not {expected}")


def path_of(key: str, folder: Path) -> Path:
    """The file of an object.

    Raises:
        BackupError: the key leads out of the folder or is not a file name.
    """
    path = PurePosixPath(key)
    if path.is_absolute() or ".." in path.parts or str(path) != key or "\n" in key or "\0" in key:
        raise BackupError(f"the object key {key!r} is no path below a folder: delete that object")
    return folder / path


def _list_keys(store: ObjectStore) -> Iterator[str]:
    return (listed.key for listed in chain.from_iterable(store.list_pages("")))


def _map_in_threads(work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    with (
        ThreadPoolExecutor(_THREADS, "backup") as pool,
        closing(bounded_map(pool, work, items, ahead=2 * _THREADS)) as results,
    ):
        yield from results
