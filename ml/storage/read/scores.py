"""Scores of nightly runs, and the runs to compare them with, for the check of drift."""

from sqlalchemy import Connection, select, text, tuple_

from ml.storage.read.run_summary import RunRank
from ml.storage.schema import audit_run

_run = audit_run.c

# Every so many keys by their hash: an unbiased sample, the same each time, by the run's own index.
_SCORES = text(
    """
    select v.violation_score
    from moderation.audit_image ai
    join moderation.audit_run r on r.run_id = ai.run_id
    join moderation.image i on i.object_key = ai.object_key and i.etag = ai.etag
    join moderation.verdict v on v.content_sha256 = i.content_sha256
        and v.model_hash = r.model_hash and v.policy_version = r.policy_version
    where ai.run_id = :run_id and ai.outcome = 'judged'
        and (hashtext(ai.object_key) & 2147483647) % :every = 0
    """
)


def sample_scores(connection: Connection, run_id: str, *, every: int) -> list[float]:
    """Violation scores, 0..1, of one in `every` of the photos that a run scored itself."""
    return list(connection.execute(_SCORES, {"run_id": run_id, "every": every}).scalars())


def list_earlier_runs(
    connection: Connection,
    before: RunRank,
    *,
    model_hash: str,
    policy_version: str,
    limit: int,
) -> list[tuple[str, int]]:
    """(run id, photos scored) of the first reconciled runs of a model and policy that scored any.

    Args:
        connection: of the transaction.
        before: runs from here on are left out.
        model_hash: of the model.
        policy_version: of the policy.
        limit: number of runs, the earliest first.
    """
    query = (
        select(_run.run_id, _run.judged)
        .where(
            _run.model_hash == model_hash,
            _run.policy_version == policy_version,
            _run.state == "reconciled",
            _run.judged > 0,
            tuple_(_run.window_end, _run.started_at) < before.to_sql(),
        )
        .order_by(_run.window_end, _run.started_at, _run.run_id)
        .limit(limit)
    )
    return [(run_id, judged) for run_id, judged in connection.execute(query)]
