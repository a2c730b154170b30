"""The retraining steps as a workflow calls them: plain types, and settings or the environment's.

A step imports its module when it runs: a workflow starts a process for each, and some of them need
no torch, which takes seconds.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from ml.core.manifest import Split
from ml.core.settings import Settings
from ml.core.window import parse_time
from ml.storage import retrain_runs
from ml.storage.connections import Connections, task_context
from ml.storage.database import in_transaction
from ml.storage.photo_cache import evict_deleted
from ml.storage.retrain_runs import RetrainRun


@contextmanager
def _step_context(
    settings: Settings | None, **log_fields: object
) -> Iterator[tuple[Settings, Connections]]:
    """The task context, without local copies of photos whose archived bytes were deleted."""
    with task_context(settings, **log_fields) as (loaded, connections):
        evict_deleted(loaded, connections.engine)
        yield loaded, connections


def _load_run(run_id: str, connections: Connections) -> RetrainRun:
    return in_transaction(connections.engine, lambda c: retrain_runs.load(c, run_id))


def create_snapshot(
    run_id: str,
    *,
    requested: str | None,
    interval_end: datetime | None,
    run_after: datetime,
    preset: str,
    seed: int,
    settings: Settings | None = None,
) -> dict[str, Any]:
    """Labels as of `requested`, else of the interval's end, else of the run's trigger.

    Raises:
        SettingsError: `requested` is not a time with a zone.
        NotEnoughLabels: too few new labels to retrain.
    """
    from ml.learning.snapshot.snapshot import create_snapshot

    as_of = parse_time(requested) if requested else interval_end or run_after
    with _step_context(settings, run_id=run_id) as (loaded, connections):
        manifest = create_snapshot(
            run_id, as_of=as_of, preset=preset, seed=seed, settings=loaded,
            connections=connections,
        )  # fmt: skip
        return {
            "snapshot": manifest.snapshot_hash,
            "as_of": manifest.as_of.isoformat(),
            "photos": len(manifest.photos),
            "new": sum(photo.new for photo in manifest.photos),
            "left_out": len(manifest.left_out),
            **{part.value: len(manifest.photos_in(part)) for part in (Split.TRAIN, Split.GOLDEN)},
        }


def check_labels(run_id: str, *, settings: Settings | None = None) -> dict[str, int]:
    """See `ml.learning.retrain.label_errors` and `ml.learning.retrain.disputed_labels`."""
    from ml.learning.retrain.disputed_labels import review_disputed_labels
    from ml.learning.retrain.label_errors import check_labels

    with _step_context(settings, run_id=run_id) as (loaded, connections):
        disputed = review_disputed_labels(run_id, connections=connections)
        issues = check_labels(run_id, settings=loaded, connections=connections)
        return {"label_issues": len(issues), "disputed_golden_labels": disputed}


def train(run_id: str, *, settings: Settings | None = None) -> str:
    """See `ml.learning.retrain.train`."""
    from ml.learning.retrain.train import train_candidate

    with _step_context(settings, run_id=run_id) as (loaded, connections):
        return train_candidate(run_id, settings=loaded, connections=connections)


def distill(run_id: str, *, settings: Settings | None = None) -> str | None:
    """See `ml.learning.pretraining.distill_run`."""
    from ml.learning.pretraining.distill_run import distill_for_next_run

    with _step_context(settings, run_id=run_id) as (loaded, connections):
        return distill_for_next_run(run_id, settings=loaded, connections=connections)


def calibrate(run_id: str, training_key: str, *, settings: Settings | None = None) -> str:
    """See `ml.learning.retrain.calibrate`."""
    from ml.learning.retrain.calibrate import calibrate

    with _step_context(settings, run_id=run_id) as (loaded, connections):
        return calibrate(run_id, training_key, settings=loaded, connections=connections)


def evaluate(run_id: str, *, settings: Settings | None = None) -> dict[str, Any]:
    """See `ml.learning.retrain.evaluate`; returns the key figures of the stored report."""
    from ml.learning.retrain.evaluate import evaluate_candidate

    with _step_context(settings, run_id=run_id) as (loaded, connections):
        report = evaluate_candidate(run_id, settings=loaded, connections=connections)
        compared = report["sets"][report["main_set"]]
        return {
            "candidate": report["candidate"],
            "champion": report["champion"],
            "compared_on": report["main_set"],
            "photos": compared["photos"],
            "candidate_accuracy": compared["candidate"]["accuracy"],
            "champion_accuracy": compared["champion"] and compared["champion"]["accuracy"],
        }


def gate(run_id: str, *, settings: Settings | None = None) -> bool:
    """See `ml.learning.retrain.gate`; whether the candidate may be promoted."""
    from ml.learning.retrain.gate import gate_candidate

    with _step_context(settings, run_id=run_id) as (_, connections):
        return bool(gate_candidate(run_id, connections=connections)["decision"] == "promote")


def shadow(run_id: str, *, settings: Settings | None = None) -> bool:
    """Whether the policy needs no shadow run, or one is finished; requests one otherwise."""
    from ml.learning.retrain.shadow import request_shadow, shadow_run

    with _step_context(settings, run_id=run_id) as (_, connections):
        if not _load_run(run_id, connections).policy.retraining.shadow_run:
            return True
        request_shadow(run_id, connections=connections)
        return shadow_run(run_id, connections=connections) is not None


def approval_summary(run_id: str, *, settings: Settings | None = None) -> str:
    """Markdown for the approver."""
    from ml.learning.report.run_note import approval_brief
    from ml.learning.retrain.shadow import shadow_difference, shadow_run

    with _step_context(settings, run_id=run_id) as (_, connections):
        difference = None
        if audit_run_id := shadow_run(run_id, connections=connections):
            difference = shadow_difference(audit_run_id, connections=connections)
        return approval_brief(run_id, difference, connections=connections)


def approval_mode(run_id: str, *, settings: Settings | None = None) -> str:
    """The next task: `approve` or `promote`, as the policy of the run says."""
    with _step_context(settings, run_id=run_id) as (_, connections):
        approval = _load_run(run_id, connections).policy.retraining.approval
    return "approve" if approval == "person" else "promote"


def approval_hours(run_id: str, *, settings: Settings | None = None) -> float:
    """How long the run's policy waits for an approval."""
    with _step_context(settings, run_id=run_id) as (_, connections):
        return _load_run(run_id, connections).policy.retraining.approval_hours


def promote(run_id: str, *, by: str, settings: Settings | None = None) -> str:
    """See `ml.learning.retrain.promote`."""
    from ml.learning.retrain.promote import promote_candidate

    reason = f"retrain_model {run_id}: every gate passed"
    with _step_context(settings, run_id=run_id) as (loaded, connections):
        return promote_candidate(
            run_id, by=by, reason=reason, settings=loaded, connections=connections
        )


def finalize_run(run_id: str, *, rejected_by: str | None, settings: Settings | None = None) -> str:
    """Record a rejection, withdraw the candidate as shadow; returns the note on the run."""
    from ml.learning.report.run_note import closing_note
    from ml.learning.retrain.shadow import withdraw_shadow

    with _step_context(settings, run_id=run_id) as (_, connections):
        if rejected_by is not None:
            from ml.learning.retrain.promote import reject_candidate

            reason = f"rejected by {rejected_by}"
            reject_candidate(run_id, by=rejected_by, reason=reason, connections=connections)
        withdraw_shadow(run_id, connections=connections)
        return closing_note(run_id, connections=connections)


def resolve_version(to: str, *, settings: Settings | None = None) -> str:
    """The hash behind "previous" or the start of a hash; see `ml.learning.retrain.promote`."""
    from ml.learning.retrain.promote import resolve

    with _step_context(settings) as (_, connections):
        return resolve(to, connections=connections)


def roll_back(model_hash: str, *, by: str, reason: str, settings: Settings | None = None) -> str:
    """See `ml.learning.retrain.promote`. Idempotent."""
    from ml.learning.retrain.promote import rollback

    with _step_context(settings) as (loaded, connections):
        return rollback(model_hash, by=by, reason=reason, settings=loaded, connections=connections)


def runs_to_rejudge(
    run_ids: Sequence[str], model_hash: str, *, rollback_id: str, settings: Settings | None = None
) -> list[dict[str, Any]]:
    """See `ml.learning.retrain.rejudge`."""
    from ml.learning.retrain.rejudge import runs_to_rejudge

    with _step_context(settings) as (_, connections):
        return runs_to_rejudge(
            run_ids, model_hash, rollback_id=rollback_id, connections=connections
        )
