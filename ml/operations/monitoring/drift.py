"""Drift: whether a run's scores are distributed as they were when its model was new."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from ml.operations.monitoring.run_summary import NightlyRun
from ml.storage.read.run_summary import list_earlier_runs, sample_scores

Floats = npt.NDArray[np.float64]
Sign = Literal["too_few", "none", "moderate", "strong"]

BINS = 10
# Siddiqi 2006 (Credit Risk Scorecards, ch. 8): a rule of thumb, not a test.
MODERATE, STRONG = 0.1, 0.25
# Photos per side: at this sample size chance alone moves the index by 0.01 at most.
SAMPLE = 3_500
REFERENCE_PHOTOS = 1_000
_MAX_REFERENCE_RUNS = 30
# 95 % quantile of chi-square with BINS - 1 = 9 degrees of freedom.
_CHI_SQUARE = 16.919
_HISTOGRAM_BINS = 20


@dataclass(frozen=True)
class Drift:
    """The population stability index (PSI) of a run's violation scores.

    `chance` is the 95 % quantile of the index without a change. `reference` and `current` are
    shares of photos in 20 equal bins of the score.
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
        """Class of the index; `too_few` where chance alone could reach a moderate one."""
        if self.chance >= MODERATE:
            return "too_few"
        if self.psi < MODERATE:
            return "none"
        return "moderate" if self.psi <= STRONG else "strong"


def psi(reference: Floats, current: Floats) -> float:
    """Sum over bins of (c - r) ln(c / r), r and c being the shares of photos; 0 is no change.

    Both samples need at least one score. The bins are the reference's quantiles; equal quantiles
    are merged. A bin counts as at least half a photo, so that an empty one does not make the index
    infinite.
    """
    edges = np.unique(np.quantile(reference, np.arange(1, BINS) / BINS))
    r, c = _shares(reference, edges), _shares(current, edges)
    return float(((c - r) * np.log(c / r)).sum())


def _shares(scores: Floats, edges: Floats) -> Floats:
    index = np.searchsorted(edges, scores, side="right")
    counts = np.bincount(index, minlength=len(edges) + 1)
    shares: Floats = np.maximum(counts, 0.5) / len(scores)
    return shares


def chance_level(reference_photos: int, current_photos: int) -> float:
    """95 % quantile of the index when both samples come from the same distribution.

    Without change, the index is about (1/N + 1/M) times chi-square with bins - 1 degrees of freedom
    (Yurdakul and Naranjo 2020, Journal of Risk Model Validation 14:4).
    """
    return (1.0 / reference_photos + 1.0 / current_photos) * _CHI_SQUARE


def compare(reference: Floats, current: Floats, runs: Sequence[str]) -> Drift:
    """The drift between two samples, each with at least one score."""
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


def drift_of(connection: Connection, nightly_run: NightlyRun) -> Drift | None:
    """The run against the first runs of its model and policy; None where it is one of them.

    Validation scores are not stored with a version, so the reference is how the model scored the
    commerce database's own photos when it was new: its earliest reconciled runs, up to 1,000
    photos.
    """
    current = scores_of(connection, nightly_run.run_id, judged=nightly_run.judged)
    if not len(current):
        return None
    runs = _reference_runs(connection, nightly_run)
    samples = [scores_of(connection, run_id, judged=judged) for run_id, judged in runs]
    reference = np.concatenate([np.empty(0), *samples])
    if not len(reference):
        return None
    return compare(reference, current, [run_id for run_id, _ in runs])


def _reference_runs(connection: Connection, nightly_run: NightlyRun) -> list[tuple[str, int]]:
    """(run id, photos scored) of the first earlier runs by the same model and policy."""
    earlier = list_earlier_runs(
        connection,
        nightly_run.rank,
        model_hash=nightly_run.model_hash,
        policy_version=nightly_run.policy_version,
        limit=_MAX_REFERENCE_RUNS,
    )
    before = accumulate((judged for _, judged in earlier), initial=0)
    return [run for run, photos in zip(earlier, before, strict=False) if photos < REFERENCE_PHOTOS]


def scores_of(connection: Connection, run_id: str, *, judged: int) -> Floats:
    """Violation scores (N,) of about SAMPLE of the photos that a run scored itself."""
    every = max(1, judged // SAMPLE)
    return np.array(sample_scores(connection, run_id, every=every), dtype=np.float64)
