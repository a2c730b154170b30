"""Local cache of archived photos."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog
from sqlalchemy import Engine

from ml.core.concurrency import bounded_map
from ml.core.errors import ModelHashMismatch
from ml.core.settings import Settings
from ml.storage.database import in_transaction
from ml.storage.object_store import ObjectStore
from ml.storage.photo_archive import deleted

_FETCHERS = 16


def cache_photo(store: ObjectStore, data: bytes) -> str:
    """Put a photo's bytes under `labelled/<sha256>` of the model bucket; returns the hash."""
    content_sha256 = hashlib.sha256(data).hexdigest()
    store.put(_key(content_sha256), data)
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
        data = store.get(_key(content_sha256))
        actual = hashlib.sha256(data).hexdigest()
        if actual != content_sha256:
            key = _key(content_sha256)
            raise ModelHashMismatch(f"{key} in the model bucket hashes to {actual}")
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(path)  # an interrupted fetch leaves no partial file
    return path


def _key(content_sha256: str) -> str:
    return f"labelled/{content_sha256}"


log = structlog.get_logger()

_PHOTOS = 10_000  # a query


def evict_deleted(settings: Settings, engine: Engine) -> int:
    """Delete this machine's copies of photos that are no longer archived; returns how many."""
    folder = settings.data_dir / "labelled"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    evicted = 0
    for start in range(0, len(names), _PHOTOS):
        page = names[start : start + _PHOTOS]
        names_to_evict = in_transaction(engine, deleted, page)
        for name in names_to_evict:
            (folder / name).unlink(missing_ok=True)
        evicted += len(names_to_evict)
    if evicted:
        log.info("local copies of photos deleted", photos=evicted)
    return evicted
