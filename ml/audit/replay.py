"""Judge a past run again from its records, and say whether it comes to the same.

Photos, model, policy, cut-off and what the screens said are the recorded ones: screens are not run
again, since near duplicates depend on what people had decided by then and reading on the time there
was. On the same libraries, CPU instructions,
batch size and device the scores must be equal to the last bit. Where one of these is another, other
last bits are expected and only reported; but a decision that comes out otherwise is a failure
everywhere, since it is what the buyer saw.
"""

from contextlib import closing
from dataclasses import dataclass, field

import structlog

from ml.audit.recorded import Record, RecordedPhotos
from ml.connections import Connections
from ml.errors import QuarantineReason, ReplayDiffers, RunNotBegun
from ml.images.decode import decode_limits
from ml.inference.device import describe, resolve
from ml.inference.outcome import NotFetched, Outcome, Rejected, Scored
from ml.inference.pipeline import Pipeline
from ml.inference.predictor import Predictor
from ml.model import registry
from ml.policy.policy import Policy
from ml.policy.verdict import decide
from ml.settings import Settings
from ml.storage import audit_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.database import in_transaction
from ml.storage.verdicts import conditions

log = structlog.get_logger()

EXAMPLES = 5  # object keys in the message
LOG_EVERY = 1000  # photos
UNKNOWN = "unknown"  # what a verdict of an older version of this program did not record
_GONE = (QuarantineReason.OBJECT_ABSENT, QuarantineReason.OBJECT_CHANGED)


@dataclass(frozen=True)
class ReplayResult:
    """What judging again came to.

    Args:
        photos: that have a verdict of the run's model and policy.
        compared: photos judged again.
        gone: photos whose bytes are not there any more.
        unreadable: photos that could be judged then, and now are rejected.
        equal: photos with the same scores, decision and reasons.
        largest_difference: of any class's score.
        decisions_changed: photos with another decision.
        libraries_differ: what the scores depend on and is another now: name -> (then, now).
        device_then: as the run recorded it.
        device_now: of this replay.
    """

    photos: int
    compared: int
    gone: int
    unreadable: int
    equal: int
    largest_difference: float
    decisions_changed: int
    libraries_differ: dict[str, tuple[str, str]]
    device_then: str
    device_now: str

    def __str__(self) -> str:
        text = (
            f"{self.photos:,} photos, {self.compared:,} judged again, {self.equal:,} equal; "
            f"largest difference {self.largest_difference:.3g}, {self.decisions_changed:,} "
            f"decisions changed; {self.gone:,} gone, {self.unreadable:,} unreadable"
        )
        changed = [f"{name} {then} -> {now}" for name, (then, now) in self.libraries_differ.items()]
        if self.device_then != self.device_now:
            changed.append(f"device {self.device_then} -> {self.device_now}")
        return f"{text}; now different: {'; '.join(changed)}" if changed else text


def replay(run_id: str, *, settings: Settings, connections: Connections) -> ReplayResult:
    """Judge a reconciled run again; changes nothing.

    Raises:
        ReplayDiffers: scores differ although nothing else does, a decision changed, or a photo
            cannot be judged any more although its bytes are there; names some of the photos.
        RunNotBegun: there is no such run, or it was not reconciled.
        ObjectAbsent: the bucket does not hold the run's model any more.
    """
    run = in_transaction(connections.engine, lambda c: audit_runs.load(c, run_id))
    _check_reconciled(run, connections)
    checkpoint = registry.fetch(
        run.model_hash, store=connections.models, cache=connections.model_cache
    )
    device = resolve(settings.device)
    recorded = RecordedPhotos(run_id, connections=connections, cache=settings.data_dir / "labelled")
    pipeline = Pipeline(
        store=recorded,
        predictor=Predictor(checkpoint, device=device, batch_images=settings.batch_images),
        limits=decode_limits(settings),
        fetch_threads=settings.fetch_threads,
        decode_threads=settings.decode_threads,
        picture_side=run.policy.screens.picture_side,
    )
    tally = _Tally(run.policy, conditions(settings.batch_images), describe(device))
    with closing(pipeline.run(recorded.images())) as batches:
        for batch in batches:
            for outcome in batch:
                tally.add(recorded.take(outcome.image), outcome)
    return tally.settled(run)


def _check_reconciled(run: AuditRun, connections: Connections) -> None:
    row = in_transaction(connections.engine, lambda c: audit_runs.row_of(c, run.run_id))
    if row["state"] != "reconciled":
        raise RunNotBegun(
            f"run {run.run_id} is {row['state']}: only a reconciled run can be replayed"
        )


@dataclass
class _Tally:
    """Adds up how records and new outcomes compare."""

    policy: Policy
    conditions: dict[str, str]
    device: str
    photos: int = 0
    compared: int = 0
    gone: int = 0
    unreadable: int = 0
    equal: int = 0
    largest: float = 0.0
    decisions_changed: int = 0
    unexplained: int = 0  # other scores although nothing that they depend on is another
    then: dict[str, set[str]] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def add(self, record: Record, outcome: Outcome) -> None:
        """Take one photo."""
        if isinstance(outcome, NotFetched):
            raise outcome.error  # the bucket, not the photo: nothing can be said
        self.photos += 1
        if isinstance(outcome, Rejected):
            self._rejected(record, outcome)
        else:
            self._compare(record, outcome)
        if self.photos % LOG_EVERY == 0:
            log.info("replaying", photos=self.photos, equal=self.equal)

    def _rejected(self, record: Record, outcome: Rejected) -> None:
        if outcome.error.reason in _GONE:
            self.gone += 1
            return
        self.unreadable += 1
        self._example(record)

    def _compare(self, record: Record, outcome: Scored) -> None:
        self.compared += 1
        for name in record.libraries.keys() | self.conditions.keys():
            self.then.setdefault(name, set()).add(record.libraries.get(name, UNKNOWN))
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
        comparable = record.libraries == self.conditions and record.device == self.device
        self.unexplained += comparable
        if comparable or not same_decision:
            self._example(record)

    def _example(self, record: Record) -> None:
        if len(self.examples) < EXAMPLES:
            self.examples.append(record.image.object_key)

    def settled(self, run: AuditRun) -> ReplayResult:
        """The result.

        Raises:
            ReplayDiffers: it is not what it must be.
        """
        result = ReplayResult(
            photos=self.photos,
            compared=self.compared,
            gone=self.gone,
            unreadable=self.unreadable,
            equal=self.equal,
            largest_difference=self.largest,
            decisions_changed=self.decisions_changed,
            libraries_differ=self._libraries_differ(),
            device_then=run.device,
            device_now=self.device,
        )
        log.info("replayed", run_id=run.run_id, result=str(result))
        if self.unexplained or self.decisions_changed or self.unreadable:
            raise ReplayDiffers(
                f"run {run.run_id} comes out otherwise, {self.unexplained:,} photos without a "
                f"reason: {result}. Among them: {', '.join(self.examples)}"
            )
        return result

    def _libraries_differ(self) -> dict[str, tuple[str, str]]:
        pairs = {
            name: (", ".join(sorted(then)), self.conditions.get(name, UNKNOWN))
            for name, then in sorted(self.then.items())
        }
        return {name: (then, now) for name, (then, now) in pairs.items() if then != now}
