"""`moderation.verdict`: one decision a content, model version and policy version."""

import platform
from collections.abc import Sequence
from importlib.metadata import version

import torch
from sqlalchemy import Connection, bindparam, update
from sqlalchemy.dialects.postgresql import Insert, insert

from ml.inference.outcome import Scored
from ml.model.card import ModelCard
from ml.policy.verdict import Decision, Verdict, decide
from ml.storage.audit_runs import JudgedBy
from ml.storage.duplicate_bank import EarlierDecision, earlier_decisions
from ml.storage.images import set_outcomes
from ml.storage.quarantine import release
from ml.storage.schema import audit_image, image, verdict

# The libraries that a score depends on, for replay; with them the instructions that torch uses on
# this CPU, which are no library but change the last bits just as well.
LIBRARIES = {
    "python": platform.python_version(),
    **{name: version(name) for name in ("torch", "torchvision", "pillow", "numpy")},
    "cpu": torch.backends.cpu.get_cpu_capability(),
}

_PASS = Decision.PASS.value


def conditions(batch_images: int) -> dict[str, str]:
    """All that a score depends on beside photo, version and device."""
    return {**LIBRARIES, "batch_images": str(batch_images)}


def write_verdicts(
    connection: Connection,
    run: JudgedBy,
    card: ModelCard,
    scored: Sequence[Scored],
    *,
    batch_images: int,
) -> None:
    """Decide scored photos and write verdicts, ledger and progress; call it in one transaction.

    A verdict that is there already stays, since the same content, model and policy give the same
    decision; save that of a photo that passed and on which the screens find more by now, since
    people decided on one like it, or since there was time to read it. Nothing becomes milder.

    Where people decided on the same bytes before the run, their decision is noted with the run's
    image, in place of the verdict, which stays what the machine says.

    Args:
        connection: of the transaction.
        run: names model and policy; one that is no audit run has no images to mark.
        card: of the model.
        scored: the photos.
        batch_images: images a forward, on which the last bits of a score depend.

    Raises:
        PolicyError: the model's classes are not the policy's.
    """
    if not scored:
        return
    # In one order everywhere, or two shards that hold the same contents would lock each other.
    ordered = sorted(scored, key=lambda photo: photo.content.sha256)
    judged_by = {"libraries": conditions(batch_images), "run_id": run.run_id}
    connection.execute(
        _stricter(),
        [_row(run, card, photo) | judged_by for photo in ordered],
    )
    connection.execute(_LEDGER, [_ledger_row(photo) for photo in ordered])
    release(connection, run.run_id, [(p.image.object_key, p.image.etag) for p in ordered])
    set_outcomes(connection, run.run_id, [p.image.object_key for p in ordered], "judged")
    _reuse(connection, run, card, ordered)


def _stricter() -> Insert:
    """Write a verdict, or replace one that passed by one that does not."""
    new = insert(verdict)
    key = set(verdict.primary_key.columns.keys())
    columns = {name: new.excluded[name] for name in verdict.columns.keys() if name not in key}  # noqa: SIM118 - not a dictionary
    passed, more = verdict.c.decision == _PASS, new.excluded.decision != _PASS
    return new.on_conflict_do_update(index_elements=sorted(key), set_=columns, where=passed & more)


def verdict_of(
    run: JudgedBy, card: ModelCard, photo: Scored, earlier: EarlierDecision | None = None
) -> Verdict:
    """The decision on a scored photo; `earlier` is what people agreed on about the same bytes.

    Raises:
        PolicyError: the model's classes are not the policy's.
    """
    return decide(
        photo.scores,
        pass_confidence=card.cut_offs.pass_confidence,
        policy=run.policy,
        screens=photo.screens,
        earlier=earlier.label if earlier else None,
    )


def _row(run: JudgedBy, card: ModelCard, photo: Scored) -> dict[str, object]:
    decided = verdict_of(run, card, photo)
    return {
        "content_sha256": photo.content.sha256,
        "model_hash": run.model_hash,
        "policy_version": run.policy.version,
        "decision": decided.decision.value,
        "reasons": list(decided.reasons),
        "scores": photo.scores,
        "violation_score": decided.violation_score,
        "pass_confidence": card.cut_offs.pass_confidence,
        "screens": {name: outcome.to_json() for name, outcome in photo.screens.items()},
    }


def _reuse(
    connection: Connection, run: JudgedBy, card: ModelCard, photos: Sequence[Scored]
) -> None:
    """Note the human decision that stands for the verdict, and which label it is."""
    earlier = earlier_decisions(connection, run, {photo.content.sha256 for photo in photos})
    rows = []
    for photo in photos:
        known = earlier.get(photo.content.sha256)
        decided = verdict_of(run, card, photo, known)
        if known is not None and decided.reused:
            key, decision = photo.image.object_key, decided.decision.value
            rows.append({"key": key, "label": known.label_id, "decision": decision})
    if rows:
        connection.execute(_REUSED.where(audit_image.c.run_id == run.run_id), rows)


_REUSED = (
    update(audit_image)
    .where(audit_image.c.object_key == bindparam("key"))
    .values(reused_label=bindparam("label"), reused_decision=bindparam("decision"))
)

_LEDGER = (
    update(image)
    .where(image.c.object_key == bindparam("key"), image.c.etag == bindparam("tag"))
    .values(
        state="judged",
        content_sha256=bindparam("sha256"),
        pdq=bindparam("perceptual"),
        pdq_quality=bindparam("quality"),
        width=bindparam("pixels_wide"),
        height=bindparam("pixels_high"),
    )
)


def _ledger_row(photo: Scored) -> dict[str, object]:
    return {
        "key": photo.image.object_key,
        "tag": photo.image.etag,
        "sha256": photo.content.sha256,
        "perceptual": photo.content.pdq,
        "quality": photo.content.pdq_quality,
        "pixels_wide": photo.content.width,
        "pixels_high": photo.content.height,
    }
