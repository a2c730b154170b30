"""Superseded verdicts, a generation at a time.

Kept, whatever its age, is a verdict
- that is the latest on its content: what the shop shows, and what the queue's pages show;
- of the champion: what a night finds already judged, and what drift is measured against;
- of a model and policy that a run of these days used, or one that is not reconciled: what its
  account, its replay and its page need;
- on a content that people decided on, were asked about, or shall be: labels, random audit and leak
  rate, golden set, known bad photos, review tasks.
"""

from collections.abc import Iterator

from sqlalchemy import Engine, text

from ml.connections import Connections
from ml.retention.plan import Plan
from ml.retention.purging import ROWS_A_BATCH, Purged, Purging
from ml.retention.rows import Rows
from ml.retention.runs import OLD_RUN, expire_runs
from ml.storage.database import in_transaction

KIND = "verdicts"

_UPTO = text(
    """
    select max(content_sha256) from (
        select content_sha256 from moderation.verdict
        where content_sha256 > :after order by content_sha256 limit :rows
    ) as page
    """
)

_ROWS = Rows(
    "verdict",
    f"""
    t.content_sha256 > :after and t.content_sha256 <= :upto and t.judged_at < :since
    and exists (
        select from moderation.verdict later
        where later.content_sha256 = t.content_sha256
            and (later.judged_at, later.model_hash, later.policy_version)
                > (t.judged_at, t.model_hash, t.policy_version)
    )
    and t.model_hash not in (select model_hash from moderation.champion)
    and not exists (
        select from moderation.audit_run r
        where r.model_hash = t.model_hash and r.policy_version = t.policy_version
            and not ({OLD_RUN})
    )
    and not exists (
        select from moderation.review_task a where a.content_sha256 = t.content_sha256
    )
    and not exists (
        select from moderation.human_label h where h.content_sha256 = t.content_sha256
    )
    and not exists (
        select from moderation.golden_photo g where g.content_sha256 = t.content_sha256
    )
    and not exists (
        select from moderation.known_bad b where b.content_sha256 = t.content_sha256
    )
    """,  # noqa: S608 - built from a constant
)


def purge_verdicts(plan: Plan, connections: Connections) -> Purged:
    """Walk the verdicts by content, a batch of contents a transaction."""
    days = plan.retention.verdict_days
    if days is None:
        return Purged(KIND, None)
    purging = Purging(KIND, days, plan, connections)
    expire_runs(purging)
    for after, upto in _ranges(connections.engine):
        _purge_range(purging, after, upto)
    return purging.purged()


def _ranges(engine: Engine) -> Iterator[tuple[str, str]]:
    """Content hashes over the first and up to the second, for one transaction each."""
    after = ""
    while True:
        start = {"after": after, "rows": ROWS_A_BATCH}
        upto = in_transaction(engine, lambda c, start=start: c.execute(_UPTO, start).scalar())  # type: ignore[misc]  # mypy cannot type a lambda's default
        if upto is None:
            return
        yield after, upto
        after = upto


def _purge_range(purging: Purging, after: str, upto: str) -> None:
    values: dict[str, object] = {"after": after, "upto": upto, "since": purging.since}
    purging.batch(lambda c: _ROWS.purge(c, values, dry_run=purging.plan.dry_run))
