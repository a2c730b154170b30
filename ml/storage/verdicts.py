"""`moderation.verdict`: one decision a content, model version and policy version.

With a verdict go the photo's row in the ledger `image` and the progress of its run.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import Insert, insert

from ml.core.types import Scored
from ml.policy.verdict import Decision, Verdict
from ml.storage.pending_images import set_outcomes, update_images
from ml.storage.quarantine import UPDATE_LEDGER, release
from ml.storage.rows import insert_new
from ml.storage.s3_responses import ListedObject
from ml.storage.schema import image, verdict

_PASS = Decision.PASS.value


@dataclass(frozen=True)
class DecidedVerdict:
    """A scored photo and the verdict on it by model and policy."""

    photo: Scored
    verdict: Verdict


@dataclass(frozen=True)
class VerdictSource:
    """What made the verdicts: stored with each of them.

    `pass_confidence` is the threshold of the model card (0..1); `runtime_versions` are those of
    `ml.models.predictor.runtime_fingerprint`. A `run_id` that is no nightly run (online verdicts)
    has no images whose progress is recorded.
    """

    run_id: str
    model_hash: str
    policy_version: str
    pass_confidence: float
    runtime_versions: dict[str, str]


@dataclass(frozen=True)
class ReusedDecision:
    """An image of a run whose earlier reviewer decision takes the place of its verdict."""

    object_key: str
    label_id: int
    decision: Decision


def write_verdicts(
    connection: Connection, source: VerdictSource, verdicts: Sequence[DecidedVerdict]
) -> None:
    """Write verdicts, ledger and progress; call it in one transaction.

    An existing verdict stays: the same content, model and policy give the same decision. The
    exception is a `pass` that screens have since made stricter: they know more decided photos, or
    had time to read the text. A verdict never becomes milder.
    """
    if not verdicts:
        return
    # In one order everywhere: two shards with the same contents would deadlock otherwise.
    ordered = sorted(verdicts, key=lambda decided: decided.photo.content.sha256)
    images = [decided.photo.image for decided in ordered]
    connection.execute(_upsert_stricter(), [_row(source, decided) for decided in ordered])
    connection.execute(UPDATE_LEDGER, [_ledger_row(decided.photo) for decided in ordered])
    release(connection, source.run_id, [(i.object_key, i.etag) for i in images])
    set_outcomes(connection, source.run_id, [i.object_key for i in images], "judged")


def _upsert_stricter() -> Insert:
    """Insert a verdict; replace an existing `pass` by one that is none."""
    new = insert(verdict)
    key = set(verdict.primary_key.columns.keys())
    columns = {name: new.excluded[name] for name in verdict.columns.keys() if name not in key}  # noqa: SIM118 - not a dictionary
    stricter = (verdict.c.decision == _PASS) & (new.excluded.decision != _PASS)
    return new.on_conflict_do_update(index_elements=sorted(key), set_=columns, where=stricter)


def _row(source: VerdictSource, decided: DecidedVerdict) -> dict[str, object]:
    photo = decided.photo
    return {
        **asdict(source),
        "content_sha256": photo.content.sha256,
        "decision": decided.verdict.decision.value,
        "reasons": list(decided.verdict.reasons),
        "scores": photo.scores,
        "violation_score": decided.verdict.violation_score,
        "screens": {name: result.to_json() for name, result in photo.screens.items()},
    }


def _ledger_row(photo: Scored) -> dict[str, object]:
    content = asdict(photo.content)
    return {
        "key": photo.image.object_key,
        "tag": photo.image.etag,
        "state": "judged",
        "content_sha256": content.pop("sha256"),
        **content,
    }


def write_reused_decisions(
    connection: Connection, run_id: str, reused: Sequence[ReusedDecision]
) -> None:
    """Note reused reviewer decisions with a run's images; the verdicts stay as they are."""
    rows = [
        {"key": r.object_key, "reused_label": r.label_id, "reused_decision": r.decision.value}
        for r in reused
    ]
    update_images(connection, run_id, rows)


def add_to_ledger(connection: Connection, objects: Sequence[ListedObject]) -> None:
    """Insert listed objects into the ledger `image`. Idempotent."""
    rows = [
        {
            "object_key": o.key,
            "etag": o.etag,
            "size_bytes": o.size_bytes,
            "uploaded_at": o.modified_at,
        }
        # Sorted, as every writer of the ledger does: two requests would deadlock otherwise.
        for o in sorted(objects, key=lambda listed: listed.key)
    ]
    insert_new(connection, image, rows)
