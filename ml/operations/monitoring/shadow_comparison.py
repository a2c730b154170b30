"""A nightly run's verdicts compared with those of its shadow model."""

from dataclasses import dataclass

from sqlalchemy import Connection

from ml.operations.monitoring.run_summary import NightlyRun
from ml.storage.shadow_verdicts import compare_decisions

_EXAMPLES = 6  # object keys per change
_SAMPLE = 10_000  # photos compared; the candidate's own report compares all


@dataclass(frozen=True)
class Change:
    """Photos that the shadow model would have decided differently, with example object keys."""

    was: str
    now: str
    photos: int
    examples: list[str]


@dataclass(frozen=True)
class Shadowed:
    """Decisions on the photos that both models scored; the most frequent change first.

    `sampled`: of a large run, about 10,000 photos were compared.
    """

    model_hash: str
    photos: int
    same: int
    changes: list[Change]
    sampled: bool


def shadow_of(connection: Connection, nightly_run: NightlyRun) -> Shadowed | None:
    """The comparison of a run; None where it had no shadow model."""
    if nightly_run.shadow_hash is None:
        return None
    every = max(1, nightly_run.judged // _SAMPLE)
    rows = compare_decisions(connection, nightly_run.run_id, samples=_EXAMPLES, every=every)
    pairs = [Change(*row) for row in rows]
    return Shadowed(
        model_hash=nightly_run.shadow_hash,
        photos=sum(pair.photos for pair in pairs),
        same=sum(pair.photos for pair in pairs if pair.was == pair.now),
        changes=[pair for pair in pairs if pair.was != pair.now],
        sampled=every > 1,
    )
