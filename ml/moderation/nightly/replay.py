"""Score and decide a past run again from its records, and check that the results are the same.

Photos, model, policy, threshold and screen results are the recorded ones. Screens do not run again:
near duplicates depend on what reviewers had decided by then, and text on the time that was left.
Each verdict is computed as it was: by backend, number type, variant and batch size. With the same
libraries, CPU instructions and device, scores must be equal to the last bit. If one of these
differs, other last bits are expected and only reported; but a different decision is always a
failure, because the commerce database has acted on the decision.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock

import structlog

from ml.core.errors import (
    ObjectArchived,
    ObjectChanged,
    ObjectNotFound,
    QuarantineReason,
    ReplayMismatch,
    RunNotStarted,
)
from ml.core.settings import Settings
from ml.core.types import NotFetched, Outcome, PendingImage, Scored
from ml.models.predictor import describe_device, resolve_device, runtime_fingerprint
from ml.moderation.pipeline.model_loading import ModelLoader
from ml.moderation.pipeline.pipeline import Pipeline
from ml.policy.verdict import decide
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.photo_cache import local_copies
from ml.storage.recorded_verdicts import (
    RecordedComputation,
    RecordedVerdict,
    load_recorded_verdicts,
    recorded_computations,
)
from ml.vision.images.fingerprint import content_hash

log = structlog.get_logger()

EXAMPLES = 5  # object keys in the message
LOG_EVERY = 1000  # photos
UNKNOWN = "unknown"  # what a verdict of an older version of this program did not record
_MISSING_ERRORS = (QuarantineReason.OBJECT_ABSENT, QuarantineReason.OBJECT_CHANGED)


def replay(run_id: str, *, settings: Settings, connections: Connections) -> "ReplayResult":
    """Replay a reconciled run; changes nothing.

    Raises:
        ReplayMismatch: scores differ although nothing else does, a decision changed, or a photo
            can no longer be scored although its bytes exist; names some of the photos.
        RunNotStarted: there is no such run, or it was not reconciled.
        ObjectNotFound: the bucket no longer holds the run's model.
    """
    run = in_transaction(connections.engine, audit_runs.load, run_id)
    row = in_transaction(connections.engine, audit_runs.row_of, run_id)
    if row["state"] != "reconciled":
        raise RunNotStarted(
            f"run {run_id} is {row['state']}: only a reconciled run can be replayed"
        )
    result = ReplayResult(run)
    for computed in in_transaction(connections.engine, recorded_computations, run_id):
        _replay(result, computed, settings, connections)
    log.info("replayed", run_id=run_id, result=str(result))
    result.check()
    return result


def _replay(
    result: "ReplayResult",
    computed: RecordedComputation,
    settings: Settings,
    connections: Connections,
) -> None:
    """Score the photos again whose verdicts were computed in one way."""
    run = result.run
    cache = settings.data_dir / "labelled"
    recorded = RecordedPhotoSource(run.run_id, computed, connections, cache)
    loader = ModelLoader(run.policy, settings, connections, batch_size=computed.batch_size)
    predictor = loader.load(run.model_hash, computed.computation)
    pipeline = Pipeline(
        store=recorded,
        predictor=predictor,
        violations=run.policy.violations,
        settings=settings,
        picture_side=run.policy.screens.picture_side,
    )
    device = describe_device(resolve_device(settings.device), predictor.computation)
    runtime = runtime_fingerprint(predictor.batch_size, predictor.computation)
    result.runtime_now = runtime | {"device": device}
    with closing(pipeline.run(recorded.images())) as batches:
        for batch in batches:
            for outcome in batch:
                result.add(recorded.take(outcome.image), outcome)


@dataclass
class ReplayResult:
    """How the recorded verdicts of a run and the new outcomes compare, in photos."""

    run: AuditRun
    runtime_now: dict[str, str] = field(default_factory=dict)  # what scores depend on, by name
    runtimes: dict[str, set[tuple[str, str]]] = field(default_factory=lambda: defaultdict(set))
    photos: int = 0  # with a verdict of the run's model and policy
    compared: int = 0  # scored again
    missing: int = 0  # whose bytes no longer exist
    unreadable: int = 0  # scored then, and rejected now
    equal: int = 0  # with the same scores, decision and reasons
    largest_difference: float = 0.0  # of any class's score
    decisions_changed: int = 0
    unexplained: int = 0  # other scores although nothing that they depend on has changed
    examples: list[str] = field(default_factory=list)

    @property
    def runtime_differs(self) -> dict[str, tuple[str, str]]:
        """What scores depend on and has changed: name -> (then, now)."""
        changed = {}
        for name, pairs in sorted(self.runtimes.items()):
            then, now = (", ".join(sorted(values)) for values in map(set, zip(*pairs, strict=True)))
            if any(a != b for a, b in pairs):
                changed[name] = (then, now)
        return changed

    def __str__(self) -> str:
        text = (
            f"{self.photos:,} photos, {self.compared:,} scored again, {self.equal:,} equal; "
            f"largest difference {self.largest_difference:.3g}, {self.decisions_changed:,} "
            f"decisions changed; {self.missing:,} missing, {self.unreadable:,} unreadable"
        )
        changed = [f"{name} {then} -> {now}" for name, (then, now) in self.runtime_differs.items()]
        return f"{text}; now different: {'; '.join(changed)}" if changed else text

    def add(self, record: RecordedVerdict, outcome: Outcome) -> None:
        """Compare one photo."""
        if isinstance(outcome, NotFetched):
            raise outcome.error  # the bucket failed, not the photo
        self.photos += 1
        if isinstance(outcome, Scored):
            self._compare(record, outcome)
        elif outcome.error.reason in _MISSING_ERRORS:
            self.missing += 1
        else:
            self.unreadable += 1
            self._add_example(record)
        if self.photos % LOG_EVERY == 0:
            log.info("replaying", photos=self.photos, equal=self.equal)

    def _compare(self, record: RecordedVerdict, outcome: Scored) -> None:
        self.compared += 1
        then = record.runtime_versions | {"device": record.device or UNKNOWN}
        for name in then.keys() | self.runtime_now.keys():
            pair = then.get(name, UNKNOWN), self.runtime_now.get(name, UNKNOWN)
            self.runtimes[name].add(pair)
        now = decide(
            outcome.scores,
            pass_confidence=record.pass_confidence,
            policy=self.run.policy,
            screens=record.screens,
        )
        names = record.scores.keys() | outcome.scores.keys()
        differences = [abs(record.scores[n] - outcome.scores[n]) for n in names]
        self.largest_difference = max(self.largest_difference, *differences)
        same_decision = now.decision.value == record.decision
        if same_decision and now.reasons == record.reasons and not any(differences):
            self.equal += 1
            return
        comparable = then == self.runtime_now
        self.decisions_changed += not same_decision
        self.unexplained += comparable
        if comparable or not same_decision:
            self._add_example(record)

    def _add_example(self, record: RecordedVerdict) -> None:
        self.examples = [*self.examples, record.image.object_key][:EXAMPLES]

    def check(self) -> None:
        """Raise `ReplayMismatch` unless all differences are explained and harmless."""
        if self.unexplained or self.decisions_changed or self.unreadable:
            raise ReplayMismatch(
                f"run {self.run.run_id} has other results, {self.unexplained:,} photos without a "
                f"reason: {self}. Among them: {', '.join(self.examples)}"
            )


class RecordedPhotoSource:
    """The verdicts of a run that were computed in one way, as a source of photos for a `Pipeline`.

    Bytes are identified by content, not by name: the bucket's if they still have the recorded hash,
    else the copy in the photo archive, which `cache` holds locally. Memory holds the records in
    progress.
    """

    def __init__(
        self, run_id: str, computed: RecordedComputation, connections: Connections, cache: Path
    ) -> None:
        self._run_id, self._computed = run_id, computed
        self._connections, self._cache = connections, cache
        self._in_progress: dict[str, RecordedVerdict] = {}
        self._copy_lock = Lock()

    def images(self) -> Iterator[PendingImage]:
        """The photos in key order, read in pages."""
        load_page = partial(load_recorded_verdicts, run_id=self._run_id, computed=self._computed)
        after = ""
        while page := in_transaction(self._connections.engine, partial(load_page, after=after)):
            for record in page:
                self._in_progress[record.image.object_key] = record
                yield record.image
            after = page[-1].image.object_key

    def take(self, image: PendingImage) -> RecordedVerdict:
        """The record of a photo that came through the pipeline, once."""
        return self._in_progress.pop(image.object_key)

    def get(
        self,
        key: str,
        *,
        etag: str | None = None,
        size_bytes: int | None = None,  # noqa: ARG002 - the recorded hash is compared
        max_bytes: int | None = None,
    ) -> bytes:
        """The bytes of a recorded verdict; `ObjectNotFound` if bucket and archive lack them."""
        record = self._in_progress[key]
        try:
            data = self._connections.photos.get(key, etag=etag, max_bytes=max_bytes)
            if content_hash(data) == record.content_sha256:
                return data
        except (ObjectNotFound, ObjectChanged, ObjectArchived):
            pass
        if not record.archived:
            raise ObjectNotFound(f"{key} is missing, or holds another photo, and was not archived")
        # One thread at a time: two of them may want to write the same file.
        with self._copy_lock:
            [path] = local_copies(self._connections.models, [record.content_sha256], self._cache)
            return path.read_bytes()
