"""The monthly steps as a workflow calls them: settings from the environment, plain types."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from typing import Any

from structlog.contextvars import bound_contextvars

from ml.connections import Connections, open_connections
from ml.errors import SettingsError
from ml.retention.local_copies import forget_copies
from ml.retraining import calibrate as calibrating
from ml.retraining import check_labels as checking
from ml.retraining import evaluate as evaluating
from ml.retraining import freeze as freezing
from ml.retraining import gate as gating
from ml.retraining import promote as promoting
from ml.retraining import rollback as restoring
from ml.retraining import shadow as shadowing
from ml.retraining import train as training
from ml.retraining.manifest import Part
from ml.retraining.note import approval_brief, closing_note
from ml.settings import Settings, load_settings
from ml.storage import audit_runs, retrain_runs
from ml.storage.database import in_transaction
from ml.storage.retrain_runs import RetrainRun


@contextmanager
def _opened(**about: object) -> Iterator[tuple[Settings, Connections]]:
    settings = load_settings()
    with bound_contextvars(**about), closing(open_connections(settings)) as connections:
        forget_copies(settings, connections.engine)
        yield settings, connections


def _run(run_id: str, connections: Connections) -> RetrainRun:
    return in_transaction(connections.engine, lambda c: retrain_runs.load(c, run_id))


def freeze(
    run_id: str,
    *,
    given: str | None,
    interval_end: datetime | None,
    run_after: datetime,
    preset: str,
    seed: int,
) -> dict[str, Any]:
    """Labels as of `given`, else of the interval's end, else of the moment the run was asked for.

    Raises:
        SettingsError: `given` is no time with a zone.
        TooFewLabels: nothing to learn from.
    """
    as_of = _moment(given) if given else interval_end or run_after
    with _opened(run_id=run_id) as (settings, connections):
        manifest = freezing.freeze(
            run_id, as_of=as_of, preset=preset, seed=seed, settings=settings,
            connections=connections,
        )  # fmt: skip
        return {
            "snapshot": manifest.snapshot_hash,
            "as_of": manifest.as_of.isoformat(),
            "photos": len(manifest.photos),
            "new": sum(photo.new for photo in manifest.photos),
            "left_out": len(manifest.left_out),
            **{part.value: len(manifest.of(part)) for part in Part},
        }


def _moment(given: str) -> datetime:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise SettingsError(f"as_of={given!r} is no ISO 8601 time") from error
    if moment.tzinfo is None:
        raise SettingsError(f"as_of={given!r} has no time zone: add one, such as +08:00")
    return moment


def check_labels(run_id: str) -> dict[str, int]:
    """See `ml.retraining.check_labels`."""
    with _opened(run_id=run_id) as (settings, connections):
        doubts = checking.check_labels(run_id, settings=settings, connections=connections)
        return {"doubts": len(doubts)}


def train(run_id: str) -> str:
    """See `ml.retraining.train`."""
    with _opened(run_id=run_id) as (settings, connections):
        return training.train_candidate(run_id, settings=settings, connections=connections)


def calibrate(run_id: str, training_key: str) -> str:
    """See `ml.retraining.calibrate`."""
    with _opened(run_id=run_id) as (settings, connections):
        return calibrating.calibrate(
            run_id, training_key, settings=settings, connections=connections
        )


def evaluate(run_id: str) -> dict[str, Any]:
    """See `ml.retraining.evaluate`; returns the headline, the report is stored."""
    with _opened(run_id=run_id) as (settings, connections):
        report = evaluating.evaluate_candidate(run_id, settings=settings, connections=connections)
        golden = report["sets"]["golden"]
        return {
            "candidate": report["candidate"],
            "champion": report["champion"],
            "golden_photos": golden["photos"],
            "candidate_accuracy": golden["candidate"]["accuracy"],
            "champion_accuracy": golden["champion"] and golden["champion"]["accuracy"],
        }


def gate(run_id: str) -> bool:
    """See `ml.retraining.gate`; whether the candidate may be promoted."""
    with _opened(run_id=run_id) as (settings, connections):
        gated = gating.gate_candidate(run_id, settings=settings, connections=connections)
        return bool(gated["decision"] == "promote")


def shadow(run_id: str) -> bool:
    """Whether the policy asks for no shadow night, or one was judged; asks for one otherwise."""
    with _opened(run_id=run_id) as (settings, connections):
        if not _run(run_id, connections).policy.retraining.shadow_night:
            return True
        parts: dict[str, Any] = {"settings": settings, "connections": connections}
        shadowing.request_shadow(run_id, **parts)
        return shadowing.shadow_night(run_id, **parts) is not None


def brief(run_id: str) -> str:
    """Markdown for the person who decides."""
    with _opened(run_id=run_id) as (settings, connections):
        night = shadowing.shadow_night(run_id, settings=settings, connections=connections)
        difference = (
            shadowing.shadow_difference(night, settings=settings, connections=connections)
            if night
            else None
        )
        return approval_brief(run_id, difference, connections=connections)


def who_decides(run_id: str) -> str:
    """The next task: `approve` or `promote`, as the policy of the run says."""
    with _opened(run_id=run_id) as (_, connections):
        by_person = _run(run_id, connections).policy.retraining.approval == "person"
        return "approve" if by_person else "promote"


def promote(run_id: str, *, by: str) -> str:
    """See `ml.retraining.promote`."""
    with _opened(run_id=run_id) as (settings, connections):
        return promoting.promote_candidate(
            run_id, by=by, reason=f"retrain_model {run_id}: every gate held",
            settings=settings, connections=connections,
        )  # fmt: skip


def close(run_id: str, *, rejected_by: str | None) -> str:
    """Write down a rejection, take the candidate out of the shadow; returns the run's note."""
    with _opened(run_id=run_id) as (settings, connections):
        parts: dict[str, Any] = {"settings": settings, "connections": connections}
        if rejected_by is not None:
            promoting.reject_candidate(
                run_id, by=rejected_by, reason=f"rejected by {rejected_by}", **parts
            )
        shadowing.withdraw_shadow(run_id, **parts)
        return closing_note(run_id, connections=connections)


def resolve_version(to: str) -> str:
    """The hash behind "previous" or the start of a hash; see `ml.retraining.rollback`."""
    with _opened() as (_, connections):
        return restoring.resolve(to, connections=connections)


def roll_back(model_hash: str, *, by: str, reason: str) -> str:
    """See `ml.retraining.rollback`; again is no change."""
    with _opened() as (settings, connections):
        return restoring.rollback(
            model_hash, by=by, reason=reason, settings=settings, connections=connections
        )


def nights_again(run_ids: Sequence[str], model_hash: str) -> list[dict[str, Any]]:
    """What to trigger so that each named night's window is judged by the champion of now.

    Raises:
        RunNotBegun: there is no such night.
    """
    with _opened() as (_, connections):
        runs = in_transaction(
            connections.engine, lambda c: [audit_runs.load(c, run_id) for run_id in run_ids]
        )
    return [
        {
            "trigger_run_id": f"again__{run.run_id}__{model_hash[:12]}",
            "conf": {
                "window_start": run.window.start.isoformat(),
                "window_end": run.window.end.isoformat(),
            },
        }
        for run in runs
    ]
