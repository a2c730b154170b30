"""Copy the objects of the model bucket into a folder, and back."""

import hashlib
import mimetypes
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from ml.core.concurrency import bounded_map
from ml.core.errors import BackupError, ObjectNotFound
from ml.storage.object_store import ObjectStore

_THREADS = 16


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
    keys = (listed.key for listed in chain.from_iterable(store.list_pages("")))
    with ThreadPoolExecutor(_THREADS, "backup") as pool:
        copies = bounded_map(pool, lambda key: _fetch(store, key, folder), keys, ahead=2 * _THREADS)
        with closing(copies):
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


def copy_in(store: ObjectStore, folder: Path, objects: Iterator[Copied]) -> Iterator[Copied]:
    """Put the objects that the bucket lacks; existing ones stay as they are.

    Raises:
        BackupError: a file is missing, or its bytes are not those of the backup.
    """
    existing = {listed.key for listed in chain.from_iterable(store.list_pages(""))}
    missing = (copied for copied in objects if copied.key not in existing)
    with ThreadPoolExecutor(_THREADS, "restore") as pool:
        put = bounded_map(pool, lambda c: _put(store, c, folder), missing, ahead=2 * _THREADS)
        with closing(put):
            yield from put


def _put(store: ObjectStore, copied: Copied, folder: Path) -> Copied:
    path = path_of(copied.key, folder)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BackupError(f"{path} of the backup cannot be read: {error.strerror}") from error
    check_bytes(path, data, copied.sha256)
    store.put(copied.key, data, content_type=_content_type(copied.key))
    return copied


def check_bytes(path: Path, data: bytes, sha256: str) -> None:
    """Check the bytes of a file.

    Raises:
        BackupError: their SHA-256 is another.
    """
    if (actual := hashlib.sha256(data).hexdigest()) != sha256:
        raise BackupError(f"{path} is damaged: it hashes to {actual}, not {sha256}")


def path_of(key: str, folder: Path) -> Path:
    """The file of an object.

    Raises:
        BackupError: the key leads out of the folder or is not a file name.
    """
    path = PurePosixPath(key)
    if path.is_absolute() or ".." in path.parts or str(path) != key or "\n" in key or "\0" in key:
        raise BackupError(f"the object key {key!r} is no path below a folder: delete that object")
    return folder / path


def _content_type(key: str) -> str:
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind == "text/html" else kind
