"""Verdicts of `/predict` in the ledger, so that the night does not judge the photo again."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects.postgresql import insert

from ml.inference.outcome import Scored
from ml.model.card import ModelCard
from ml.storage.audit_runs import JudgedBy
from ml.storage.object_store import ListedObject
from ml.storage.schema import image
from ml.storage.verdicts import write_verdicts


@dataclass(frozen=True)
class OnlineVerdict:
    """A scored photo of the bucket and its object as a listing shows it."""

    photo: Scored
    listed: ListedObject


def record_verdicts(
    connection: Connection,
    judged_by: JudgedBy,
    card: ModelCard,
    verdicts: Sequence[OnlineVerdict],
    *,
    commerce: Table,
    batch_images: int,
) -> set[str]:
    """Write what the night would write of these photos; returns the keys that were written.

    Photos without a commerce row are left to the night, which quarantines them. The commerce row
    itself is the night's to write, and so are review tasks.
    """
    keys = [verdict.listed.key for verdict in verdicts]
    has_row = select(commerce.c.object_key).where(commerce.c.object_key.in_(keys))
    known = set(connection.execute(has_row).scalars())
    # Sorted, as all who write to the ledger do: two requests would lock each other.
    mine = {v.listed.key: v for v in verdicts if v.listed.key in known}
    if not mine:
        return set()
    rows = [_ledger_row(mine[key].listed) for key in sorted(mine)]
    connection.execute(insert(image).on_conflict_do_nothing(), rows)
    scored = [mine[key].photo for key in sorted(mine)]
    write_verdicts(connection, judged_by, card, scored, batch_images=batch_images)
    return set(mine)


def _ledger_row(listed: ListedObject) -> dict[str, object]:
    return {
        "object_key": listed.key,
        "etag": listed.etag,
        "size_bytes": listed.size_bytes,
        "uploaded_at": listed.modified_at,
    }
