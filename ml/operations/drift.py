"""Whether the scores of a night are spread as they were when its model was new."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select, text, tuple_

from ml.operations.night import Night
from ml.storage.schema import audit_run

Floats = npt.NDArray[np.float64]
Sign = Literal["too_few", "none", "moderate", "strong"]

BINS = 10
# Siddiqi 2006 (Credit Risk Scorecards, ch. 8): a rule of thumb, not a test.
MODERATE, STRONG = 0.1, 0.25
# Photos a side: with so many, chance alone moves the index by 0.01 at most.
SAMPLE = 3_500
REFERENCE_PHOTOS = 1_000
_MAX_REFERENCE_NIGHTS = 30
# 95 % quantile of chi-square with BINS - 1 = 9 degrees of freedom.
_CHI_SQUARE = 16.919
_HISTOGRAM_BINS = 20


@dataclass(frozen=True)
class Drift:
    """The population stability index (PSI) of a night's violation scores.

    `chance` is what the index stays below in 95 of 100 nights if nothing changed. `reference` and
    `current` are shares of photos in 20 equal bins of the score.
    """

    psi: float
    chance: float
    reference_runs: tuple[str, ...]
    reference_photos: int
    current_photos: int
    reference: tuple[float, ...]
    current: tuple[float, ...]

    @property
    def sign(self) -> Sign:
        """What the index says; `too_few` where chance alone could reach a moderate one."""
        if self.chance >= MODERATE:
            return "too_few"
        if self.psi < MODERATE:
            return "none"
        return "moderate" if self.psi <= STRONG else "strong"


def psi(reference: Floats, current: Floats, *, bins: int = BINS) -> float:
    """Sum over bins of (c - r) ln(c / r), r and c being the shares of photos; 0 is no change.

    The bins are the reference's quantiles, those that coincide joined. A bin counts as half a photo
    at least, so that an empty one does not make the index infinite.

    Args:
        reference: (N,), at least one.
        current: (M,), at least one.
        bins: number of quantile bins.
    """
    edges = np.unique(np.quantile(reference, np.arange(1, bins) / bins))
    shares = [_shares(scores, edges) for scores in (reference, current)]
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())


def _shares(scores: Floats, edges: Floats) -> Floats:
    index = np.searchsorted(edges, scores, side="right")
    counts = np.bincount(index, minlength=len(edges) + 1)
    shares: Floats = np.maximum(counts, 0.5) / len(scores)
    return shares


def chance_level(reference_photos: int, current_photos: int) -> float:
    """What the index stays below in 95 of 100 cases when both sides are drawn alike.

    Without change, the index is about (1/N + 1/M) times chi-square with bins - 1 degrees of freedom
    (Yurdakul and Naranjo 2020, Journal of Risk Model Validation 14:4).
    """
    return (1.0 / reference_photos + 1.0 / current_photos) * _CHI_SQUARE


def compare(reference: Floats, current: Floats, runs: Sequence[str]) -> Drift:
    """Both sides put together; each with at least one score."""
    return Drift(
        psi=psi(reference, current),
        chance=chance_level(len(reference), len(current)),
        reference_runs=tuple(runs),
        reference_photos=len(reference),
        current_photos=len(current),
        reference=_histogram(reference),
        current=_histogram(current),
    )


def _histogram(scores: Floats) -> tuple[float, ...]:
    counts, _ = np.histogram(scores, bins=_HISTOGRAM_BINS, range=(0.0, 1.0))
    return tuple((counts / len(scores)).tolist())


def drift_of(connection: Connection, night: Night) -> Drift | None:
    """The night against the first nights of its model and policy; None where it is one of them.

    Validation scores are not kept with a version, so the reference is what the model made of the
    shop's own photos when it was new: its earliest reconciled nights, up to 1,000 photos.
    """
    current = scores_of(connection, night.run_id, judged=night.judged)
    if not len(current):
        return None
    runs = reference_nights(connection, night)
    parts = [scores_of(connection, run_id, judged=judged) for run_id, judged in runs]
    reference = np.concatenate(parts) if parts else np.empty(0)
    if not len(reference):
        return None
    return compare(reference, current, [run_id for run_id, _ in runs])


def reference_nights(connection: Connection, night: Night) -> list[tuple[str, int]]:
    """(run id, photos judged) of the first earlier nights by the same model and policy."""
    columns = audit_run.c
    query = (
        select(columns.run_id, columns.judged)
        .where(
            columns.model_hash == night.model_hash,
            columns.policy_version == night.policy_version,
            columns.state == "reconciled",
            columns.judged > 0,
            tuple_(columns.window_end, columns.started_at)
            < tuple_(night.window.end, night.started_at),
        )
        .order_by(columns.window_end, columns.started_at, columns.run_id)
        .limit(_MAX_REFERENCE_NIGHTS)
    )
    found: list[tuple[str, int]] = []
    for run_id, judged in connection.execute(query):
        found.append((run_id, judged))
        if sum(photos for _, photos in found) >= REFERENCE_PHOTOS:
            break
    return found


# Every so many keys by their hash: a fair sample, the same each time, from the run's own index.
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


def scores_of(connection: Connection, run_id: str, *, judged: int) -> Floats:
    """Violation scores (N,) of about SAMPLE of the photos that a run judged itself."""
    every = max(1, judged // SAMPLE)
    found = connection.execute(_SCORES, {"run_id": run_id, "every": every}).scalars()
    return np.array(list(found), dtype=np.float64)
