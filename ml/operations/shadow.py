"""A night's verdicts beside those of the candidate in its shadow."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from ml.operations.night import Night

EXAMPLES = 6  # object keys a change: enough for a first look
SAMPLE = 10_000  # photos compared; the candidate's own report compares all


@dataclass(frozen=True)
class Change:
    """Photos that the shadow would have decided otherwise, with a few of their object keys."""

    was: str
    now: str
    photos: int
    examples: list[str]


@dataclass(frozen=True)
class Shadowed:
    """What the shadow made of photos that both judged; the most frequent change first.

    `sampled`: of a large night, about SAMPLE photos were compared.
    """

    model_hash: str
    photos: int
    same: int
    changes: list[Change]
    sampled: bool


# As `ml.storage.shadow.compared`, of every so many keys by their hash.
_COMPARED = text(
    """
    select ar.machine_decision, s.decision, count(*),
        (array_agg(ar.object_key order by ar.object_key))[1:cast(:examples as int)]
    from moderation.audit_result ar
    join moderation.shadow_verdict s
        on s.run_id = ar.run_id and s.content_sha256 = ar.content_sha256
    where ar.run_id = :run_id and ar.machine_decision is not null
        and (hashtext(ar.object_key) & 2147483647) % :every = 0
    group by ar.machine_decision, s.decision
    order by count(*) desc, ar.machine_decision, s.decision
    """
)


def shadow_of(connection: Connection, night: Night) -> Shadowed | None:
    """None where the night had no shadow."""
    if night.shadow_hash is None:
        return None
    every = max(1, night.judged // SAMPLE)
    values = {"run_id": night.run_id, "every": every, "examples": EXAMPLES}
    pairs = [Change(*row) for row in connection.execute(_COMPARED, values)]
    return Shadowed(
        model_hash=night.shadow_hash,
        photos=sum(pair.photos for pair in pairs),
        same=sum(pair.photos for pair in pairs if pair.was == pair.now),
        changes=[pair for pair in pairs if pair.was != pair.now],
        sampled=every > 1,
    )
