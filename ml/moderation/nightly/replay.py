"""Score and decide a past run again from its records, and check that the results are the same.

Photos, model, policy, threshold and screen results are the recorded ones. Screens do not run again:
near duplicates depend on what reviewers had decided by then, and text on the time that was left.
With the same libraries, CPU instructions, batch size and device, scores must be equal to the last
bit. If one of these differs, other last bits are expected and only reported; but a different
decision is always a failure, because the decision is what the shop acted on.
"""

from contextlib import closing
from dataclasses import dataclass, field

import structlog

from ml.core.errors import QuarantineReason, ReplayMismatch, RunNotStarted
from ml.core.settings import Settings
from ml.core.types import NotFetched, Outcome, RejectedImage, Scored
from ml.models import registry
from ml.models.predictor import (
    Predictor,
    describe_device,
    resolve_device,
    runtime_fingerprint,
)
from ml.moderation.nightly.recorded_photos import RecordedPhotoSource
from ml.moderation.pipeline.pipeline import Pipeline
from ml.policy.schema import Policy
from ml.policy.verdict import decide
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.run_reports import RecordedVerdict
from ml.vision.images.decode import decode_limits

log = structlog.get_logger()

EXAMPLES = 5  # object keys in the message
LOG_EVERY = 1000  # photos
UNKNOWN = "unknown"  # what a verdict of an older version of this program did not record
_MISSING_ERRORS = (QuarantineReason.OBJECT_ABSENT, QuarantineReason.OBJECT_CHANGED)


@dataclass(frozen=True)
class ReplayResult:
    """The result of a replay.

    Args:
        photos: that have a verdict of the run's model and policy.
        compared: photos scored again.
        missing: photos whose bytes no longer exist.
        unreadable: photos that were scored then, and are rejected now.
        equal: photos with the same scores, decision and reasons.
        largest_difference: of any class's score.
        decisions_changed: photos with another decision.
        runtime_differs: what scores depend on and has changed: name -> (then, now).
        device_then: as the run recorded it.
        device_now: of this replay.
    """

    photos: int
    compared: int
    missing: int
    unreadable: int
    equal: int
    largest_difference: float
    decisions_changed: int
    runtime_differs: dict[str, tuple[str, str]]
    device_then: str
    device_now: str

    def __str__(self) -> str:
        text = (
            f"{self.photos:,} photos, {self.compared:,} scored again, {self.equal:,} equal; "
            f"largest difference {self.largest_difference:.3g}, {self.decisions_changed:,} "
            f"decisions changed; {self.missing:,} missing, {self.unreadable:,} unreadable"
        )
        changed = [f"{name} {then} -> {now}" for name, (then, now) in self.runtime_differs.items()]
        if self.device_then != self.device_now:
            changed.append(f"device {self.device_then} -> {self.device_now}")
        return f"{text}; now different: {'; '.join(changed)}" if changed else text


def replay(run_id: str, *, settings: Settings, connections: Connections) -> ReplayResult:
    """Replay a reconciled run; changes nothing.

    Raises:
        ReplayMismatch: scores differ although nothing else does, a decision changed, or a photo
            can no longer be scored although its bytes exist; names some of the photos.
        RunNotStarted: there is no such run, or it was not reconciled.
        ObjectNotFound: the bucket no longer holds the run's model.
    """
    run = in_transaction(connections.engine, lambda c: audit_runs.load(c, run_id))
    _check_reconciled(run, connections)
    checkpoint = registry.fetch(
        run.model_hash, store=connections.models, cache=connections.model_cache
    )
    device = resolve_device(settings.device)
    recorded = RecordedPhotoSource(
        run_id, connections=connections, cache=settings.data_dir / "labelled"
    )
    pipeline = Pipeline(
        store=recorded,
        predictor=Predictor(checkpoint, device=device, batch_size=settings.batch_size),
        limits=decode_limits(settings),
        fetch_threads=settings.fetch_threads,
        decode_threads=settings.decode_threads,
        picture_side=run.policy.screens.picture_side,
    )
    tally = _Tally(run.policy, runtime_fingerprint(settings.batch_size), describe_device(device))
    with closing(pipeline.run(recorded.images())) as batches:
        for batch in batches:
            for outcome in batch:
                tally.add(recorded.take(outcome.image), outcome)
    return tally.finalize(run)


def _check_reconciled(run: AuditRun, connections: Connections) -> None:
    row = in_transaction(connections.engine, lambda c: audit_runs.row_of(c, run.run_id))
    if row["state"] != "reconciled":
        raise RunNotStarted(
            f"run {run.run_id} is {row['state']}: only a reconciled run can be replayed"
        )


@dataclass
class _Tally:
    """Counts how recorded verdicts and new outcomes compare."""

    policy: Policy
    runtime: dict[str, str]
    device: str
    photos: int = 0
    compared: int = 0
    missing: int = 0
    unreadable: int = 0
    equal: int = 0
    largest: float = 0.0
    decisions_changed: int = 0
    unexplained: int = 0  # other scores although nothing that they depend on has changed
    then: dict[str, set[str]] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def add(self, record: RecordedVerdict, outcome: Outcome) -> None:
        """Compare one photo."""
        if isinstance(outcome, NotFetched):
            raise outcome.error  # the bucket failed, not the photo
        self.photos += 1
        if isinstance(outcome, RejectedImage):
            self._rejected(record, outcome)
        else:
            self._compare(record, outcome)
        if self.photos % LOG_EVERY == 0:
            log.info("replaying", photos=self.photos, equal=self.equal)

    def _rejected(self, record: RecordedVerdict, outcome: RejectedImage) -> None:
        if outcome.error.reason in _MISSING_ERRORS:
            self.missing += 1
            return
        self.unreadable += 1
        self._example(record)

    def _compare(self, record: RecordedVerdict, outcome: Scored) -> None:
        self.compared += 1
        for name in record.runtime_versions.keys() | self.runtime.keys():
            self.then.setdefault(name, set()).add(record.runtime_versions.get(name, UNKNOWN))
        now = decide(
            outcome.scores,
            pass_confidence=record.pass_confidence,
            policy=self.policy,
            screens=record.screens,
        )
        names = record.scores.keys() | outcome.scores.keys()
        differences = [abs(record.scores[n] - outcome.scores[n]) for n in names]
        self.largest = max(self.largest, *differences)
        same_decision = now.decision.value == record.decision
        if same_decision and now.reasons == record.reasons and not any(differences):
            self.equal += 1
            return
        self.decisions_changed += not same_decision
        comparable = record.runtime_versions == self.runtime and record.device == self.device
        self.unexplained += comparable
        if comparable or not same_decision:
            self._example(record)

    def _example(self, record: RecordedVerdict) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append(record.image.object_key)

    def finalize(self, run: AuditRun) -> ReplayResult:
        """The result.

        Raises:
            ReplayMismatch: see `replay`.
        """
        result = ReplayResult(
            photos=self.photos,
            compared=self.compared,
            missing=self.missing,
            unreadable=self.unreadable,
            equal=self.equal,
            largest_difference=self.largest,
            decisions_changed=self.decisions_changed,
            runtime_differs=self._runtime_differs(),
            device_then=run.device,
            device_now=self.device,
        )
        log.info("replayed", run_id=run.run_id, result=str(result))
        if self.unexplained or self.decisions_changed or self.unreadable:
            raise ReplayMismatch(
                f"run {run.run_id} comes out otherwise, {self.unexplained:,} photos without a "
                f"reason: {result}. Among them: {', '.join(self.examples)}"
            )
        return result

    def _runtime_differs(self) -> dict[str, tuple[str, str]]:
        pairs = {
            name: (", ".join(sorted(then)), self.runtime.get(name, UNKNOWN))
            for name, then in sorted(self.then.items())
        }
        return {name: (then, now) for name, (then, now) in pairs.items() if then != now}
