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

_PAGE = 20_000  # labels
_AFTER_ALL = "g"  # sorts after any hexadecimal digest

# Each reviewer's latest active label of a content.
_LATEST_LABELS = """
    select distinct on (h.content_sha256, h.reviewer)
        h.content_sha256, h.label, h.label_id, h.decided_at
    from moderation.active_label h
    where {contents} and (cast(:before as timestamptz) is null or h.decided_at < :before)
    order by h.content_sha256, h.reviewer, h.decided_at desc, h.label_id desc
"""

_WITHIN = "h.content_sha256 > :after and h.content_sha256 <= :until"

# Blocked if any reviewer says so: a screen may only be too strict. Pages of text (`dense`) are left
# out: they all look alike to PDQ.
_INDEX_PAGE = text(
    f"""
    with latest as ({_LATEST_LABELS.format(contents=_WITHIN)}),
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
    left join moderation.archived_photo k on k.content_sha256 = p.content_sha256
    left join lateral (
        select pdq, pdq_quality from moderation.image
        where content_sha256 = p.content_sha256 and pdq is not null
        order by object_key, etag limit 1
    ) i on true
    where coalesce(k.pdq, i.pdq) is not null and not exists (
        select from moderation.verdict v where v.content_sha256 = p.content_sha256
            and v.screens @> '{{"text": {{"evidence": {{"dense": true}}}}}}'
    )
    """  # noqa: S608 - built from constants
)

_PAGE_END = text(
    """
    select max(content_sha256), count(*) from (
        select content_sha256 from moderation.human_label
        where content_sha256 > :after order by content_sha256 limit :page
    ) as next
    """
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
    until, labels = connection.execute(_PAGE_END, {"after": after, "page": _PAGE}).one()
    if labels < _PAGE:
        until = _AFTER_ALL
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


_LISTED = "h.content_sha256 = any(cast(:contents as text[]))"

_EARLIER_DECISIONS = text(
    f"""
    with latest as ({_LATEST_LABELS.format(contents=_LISTED)})
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
