"""The photos of a past run as a pipeline's source: its recorded verdicts, and their bytes.

Bytes are identified by content, not by name: the bucket's if they still have the recorded hash,
else the copy in the photo archive.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from threading import Lock

from ml.core.errors import ObjectChanged, ObjectNotFound
from ml.core.types import PendingImage
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.photo_cache import local_copies
from ml.storage.run_reports import PAGE, RecordedVerdict, load_recorded_verdicts
from ml.vision.images.fingerprint import content_hash


class RecordedPhotoSource:
    """The records of a run, as a source of photos for a `Pipeline`; memory holds those in progress.

    Args:
        run_id: the nightly run.
        connections: open ones.
        cache: local folder of archived photos.
    """

    def __init__(self, run_id: str, *, connections: Connections, cache: Path) -> None:
        self._run_id = run_id
        self._connections = connections
        self._cache = cache
        self._in_progress: dict[str, RecordedVerdict] = {}
        self._copy_lock = Lock()

    def images(self) -> Iterator[PendingImage]:
        """The photos in key order, read in pages."""
        after = ""
        while True:
            page = in_transaction(
                self._connections.engine,
                partial(load_recorded_verdicts, run_id=self._run_id, after=after),
            )
            for record in page:
                self._in_progress[record.image.object_key] = record
                yield record.image
            if len(page) < PAGE:
                return
            after = page[-1].image.object_key

    def take(self, image: PendingImage) -> RecordedVerdict:
        """The record of a photo that came through the pipeline, once."""
        return self._in_progress.pop(image.object_key)

    def get(self, key: str, *, etag: str | None = None, max_bytes: int | None = None) -> bytes:
        """The bytes of a recorded verdict.

        Raises:
            ObjectNotFound: neither the bucket nor the archive has them.
        """
        record = self._in_progress[key]
        try:
            data = self._connections.photos.get(key, etag=etag, max_bytes=max_bytes)
            if content_hash(data) == record.content_sha256:
                return data
        except (ObjectNotFound, ObjectChanged):
            pass
        if not record.archived:
            raise ObjectNotFound(f"{key} is missing, or holds another photo, and was not archived")
        return self._read_copy(record.content_sha256)

    def _read_copy(self, content_sha256: str) -> bytes:
        # One thread at a time: two of them may want to write the same file.
        with self._copy_lock:
            [path] = local_copies(self._connections.models, [content_sha256], self._cache)
            return path.read_bytes()
