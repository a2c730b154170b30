"""Third step, once a shard: fetch, decode, screen, score, decide; commits in batches."""

import json
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, islice

import structlog
from sqlalchemy import Connection

from ml.audit.fetch_failures import FetchFailures
from ml.audit.preflight import check_classes, without_harm
from ml.connections import Connections
from ml.errors import ShardIncomplete
from ml.images.decode import decode_limits
from ml.inference.bounded import bounded_map
from ml.inference.clock import StageClock
from ml.inference.device import resolve
from ml.inference.outcome import Outcome, Rejected, Scored
from ml.inference.pipeline import Pipeline
from ml.inference.predictor import Predictor
from ml.inference.threads import Threads
from ml.model import registry
from ml.screens.duplicates import DecidedPhotos
from ml.screens.screening import Screening
from ml.settings import Settings
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun, Shard
from ml.storage.database import in_transaction
from ml.storage.duplicate_bank import decided_photos
from ml.storage.images import pending_images, set_outcomes
from ml.storage.quarantine import QuarantineRow, put_in_quarantine
from ml.storage.shadow import write_shadow_verdicts
from ml.storage.verdicts import write_verdicts

log = structlog.get_logger()

COMMIT_BATCHES = 4  # forward batches a commit: of 32 images each, a kill repeats at most some 400
WRITES_AHEAD = 2


def judge(shard: Shard, *, settings: Settings, connections: Connections) -> dict[str, int]:
    """Judge what is still undecided in a shard. Killed and retried, it goes on where it was.

    Returns:
        Images of this attempt: judged, quarantined.

    Raises:
        ShardIncomplete: some images could not be fetched this time; a retry tries them again.
        StorageUnavailable, StorageForbidden: bucket or database as a whole.
    """
    step = _JudgeStep(shard, settings, connections)
    return step.run()


class _JudgeStep:
    def __init__(self, shard: Shard, settings: Settings, connections: Connections) -> None:
        self._shard = shard
        self._connections = connections
        self._run: AuditRun = in_transaction(
            connections.engine, lambda c: audit_runs.load(c, shard.run_id)
        )
        self._predictor = self._load(self._run.model_hash, settings)
        self._shadow = self._load_shadow(settings)
        self._clock = StageClock()
        self._pipeline = Pipeline(
            store=connections.photos,
            predictor=self._predictor,
            shadow=self._shadow,
            limits=decode_limits(settings),
            fetch_threads=settings.fetch_threads,
            decode_threads=settings.decode_threads,
            picture_side=self._run.policy.screens.picture_side,
            screening=self._load_screens(settings.decode_threads),
            clock=self._clock,
        )
        self._failures = FetchFailures()
        self._counts = {"judged": 0, "quarantined": 0}

    def _load(self, model_hash: str, settings: Settings) -> Predictor:
        checkpoint = registry.fetch(
            model_hash, store=self._connections.models, cache=self._connections.model_cache
        )
        check_classes(checkpoint.card, self._run.policy)
        return Predictor(
            checkpoint, device=resolve(settings.device), batch_images=settings.batch_images
        )

    def _load_shadow(self, settings: Settings) -> Predictor | None:
        """The run's shadow; None where it has none or it cannot be used by now."""
        model_hash = self._run.shadow_hash
        if model_hash is None:
            return None
        return without_harm(model_hash, lambda: self._load(model_hash, settings))

    def _load_screens(self, workers: int) -> Screening | None:
        rules = self._run.policy.screens
        if not rules.decisive:
            return None
        known = decided_photos(self._connections.engine, self._run)
        decided = DecidedPhotos(known if rules.duplicates.enabled else ())
        return Screening(
            rules, decided, workers=workers, timed=lambda name: self._clock.time(f"screen_{name}")
        )

    def run(self) -> dict[str, int]:
        images = pending_images(self._connections.engine, self._shard)
        with (
            self._clock.time("wall"),
            Threads(1, "write") as writer,
            closing(self._pipeline.run(images)) as batches,
        ):
            groups = self._watched(_grouped(batches, COMMIT_BATCHES))
            for counts in bounded_map(writer, self._write, groups, ahead=WRITES_AHEAD):
                self._count(counts)
        self._finish()
        return self._counts

    def _watched(self, groups: Iterator[list[Outcome]]) -> Iterator[list[Outcome]]:
        for group in groups:
            for outcome in group:
                self._failures.watch(outcome)
            yield group

    def _count(self, counts: dict[str, int]) -> None:
        for name, number in counts.items():
            self._counts[name] += number
        done = sum(self._counts.values())
        log.info("judging", done=done, of=self._shard.images)

    def _write(self, group: list[Outcome]) -> dict[str, int]:
        with self._clock.time("write"):
            scored = [o for o in group if isinstance(o, Scored)]
            rejected = [o for o in group if isinstance(o, Rejected)]
            in_transaction(
                self._connections.engine, lambda c: self._write_once(c, scored, rejected)
            )
        return {"judged": len(scored), "quarantined": len(rejected)}

    def _write_once(
        self, connection: Connection, scored: list[Scored], rejected: list[Rejected]
    ) -> None:
        predictor = self._predictor
        write_verdicts(
            connection, self._run, predictor.card, scored, batch_images=predictor.batch_images
        )
        if self._shadow is not None:
            write_shadow_verdicts(connection, self._run, self._shadow.card, scored)
        rows = [
            QuarantineRow(r.image.object_key, r.image.etag, r.error.reason, r.error.detail)
            for r in rejected
        ]
        put_in_quarantine(connection, self._run.run_id, rows)
        keys = [row.object_key for row in rows]
        set_outcomes(connection, self._run.run_id, keys, "quarantined")

    def _finish(self) -> None:
        """Settle what was not fetched and add up the seconds."""
        engine = self._connections.engine
        settled, left = in_transaction(engine, lambda c: self._failures.settle(c, self._run.run_id))
        self._counts["quarantined"] += settled
        seconds = json.dumps(self._clock.take())
        in_transaction(engine, lambda c: audit_runs.add_seconds(c, self._shard, seconds))
        if left:
            raise ShardIncomplete(f"{left} images of shard {self._shard.index} were not fetched")


def _grouped(batches: Iterator[list[Outcome]], size: int) -> Iterator[list[Outcome]]:
    while group := list(chain.from_iterable(islice(batches, size))):
        yield group
