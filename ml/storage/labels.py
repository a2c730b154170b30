"""`moderation.human_label`: what people decided, and what is true by it.

The table is append-only; the database refuses all else. A person who changes their mind adds a row;
a decision taken back has a row in `moderation.decision_undo` and counts for nothing here.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import insert

from ml.storage.schema import human_label

ROUTES = ("uncertain", "violation", "random_audit", "second_review", "import")

_ROWS = 1000  # a statement, well below the 65,535 values that one may carry


@dataclass(frozen=True)
class NewLabel:
    """One person's decision on one content.

    `route` is how the photo came before the person and `sampling_rate` (0 to 1) the share of that
    route's photos that people see. `decided_at` None is the database's now.
    """

    content_sha256: str
    label: str
    reviewer: str
    route: str
    decided_at: datetime | None
    sampling_rate: float = 1.0
    category: str | None = None
    task_id: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Truth:
    """What holds for one content, by the rule of `truths`."""

    content_sha256: str
    label: str
    category: str | None
    route: str
    sampling_rate: float
    decided_at: datetime
    reviewers: int
    contested: bool


def add_labels(connection: Connection, labels: Sequence[NewLabel]) -> int:
    """Append labels; returns how many are new. The same labels again add none.

    A label without a time is known when it is the reviewer's last word for the same task.
    """
    dated = [label for label in labels if label.decided_at is not None]
    undated = _unsaid(connection, [label for label in labels if label.decided_at is None])
    # In one order, so that two writers of the same labels never wait for each other in a circle.
    dated.sort(key=lambda label: (label.content_sha256, label.reviewer, label.decided_at))
    added = sum(_insert(connection, [asdict(label) for label in part]) for part in _parts(dated))
    for label in undated:
        values = asdict(label)
        del values["decided_at"]
        added += _insert(connection, [values])
    return added


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> int:
    statement = insert(human_label).values(rows).on_conflict_do_nothing()
    return len(connection.execute(statement.returning(human_label.c.label_id)).all())


def _parts(labels: Iterable[NewLabel]) -> Iterable[list[NewLabel]]:
    source = iter(labels)
    while part := list(islice(source, _ROWS)):
        yield part


def _unsaid(connection: Connection, undated: Sequence[NewLabel]) -> list[NewLabel]:
    """Without those that repeat a decision of their task: now() would make each retry a new row."""
    words = last_words(connection, [(u.content_sha256, u.reviewer) for u in undated])
    new = []
    for label in undated:
        word = words.get((label.content_sha256, label.reviewer))
        said = label.task_id is not None and word == (label.label, label.task_id)
        if not said:
            new.append(label)
    return new


# A label that its reviewer took back is as if it had never been given, whenever they did so.
_STANDS = """
    not exists (select from moderation.decision_undo as u where u.label_id = h.label_id)
"""

_LAST_WORDS = text(
    f"""
    select distinct on (content_sha256, reviewer) content_sha256, reviewer, label, task_id
    from moderation.human_label as h
    join unnest(cast(:contents as text[]), cast(:reviewers as text[]))
        as asked (content_sha256, reviewer) using (content_sha256, reviewer)
    where {_STANDS}
    order by content_sha256, reviewer, decided_at desc, label_id desc
    """  # noqa: S608 - built from a constant
)


def last_words(
    connection: Connection, pairs: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[str, int | None]]:
    """The last label, and its task, of each (content, reviewer) that has one."""
    asked = {"contents": [content for content, _ in pairs], "reviewers": [who for _, who in pairs]}
    found = connection.execute(_LAST_WORDS, asked)
    return {(content, reviewer): (label, task) for content, reviewer, label, task in found}


_TRUTHS = text(
    f"""
    with decided as (
        select *,
            row_number() over (
                partition by content_sha256, reviewer order by decided_at desc, label_id desc
            ) as from_last,
            first_value(route) over first_seen as first_route,
            first_value(sampling_rate) over first_seen as first_rate
        from moderation.human_label as h
        where decided_at < :as_of and {_STANDS}
        window first_seen as (partition by content_sha256 order by decided_at, label_id)
    ),
    voted as (
        select *,
            count(*) over (partition by content_sha256) as reviewers,
            count(*) over (partition by content_sha256, label) as votes,
            first_value(category) over (
                partition by content_sha256, label
                order by category is null, decided_at desc, label_id desc
            ) as said_category
        from decided where from_last = 1
    ),
    placed as (
        select *,
            row_number() over (
                partition by content_sha256 order by votes desc, decided_at desc, label_id desc
            ) as place
        from voted
    )
    select content_sha256, label, said_category as category, first_route as route,
        first_rate as sampling_rate, decided_at, reviewers, votes < reviewers as contested
    from placed where place = 1
    order by content_sha256 collate "C"
    """  # noqa: S608 - as above
)


def truths(connection: Connection, *, as_of: datetime) -> list[Truth]:
    """What holds for each content by the labels decided before `as_of`; sorted by content hash.

    Each reviewer's last decision counts once, most votes win, and a tie goes to the most recent
    decision. `decided_at` is that of the winner's most recent decision, `category` the latest that
    one of its voters named. Route and sampling rate are those of the content's first label: how it
    came before people, whatever they did with it later.
    """
    rows = connection.execute(_TRUTHS, {"as_of": as_of}).mappings()
    return [Truth(**row) for row in rows]
