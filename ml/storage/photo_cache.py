"""Archived photos: their bytes in the model bucket, and a local cache of them."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

import structlog
from sqlalchemy import Engine

from ml.core.concurrency import bounded_map
from ml.core.files import write_file
from ml.core.settings import Settings
from ml.storage.database import in_transaction
from ml.storage.object_store import ObjectStore
from ml.storage.photo_archive import archive_key, deleted

log = structlog.get_logger()

_FETCHERS = 16


def cache_photo(store: ObjectStore, data: bytes) -> str:
    """Put a photo's bytes under `labelled/<sha256>` of the model bucket; returns the hash."""
    content_sha256 = hashlib.sha256(data).hexdigest()
    store.put(archive_key(content_sha256), data)
    return content_sha256


def local_copies(store: ObjectStore, hashes: Sequence[str], cache: Path) -> Iterator[Path]:
    """Files with archived photos' bytes, in the order of `hashes`; fetched if missing locally.

    Raises:
        ObjectNotFound: a photo was never archived.
        ModelHashMismatch: the stored bytes are not those of the hash.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_FETCHERS, "labelled") as pool:
        yield from bounded_map(pool, lambda h: _local(store, h, cache), hashes, ahead=2 * _FETCHERS)


def _local(store: ObjectStore, content_sha256: str, cache: Path) -> Path:
    path = cache / content_sha256
    if not path.is_file():
        write_file(path, store.get_hashed(archive_key(content_sha256), content_sha256))
    return path


def evict_deleted(settings: Settings, engine: Engine) -> int:
    """Delete this machine's copies of photos that are no longer archived; returns how many."""
    folder = settings.data_dir / "labelled"
    copies: dict[str, list[Path]] = {}
    for path in folder.iterdir() if folder.is_dir() else ():
        # A killed process leaves the part that it had written, `<content>.<...>.part`.
        copies.setdefault(path.name.partition(".")[0], []).append(path)
    to_evict = in_transaction(engine, deleted, sorted(copies))
    for path in chain.from_iterable(copies[content] for content in to_evict):
        path.unlink(missing_ok=True)
    if to_evict:
        log.info("local copies of photos deleted", photos=len(to_evict))
    return len(to_evict)
