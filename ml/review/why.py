"""Why a photo came before a person, and what is known of its like."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, RowMapping, text

from ml.images.fingerprint import MIN_QUALITY
from ml.policy.policy import Policy
from ml.review.near_decisions import NearDecision, NearDecisions
from ml.review.past import PastAct, past_of
from ml.review.unaware import WITHHELD, is_withheld

# The verdict that opened the task, else the newest on the same content; the hash that the ledger
# has, else the kept photo's.
_TASK = text(
    """
    select t.content_sha256, t.kind, t.route, t.priority, t.reasons, v.decision, v.scores,
        v.pass_confidence, v.screens,
        coalesce(v.model_hash, t.model_hash) as model_hash,
        coalesce(v.policy_version, t.policy_version) as policy_version,
        coalesce(i.pdq, p.pdq) as pdq, coalesce(i.pdq_quality, p.pdq_quality) as pdq_quality,
        m.card -> 'classes' as classes,
        cast(m.card -> 'cut_offs' ->> 'pass_confidence' as double precision) as cut_off
    from moderation.review_task t
    left join lateral (
        select * from moderation.verdict as given
        where given.content_sha256 = t.content_sha256
        order by given.model_hash = t.model_hash and given.policy_version = t.policy_version desc,
            given.judged_at desc
        limit 1
    ) v on true
    left join moderation.image i on i.object_key = t.object_key and i.etag = t.etag
    left join moderation.labelled_photo p on p.content_sha256 = t.content_sha256
    left join moderation.model_version m
        on m.model_hash = coalesce(v.model_hash, t.model_hash)
    where t.task_id = :task_id
    """
)


@dataclass(frozen=True)
class ScreenSaid:
    """One screen as the verdict stored it; None where it stored nothing of the kind."""

    name: str
    fired: bool | None = None
    value: Any = None
    reason: str | None = None
    evidence: Any = None


@dataclass(frozen=True)
class Why:
    """All that a reviewer may know of a task.

    `scores` (class -> 0..1), `decision` and `pass_confidence` are of the verdict, None or empty
    where the photo has none. `labels` are the classes that an activation map can be made for.
    """

    reasons: tuple[str, ...]
    scores: dict[str, float]
    pass_confidence: float | None
    decision: str | None
    model_hash: str
    policy_version: str
    screens: list[ScreenSaid]
    labels: list[str]
    near: list[NearDecision] = field(default_factory=list)
    history: list[PastAct] = field(default_factory=list)


def why(
    connection: Connection, task_id: int, *, policy: Policy, decided: NearDecisions
) -> Why | None:
    """What led to a task; None where there is no such task.

    Where it is withheld (`ml.review.unaware`): neither what the model said, nor its past, nor this
    very photo among the near ones.
    """
    task = connection.execute(_TASK, {"task_id": task_id}).mappings().first()
    if task is None:
        return None
    withheld, content = is_withheld(connection, task, policy), task["content_sha256"]
    return Why(
        **(_NOTHING if withheld else _as_stored(task)),
        model_hash=task["model_hash"],
        policy_version=task["policy_version"],
        screens=screens_said(task["screens"]),
        labels=[] if withheld else list(task["classes"] or ()),
        near=_near(connection, task, decided, leave_out=content if withheld else None),
        history=[] if withheld else past_of(connection, content),
    )


def screens_said(stored: object) -> list[ScreenSaid]:
    """The stored screens by name, whatever is there: rows live longer than what wrote them."""
    if not isinstance(stored, Mapping):
        return []
    return [_screen(str(name), said) for name, said in sorted(stored.items())]


def _screen(name: str, said: object) -> ScreenSaid:
    if not isinstance(said, Mapping):
        return ScreenSaid(name, value=said)
    fired, reason = said.get("fired"), said.get("reason")
    return ScreenSaid(
        name,
        fired=fired if isinstance(fired, bool) else None,
        value=said.get("value"),
        reason=None if reason is None else str(reason),
        evidence=said.get("evidence"),
    )


_NOTHING: dict[str, Any] = {
    "reasons": (WITHHELD,), "scores": {}, "decision": None, "pass_confidence": None,
}  # fmt: skip


def _as_stored(task: RowMapping) -> dict[str, Any]:
    return {
        "reasons": tuple(task["reasons"]),
        "scores": dict(task["scores"] or {}),
        "decision": task["decision"],
        "pass_confidence": task["pass_confidence"],
    }


def _near(
    connection: Connection, task: RowMapping, decided: NearDecisions, *, leave_out: str | None
) -> list[NearDecision]:
    if task["pdq"] is None or task["pdq_quality"] <= MIN_QUALITY:
        return []
    return decided.near(connection, task["pdq"], leave_out=leave_out)
