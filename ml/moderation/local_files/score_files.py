"""Score local files as a nightly run that starts now would score uploads; writes nothing.

Version, policy, computation, decode workers and screens are those of the run, and so are the photos
that reviewers have decided on. The database refuses writes of these connections.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection
from structlog.contextvars import get_contextvars

from ml.core.budget import Budget
from ml.core.concurrency import StageTimer
from ml.core.errors import StorageError
from ml.core.settings import Settings
from ml.core.types import Json, Outcome, PendingImage, Scored
from ml.models import registry
from ml.models.predictor import Predictor
from ml.moderation.local_files.scored_file import ScoredFile
from ml.moderation.pipeline.decode_pool import decode_pool
from ml.moderation.pipeline.model_loading import ModelLoader
from ml.moderation.pipeline.pass_check import PassCheck, earlier_loader
from ml.moderation.pipeline.pipeline import Pipeline
from ml.moderation.pipeline.screening import (
    Screening,
    load_duplicate_index,
    load_screening,
)
from ml.moderation.pipeline.signals import load_signals
from ml.moderation.pipeline.similar_decisions import load_for_version
from ml.policy.schema import Policy, load_policy
from ml.policy.verdict import decide
from ml.storage.connections import Connections
from ml.storage.database import check_migrated, in_transaction
from ml.storage.decided_photos import EarlierDecision, earlier_decisions
from ml.vision.screens.duplicate_index import DuplicateIndex
from ml.vision.screens.runner import ScreenRunner

_LOG_FIELD = "image"  # that the pipeline's threads bind to the photo that they work on


@dataclass(frozen=True)
class FileScorer:
    """A version and a policy, ready to score files."""

    policy: Policy
    predictor: Predictor
    pipeline: Pipeline
    timer: "PhotoTimer"
    connections: Connections

    def describe(self) -> dict[str, Json]:
        """What the verdicts depend on besides the photo; `pass_confidence` is that of a pass."""
        computation = self.predictor.computation
        return {
            "model_version": self.predictor.card.model_hash,
            "policy_version": self.policy.version,
            "pass_confidence": self.predictor.pass_confidence,
            "computation": str(computation),
            "variant": computation.variant,
            "batch_size": self.predictor.batch_size,
        }

    def score(self, paths: Iterable[Path]) -> Iterator[ScoredFile]:
        """Score files, in their order; a file that cannot be read or scored stops no other.

        Raises:
            WorkerFailed: photos cannot be decoded on this machine.
            StorageForbidden, StorageUnavailable: the database, for decisions on the same bytes.
        """
        with closing(self.pipeline.run(map(_find_file, paths))) as batches:
            for batch in batches:
                yield from self._decide_batch(batch)

    def _decide_batch(self, outcomes: Sequence[Outcome]) -> Iterator[ScoredFile]:
        scored = [outcome for outcome in outcomes if isinstance(outcome, Scored)]
        shares = {k: s / max(len(scored), 1) for k, s in self.timer.drain().items()}
        contents = {photo.content.sha256 for photo in scored}
        earlier = in_transaction(self.connections.engine, self._load_earlier, contents)
        for outcome in outcomes:
            yield self._decide(outcome, earlier, shares if isinstance(outcome, Scored) else {})

    def _load_earlier(
        self, connection: Connection, contents: set[str]
    ) -> dict[str, EarlierDecision]:
        if not self.policy.reuses_decisions:
            return {}
        return earlier_decisions(connection, contents, before=None)

    def _decide(
        self,
        outcome: Outcome,
        earlier: Mapping[str, EarlierDecision],
        shares: Mapping[str, float],
    ) -> ScoredFile:
        path = outcome.image.object_key
        verdict = None
        if isinstance(outcome, Scored):
            known = earlier.get(outcome.content.sha256)
            verdict = decide(
                outcome.scores,
                pass_confidence=self.predictor.pass_confidence,
                policy=self.policy,
                screens=outcome.screens,
                human_label=known.label if known else None,
            )
        return ScoredFile(path, outcome, verdict, {**self.timer.take(path), **shares})


def load_scorer(
    settings: Settings,
    connections: Connections,
    *,
    version: str | None = None,
    read_all_text: bool = False,
) -> FileScorer:
    """Load a version (its hash or the first digits; None: the champion) as a nightly run does.

    With `read_all_text`, every photo on which the gate finds text likely enough is read, also those
    that do not pass anyway; else, as in a nightly run, those that would pass, within the budget.

    Raises:
        NoChampion, ModelError, PolicyError, SettingsError: nothing can be scored; says why.
        StorageError: database or bucket failed.
    """
    connections = connections.read_only()
    engine, timer = connections.engine, PhotoTimer()
    decode_pool(settings).start()  # the workers load while the model does
    in_transaction(engine, check_migrated)
    policy = load_policy(settings.policy_file)
    ScreenRunner(policy.screens).load()  # a broken file stops here
    model_hash = in_transaction(engine, _find_version, version)
    loader = ModelLoader(policy, settings, connections, check=True)
    computation = loader.choose(model_hash).computation
    batch_size = loader.choose_batch_size(model_hash, computation)
    similar = load_for_version(loader, model_hash, computation, before=datetime.now(UTC))
    loader = replace(loader, batch_size=batch_size, with_features=similar is not None)
    predictor = loader.load(model_hash, computation)
    decided = load_duplicate_index(engine, policy, before=None)
    check = PassCheck(policy, predictor.pass_confidence, earlier_loader(engine, before=None))
    pipeline = Pipeline(
        store=FileSource(),
        predictor=predictor,
        violations=policy.violations,
        similar=similar,
        signals=load_signals(policy.screens, settings, connections, timer),
        settings=settings,
        picture_side=policy.screens.picture_side,
        screening=_load_screening(check, decided, read_all=read_all_text),
        clock=timer,
    )
    return FileScorer(policy, predictor, pipeline, timer, connections)


def _load_screening(
    check: PassCheck, decided: DuplicateIndex, *, read_all: bool
) -> Screening | None:
    screens = check.policy.screens
    if read_all:
        return load_screening(screens, decided, budget=Budget(math.inf))
    return load_screening(screens, decided, check.needs_text)


def _find_version(connection: Connection, version: str | None) -> str:
    if version is None:
        return registry.champion_hash(connection)
    return registry.find_version(connection, version)


def _find_file(path: Path) -> PendingImage:
    """The file as if it were listed; reading says why if there is none."""
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    return PendingImage(str(path), "", size)


class FileSource:
    """Files of this machine as a source of photos for a `Pipeline`; keys are paths."""

    def get(
        self,
        key: str,
        *,
        etag: str | None = None,  # noqa: ARG002 - files have none
        size_bytes: int | None = None,  # noqa: ARG002 - a file may have grown
        max_bytes: int | None = None,
    ) -> bytes:
        """The bytes of a file, at most one over `max_bytes`.

        Raises:
            StorageError: it cannot be read; says why.
        """
        path = Path(key)
        try:
            if path.exists() and not path.is_file():
                raise StorageError("not a regular file")  # a pipe would be waited for
            with path.open("rb") as file:
                return file.read(-1 if max_bytes is None else max_bytes + 1)
        except OSError as error:
            raise StorageError(error.strerror or str(error)) from error


class PhotoTimer(StageTimer):
    """Keeps the seconds of each photo apart: the log context names the one that a thread works on.

    `drain` returns those of whole batches.
    """

    def __init__(self) -> None:
        super().__init__()
        self._of_photos: dict[str, StageTimer] = {}

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds to a stage, of the photo if there is one."""
        key = get_contextvars().get(_LOG_FIELD)
        if key is None:
            super().add(stage, seconds)
        else:
            self._of_photos.setdefault(key, StageTimer()).add(stage, seconds)

    def take(self, key: str) -> dict[str, float]:
        """The seconds of a photo, by stage; each once."""
        found = self._of_photos.pop(key, None)
        return found.drain() if found else {}
