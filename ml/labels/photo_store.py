"""The bytes that people judged, kept by content hash: the shop may delete or replace its own."""

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ml.errors import ModelHashMismatch
from ml.inference.bounded import bounded_map
from ml.storage.object_store import ObjectStore

_FETCHERS = 16


def keep(store: ObjectStore, data: bytes) -> str:
    """Put a photo's bytes under `labelled/<sha256>` of the model bucket; returns the hash."""
    content_sha256 = hashlib.sha256(data).hexdigest()
    store.put(_key(content_sha256), data)
    return content_sha256


def local_copies(store: ObjectStore, hashes: Sequence[str], cache: Path) -> Iterator[Path]:
    """Files with the kept photos' bytes, in the order of `hashes`; fetched where not there yet.

    Raises:
        ObjectAbsent: a photo was never kept.
        ModelHashMismatch: the stored bytes are not those of the hash.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_FETCHERS, "labelled") as pool:
        yield from bounded_map(pool, lambda h: _local(store, h, cache), hashes, ahead=2 * _FETCHERS)


def _local(store: ObjectStore, content_sha256: str, cache: Path) -> Path:
    path = cache / content_sha256
    if not path.is_file():
        data = store.get(_key(content_sha256))
        found = hashlib.sha256(data).hexdigest()
        if found != content_sha256:
            raise ModelHashMismatch(f"{_key(content_sha256)} in the model bucket hashes to {found}")
        part = path.with_suffix(".part")
        part.write_bytes(data)
        part.replace(path)  # a killed fetch leaves no half photo
    return path


def _key(content_sha256: str) -> str:
    return f"labelled/{content_sha256}"
