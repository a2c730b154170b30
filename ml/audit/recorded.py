"""What a past run recorded of each photo it judged, and the photo's bytes, as far as they are left.

The bytes count by content, not by name: those of the bucket if they still hash to what was judged,
else the copy that was kept because people labelled it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, text

from ml.connections import Connections
from ml.errors import ObjectAbsent, ObjectChanged
from ml.images.fingerprint import content_hash
from ml.labels.photo_store import local_copies
from ml.screens.outcome import ScreenOutcome, from_json
from ml.storage.database import in_transaction
from ml.storage.images import PAGE, PendingImage


@dataclass(frozen=True)
class Record:
    """One photo's verdict by the run's model and policy.

    `libraries` and `device` are those of the run that made it: an earlier one, where the photo had
    been judged before. `kept` says that people labelled it, so that a copy is there.
    """

    image: PendingImage
    content_sha256: str
    decision: str
    reasons: tuple[str, ...]
    scores: dict[str, float]
    pass_confidence: float
    libraries: dict[str, str]
    device: str | None
    kept: bool
    screens: dict[str, ScreenOutcome]


_PAGE = text(
    """
    select ar.object_key, ar.etag, i.size_bytes, ar.content_sha256, v.decision, v.reasons, v.scores,
        v.pass_confidence, v.libraries, v.screens, made.device,
        kept.content_sha256 is not null and kept.deleted_at is null as kept
    from moderation.audit_result ar
    join moderation.image i on i.object_key = ar.object_key and i.etag = ar.etag
    join moderation.verdict v on v.content_sha256 = ar.content_sha256
        and v.model_hash = ar.model_hash and v.policy_version = ar.policy_version
    left join moderation.audit_run made on made.run_id = v.run_id
    left join moderation.labelled_photo kept on kept.content_sha256 = ar.content_sha256
    where ar.run_id = :run_id and ar.decision is not null and ar.object_key > :after
    order by ar.object_key limit :page
    """
)


class RecordedPhotos:
    """The records of a run, as a source of photos for a `Pipeline`; memory holds those under way.

    Args:
        run_id: the audit run.
        connections: open ones.
        cache: local folder of kept photos.
    """

    def __init__(self, run_id: str, *, connections: Connections, cache: Path) -> None:
        self._run_id = run_id
        self._connections = connections
        self._cache = cache
        self._under_way: dict[str, Record] = {}
        self._one_copy = Lock()

    def images(self) -> Iterator[PendingImage]:
        """The photos in key order, a page at a time."""
        after = ""
        while True:
            page = in_transaction(
                self._connections.engine,
                lambda c, after=after: self._page(c, after),  # type: ignore[misc]  # mypy cannot type a lambda's default
            )
            for record in page:
                self._under_way[record.image.object_key] = record
                yield record.image
            if len(page) < PAGE:
                return
            after = page[-1].image.object_key

    def _page(self, connection: Connection, after: str) -> list[Record]:
        values = {"run_id": self._run_id, "after": after, "page": PAGE}
        return [_record(dict(row)) for row in connection.execute(_PAGE, values).mappings()]

    def take(self, image: PendingImage) -> Record:
        """The record of a photo that came through the pipeline, once."""
        return self._under_way.pop(image.object_key)

    def get(self, key: str, *, etag: str | None = None, max_bytes: int | None = None) -> bytes:
        """The bytes that were judged.

        Raises:
            ObjectAbsent: neither the bucket nor the kept copies have them any more.
        """
        record = self._under_way[key]
        try:
            data = self._connections.photos.get(key, etag=etag, max_bytes=max_bytes)
            if content_hash(data) == record.content_sha256:
                return data
        except (ObjectAbsent, ObjectChanged):
            pass
        if not record.kept:
            raise ObjectAbsent(f"{key} is gone, or holds another photo, and no copy was kept")
        return self._copy(record.content_sha256)

    def _copy(self, content_sha256: str) -> bytes:
        # One thread at a time: two that write the same file would be in each other's way.
        with self._one_copy:
            [path] = local_copies(self._connections.models, [content_sha256], self._cache)
            return path.read_bytes()


def _record(row: dict[str, Any]) -> Record:
    image = PendingImage(row.pop("object_key"), row.pop("etag"), row.pop("size_bytes"))
    screens = {name: from_json(name, stored) for name, stored in row.pop("screens").items()}
    return Record(image=image, reasons=tuple(row.pop("reasons")), screens=screens, **row)
