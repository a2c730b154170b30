"""OCR budget and decided photos of the service.

Text is read of photos that would pass otherwise. The nightly run spends a share of its processor
time on the likeliest texts of a shard. The service spends that share of its decode workers' time
over the last minute: its budget holds at most what a minute earns. So every such text is read while
few photos arrive, and the likeliest ones under load. Each request has a limit of its own, so that a
single request cannot exhaust the shared OCR budget.
"""

import threading
import time
from bisect import bisect_right, insort
from collections import deque
from datetime import UTC, datetime
from functools import partial

import structlog
from sqlalchemy import Engine

from ml.core.budget import Budget, Clock
from ml.models.card import ModelCard
from ml.moderation.pipeline.ocr_budget import EXPECTED_SECONDS, OcrCost
from ml.moderation.pipeline.screening import load_duplicate_index
from ml.moderation.pipeline.similar_decisions import SimilarDecisions, load_similar_decisions
from ml.moderation.serving.resources import DATABASE_SECONDS
from ml.policy.schema import Policy
from ml.storage.database import in_transaction
from ml.storage.photo_features import list_missing
from ml.vision.images.fingerprint import NEAR_DUPLICATE_DISTANCE
from ml.vision.screens.duplicate_index import DuplicateIndex
from ml.vision.screens.near_duplicates import Match

log = structlog.get_logger()


class RefreshingDuplicateIndex:
    """A duplicate index whose photos are replaced as a whole. Thread-safe."""

    def __init__(self) -> None:
        self._photos = DuplicateIndex(())

    def find_near(self, pdq: str, distance: int = NEAR_DUPLICATE_DISTANCE) -> list[Match]:
        """The decided photos at most `distance` bits away, the nearest first."""
        return self._photos.find_near(pdq, distance)

    def find_listed(self, content_sha256: str, data: bytes) -> str | None:
        """The outside list that has the very bytes, if there is one."""
        return self._photos.find_listed(content_sha256, data)

    def read(self, engine: Engine, policy: Policy) -> None:
        """Load all photos that reviewers have decided on; if it raises, the index is unchanged."""
        self._photos = load_duplicate_index(engine, policy, before=None)


class RefreshingSimilarDecisions:
    """Decided photos to compare features with, replaced as a whole. Thread-safe.

    `source` is that of the loaded model's features: see `ModelLoader.feature_source`. The features
    of decided photos are those that nightly runs have computed in the same way.
    """

    def __init__(self, card: ModelCard, policy: Policy, source: str) -> None:
        self._card, self._policy, self._source = card, policy, source
        self.current = SimilarDecisions((), card, policy)
        self.missing = 0  # decided photos without such features

    def read(self, engine: Engine) -> None:
        """Load the photos decided up to now; if it raises, the old ones stay."""
        now = datetime.now(UTC)
        self.current = load_similar_decisions(
            engine,
            self._card,
            self._policy,
            source=self._source,
            before=now,
            picture_seconds=DATABASE_SECONDS,
        )
        pictures = self._policy.screens.copies.enabled
        find = partial(list_missing, source=self._source, before=now, pictures=pictures)
        self.missing = len(in_transaction(engine, find))
        if not len(self.current):
            log.warning(
                "photos are not compared with decided ones: too few have features of this "
                "computation",
                features=self._source,
            )


SPAN_SECONDS = 60.0
_COST_WEIGHT = 0.1  # weight of the newest photo in the mean cost


class SharedOcrBudget:
    """OCR budget of a loaded model, shared by all requests. Thread-safe.

    It earns `share` seconds of CPU time per second.
    """

    def __init__(self, share: float, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._earned_in_span = earned = share * SPAN_SECONDS
        self._budget = Budget(earned, rate=share, capacity=earned, clock=clock)
        self._cost = EXPECTED_SECONDS
        self._arrivals: deque[tuple[float, float]] = deque()  # time and likelihood, in the span
        self._likelihoods: list[float] = []  # the same likelihoods, ascending
        self._lock = threading.Lock()

    def admits(self, likelihood: float) -> bool:
        """Whether a minute's budget covers this photo and all likelier ones of the last minute."""
        with self._lock:
            self._drop_expired()
            insort(self._likelihoods, likelihood)
            self._arrivals.append((self._clock(), likelihood))
            # Of equal likelihoods the first are read.
            rank = len(self._likelihoods) - bisect_right(self._likelihoods, likelihood) + 1
            affordable = self._earned_in_span / self._cost
        return not self._budget.exhausted and rank <= affordable

    def add_cost(self, cost: OcrCost) -> None:
        """Charge the CPU time; that of a failure does not enter the mean cost of a photo."""
        self._budget.spend(cost.cpu_seconds)
        if not cost.succeeded:
            return
        with self._lock:
            self._cost += _COST_WEIGHT * (cost.cpu_seconds - self._cost)

    def _drop_expired(self) -> None:
        oldest = self._clock() - SPAN_SECONDS
        while self._arrivals and self._arrivals[0][0] < oldest:
            _, likelihood = self._arrivals.popleft()
            self._likelihoods.pop(bisect_right(self._likelihoods, likelihood) - 1)


class RequestOcrBudget:
    """OCR budget of one request: the shared budget and a limit of the request's own.

    That limit is in wall-clock seconds, because a caller waits; started work is finished.
    """

    def __init__(self, shared: SharedOcrBudget, seconds: float) -> None:
        self._shared = shared
        self._own = Budget(seconds)

    def admits(self, likelihood: float) -> bool:
        """Whether both budgets cover the photo."""
        return not self._own.exhausted and self._shared.admits(likelihood)

    def add_cost(self, cost: OcrCost) -> None:
        """Charge both budgets."""
        self._own.spend(cost.wall_seconds)
        self._shared.add_cost(cost)
