"""Photos that people decided on: the bank of near duplicates, and decisions on the same bytes.

Both count what had been decided by a moment: a run takes its own begin, so that a retry finds the
same.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, text

from ml.policy.policy import Policy
from ml.screens.duplicates import Decided
from ml.storage.audit_runs import JudgedBy
from ml.storage.database import in_transaction

_PAGE = 20_000  # labels
_BEHIND_ALL = "g"  # sorts behind any hexadecimal digest

# Each person's last word that stands; a label taken back is as if it had never been given.
_WORDS = """
    select distinct on (h.content_sha256, h.reviewer)
        h.content_sha256, h.label, h.label_id, h.decided_at
    from moderation.human_label h
    where {contents}
        and (cast(:before as timestamptz) is null or h.decided_at < :before)
        and not exists (select from moderation.decision_undo u where u.label_id = h.label_id)
    order by h.content_sha256, h.reviewer, h.decided_at desc, h.label_id desc
"""

_WITHIN = "h.content_sha256 > :after and h.content_sha256 <= :upto"

# Blocked where anybody says so: a screen may only be too strict. Pages of text are left out, which
# all look alike to PDQ.
_BANK = text(
    f"""
    with words as ({_WORDS.format(contents=_WITHIN)}),
    decided as (
        select content_sha256, bool_or(label = any(cast(:violations as text[]))) as blocked
        from words where label = any(cast(:classes as text[]))
        group by content_sha256
        union all
        select content_sha256, true from moderation.known_bad as h where {_WITHIN}
    ),
    page as (
        select content_sha256, bool_or(blocked) as blocked from decided group by content_sha256
    )
    select p.content_sha256, p.blocked, coalesce(k.pdq, i.pdq) as pdq,
        coalesce(k.pdq_quality, i.pdq_quality) as quality,
        exists (
            select from moderation.verdict v where v.content_sha256 = p.content_sha256
                and v.screens @> '{{"text": {{"evidence": {{"dense": true}}}}}}'
        ) as dense
    from page p
    left join moderation.labelled_photo k on k.content_sha256 = p.content_sha256
    left join lateral (
        select pdq, pdq_quality from moderation.image
        where content_sha256 = p.content_sha256 and pdq is not null
        order by object_key, etag limit 1
    ) i on true
    """  # noqa: S608 - built from constants
)

_UPTO = text(
    """
    select max(content_sha256), count(*) from (
        select content_sha256 from moderation.human_label
        where content_sha256 > :after order by content_sha256 limit :page
    ) as next
    """
)


def decided_photos(engine: Engine, run: JudgedBy) -> Iterator[Decided]:
    """The bank of near duplicates for a run, read a page at a time; all, for one not begun."""
    after = ""
    while after != _BEHIND_ALL:
        after, rows = in_transaction(engine, lambda c, after=after: _page(c, run, after))  # type: ignore[misc]  # mypy cannot type a lambda's default
        yield from rows


def _page(connection: Connection, run: JudgedBy, after: str) -> tuple[str, list[Decided]]:
    """The photos of the next labels by content hash, and where they end."""
    upto, labels = connection.execute(_UPTO, {"after": after, "page": _PAGE}).one()
    if labels < _PAGE:
        upto = _BEHIND_ALL
    values = {
        "before": run.started_at,
        "violations": sorted(run.policy.violations),
        "classes": sorted(run.policy.classes),
        "after": after,
        "upto": upto,
    }
    found = connection.execute(_BANK, values)
    return upto, [
        Decided(row.content_sha256, row.pdq, row.quality, row.blocked)
        for row in found
        if row.pdq is not None and not row.dense
    ]


@dataclass(frozen=True)
class EarlierDecision:
    """What people agreed on about a content; `label_id` is the last of their labels."""

    label: str
    label_id: int


_EARLIER = text(
    f"""
    with words as ({_WORDS.format(contents="h.content_sha256 = any(cast(:contents as text[]))")})
    select content_sha256, min(label) as label,
        (array_agg(label_id order by decided_at desc, label_id desc))[1] as label_id
    from words group by content_sha256 having min(label) = max(label)
    """  # noqa: S608 - as above
)


def earlier_decisions(
    connection: Connection, run: JudgedBy, contents: Collection[str]
) -> dict[str, EarlierDecision]:
    """The decision on each content that people gave one before the run, and agreed on."""
    if not reuses(run.policy) or not contents:
        return {}
    values = {"before": run.started_at, "contents": sorted(contents)}
    rows = connection.execute(_EARLIER, values)
    return {content: EarlierDecision(label, label_id) for content, label, label_id in rows}


def reuses(policy: Policy) -> bool:
    """Whether the policy lets earlier decisions hold again."""
    return policy.screens.duplicates.enabled and policy.screens.duplicates.reuse_decisions
