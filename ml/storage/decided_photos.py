"""Photos that reviewers decided on: the near-duplicate index, and decisions on the same bytes.

Both consider only labels before a moment: for a run its start, so that a retry reads the same.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from ml.core.types import DecidedPhoto
from ml.policy.schema import Policy
from ml.storage.database import in_transaction
from ml.storage.rows import last_of_page
from ml.storage.schema import human_label

_PAGE = 20_000  # labels
_AFTER_ALL = "g"  # sorts after any hexadecimal digest

# Each reviewer's latest active label of a content. Here and below, `offset 0` and `count(*)` let
# each content be looked up, whatever the statistics say.
_LATEST_LABELS = """
    select distinct on (h.content_sha256, h.reviewer)
        h.content_sha256, h.label, h.label_id, h.decided_at
    from {labels} h
    where (cast(:before as timestamptz) is null or h.decided_at < :before)
    order by h.content_sha256, h.reviewer, h.decided_at desc, h.label_id desc
"""

_WITHIN = "h.content_sha256 > :after and h.content_sha256 <= :until"
# A join of many labels to the few undone ones; the view looks up each.
_LABELS_WITHIN = f"""(
    select * from moderation.human_label h where {_WITHIN} and not exists (
        select from moderation.decision_undo u where u.label_id = h.label_id
    )
)"""  # noqa: S608 - built from constants

# Blocked if any reviewer says so: a screen may only be too strict. Pages of text (`dense`) are left
# out: they all look alike to PDQ.
_INDEX_PAGE = text(
    f"""
    with latest as ({_LATEST_LABELS.format(labels=_LABELS_WITHIN)}),
    decided as (
        select content_sha256, bool_or(label = any(cast(:violations as text[]))) as blocked
        from latest where label = any(cast(:classes as text[]))
        group by content_sha256
        union all
        select content_sha256, true from moderation.blocklist_photo as h where {_WITHIN}
    ),
    page as (
        select content_sha256, bool_or(blocked) as blocked from decided group by content_sha256
    )
    select p.content_sha256, coalesce(k.pdq, i.pdq) as pdq,
        coalesce(k.pdq_quality, i.pdq_quality) as quality, p.blocked
    from page p
    left join lateral (
        select pdq, pdq_quality from moderation.archived_photo
        where content_sha256 = p.content_sha256 offset 0
    ) k on true
    left join lateral (
        select pdq, pdq_quality from (
            select * from moderation.image
            where content_sha256 = p.content_sha256 and pdq is not null and k.pdq is null offset 0
        ) as seen
        order by object_key, etag limit 1
    ) i on true
    where coalesce(k.pdq, i.pdq) is not null and (
        select count(*) from moderation.verdict v where v.content_sha256 = p.content_sha256
            and v.screens @> '{{"text": {{"evidence": {{"dense": true}}}}}}'
    ) = 0
    """  # noqa: S608 - built from constants
)


def decided_photos(
    engine: Engine, policy: Policy, *, before: datetime | None
) -> Iterator[DecidedPhoto]:
    """The photos of a near-duplicate index, read in pages; `before` None considers all labels."""
    after = ""
    while after != _AFTER_ALL:
        after, rows = in_transaction(engine, _load_page, policy, before, after)
        yield from rows


def _load_page(
    connection: Connection, policy: Policy, before: datetime | None, after: str
) -> tuple[str, list[DecidedPhoto]]:
    """The photos of the next labels by content hash, and the last hash of the page."""
    last, labels = last_of_page(connection, human_label.c.content_sha256, after, _PAGE)
    until = _AFTER_ALL if last is None or labels < _PAGE else last
    values = {
        "before": before,
        "violations": sorted(policy.violations),
        "classes": sorted(policy.classes),
        "after": after,
        "until": until,
    }
    return until, [DecidedPhoto(*row) for row in connection.execute(_INDEX_PAGE, values)]


@dataclass(frozen=True)
class EarlierDecision:
    """The label that all reviewers of a content agree on; `label_id` is the latest of theirs."""

    label: str
    label_id: int


_LABELS_LISTED = """
    unnest(cast(:contents as text[])) as listed (content)
    cross join lateral (
        select * from moderation.active_label where content_sha256 = listed.content offset 0
    )
"""

_EARLIER_DECISIONS = text(
    f"""
    with latest as ({_LATEST_LABELS.format(labels=_LABELS_LISTED)})
    select content_sha256, min(label) as label,
        (array_agg(label_id order by decided_at desc, label_id desc))[1] as label_id
    from latest group by content_sha256 having min(label) = max(label)
    """  # noqa: S608 - built from constants
)


def earlier_decisions(
    connection: Connection, contents: Collection[str], *, before: datetime | None
) -> dict[str, EarlierDecision]:
    """The decision on each content whose reviewers agree; `before` None considers all labels."""
    if not contents:
        return {}
    values = {"before": before, "contents": sorted(contents)}
    rows = connection.execute(_EARLIER_DECISIONS, values)
    return {content: EarlierDecision(label, label_id) for content, label, label_id in rows}
