"""Blind second reviews: of some photos a second person decides, unaware of the first.

- Which photos: drawn by a keyed hash of the content, a share of `policy.reviewing`; the same photos
  in every run, and no one can bring it about or avoid it by deciding again or later.
- The second review is a task of kind `blind` for the same object, never the first reviewer's, among
  the others at a drawn priority. Its decision is a human label like any other, of route
  `second_review`. Photos that two people have judged already need none.
- The shop's status follows the rule of `ml.storage.labels.truths`: most votes, and between equals
  the most recent decision. Two votes that differ are a tie, so the second one's holds at once; and
  the first task opens again, with the reason `contested`, for a third person, whose vote decides by
  the same rule. It is asked again as by an appeal, whose row says why and after which decision.
- A decision that is undone takes what it opened with it, as long as nobody has answered.

With one reviewer only, nobody can answer: set `reviewing.second_review_share` to 0 there.
"""

from sqlalchemy import Connection, RowMapping, func, insert, literal, select, text, update

from ml.audit.random_audit import Draw, priority_among_reviews
from ml.policy.policy import Policy
from ml.review.activity import record, task_target
from ml.review.draw import draw
from ml.review.lease import lock_task
from ml.review.standing import last_label, last_standing
from ml.storage.schema import appeal, review_task

BLIND = "blind"
CONTESTED = "contested"

_VOTES = text(
    """
    select distinct on (reviewer) reviewer, label from moderation.human_label h
    where content_sha256 = :content_sha256
    and not exists (select from moderation.decision_undo u where u.label_id = h.label_id)
    order by reviewer, decided_at desc, label_id desc
    """
)
_AS_IT_WAS = (
    "object_key", "etag", "content_sha256", "model_hash", "policy_version", "reasons",
    "violation_score", "run_id",
)  # fmt: skip
_CLOSED = {"state": "decided", "claimed_by": None, "claimed_until": None}


def after_decision(connection: Connection, task_id: int, *, policy: Policy) -> None:
    """In the transaction of a decision: open what follows from it; again is no change."""
    task = lock_task(connection, task_id)
    if task["kind"] not in ("verdict", BLIND):
        return
    votes = _votes(connection, task)
    if len(votes) == 1 and task["kind"] == "verdict":
        if _drawn(connection, task, policy):
            _ask_second(connection, task, first=next(iter(votes)), policy=policy)
    elif len(votes) == 2 and len(set(votes.values())) == 2:  # noqa: PLR2004 - a tie of two
        _ask_third(connection, task, votes)


def after_undo(connection: Connection, task: RowMapping) -> None:
    """In the transaction of an undo: close what the decision opened, where nobody answered it."""
    if task["kind"] == "verdict":
        second = _sibling(connection, task, BLIND)
        if second is not None and second["state"] != "decided":
            _set(connection, second, **_CLOSED)
    elif task["kind"] == BLIND:
        first = _sibling(connection, task, "verdict")
        if first is not None and first["state"] != "decided" and CONTESTED in first["reasons"]:
            _set(connection, first, **_CLOSED, reasons=_plain(first), not_for=[])


def _votes(connection: Connection, task: RowMapping) -> dict[str, str]:
    """Each person's last word on the photo."""
    found = connection.execute(_VOTES, {"content_sha256": task["content_sha256"]})
    return {row.reviewer: row.label for row in found}


def _drawn(connection: Connection, task: RowMapping, policy: Policy) -> bool:
    share = policy.reviewing.second_review_share
    return draw(connection, "second review", task["content_sha256"]) < share


def _ask_second(connection: Connection, task: RowMapping, *, first: str, policy: Policy) -> None:
    """Open the blind task; one that an undo has closed opens again."""
    fresh = {"not_for": [first], "opened_at": func.clock_timestamp()}
    known = _sibling(connection, task, BLIND)
    if known is None:
        row = {name: task[name] for name in _AS_IT_WAS} | fresh
        row |= {"kind": BLIND, "route": "second_review"}
        row |= {"priority": _place(connection, task, policy)}
        connection.execute(insert(review_task).values(row))
    elif known["state"] == "decided" and last_standing(connection, known) is None:
        _set(connection, known, state="open", **fresh)


def _place(connection: Connection, task: RowMapping, policy: Policy) -> float:
    """A priority that tells nothing: drawn as the random audit draws its own."""
    place, guise = (
        draw(connection, f"second review {what}", task["content_sha256"])
        for what in ("place", "guise")
    )
    return priority_among_reviews(Draw(lot=0.0, place=place, guise=guise), policy)


def _ask_third(connection: Connection, task: RowMapping, votes: dict[str, str]) -> None:
    """Open the first task again, unless it waits already."""
    first = task if task["kind"] == "verdict" else _sibling(connection, task, "verdict")
    second = task if task["kind"] == BLIND else _sibling(connection, task, BLIND)
    last = last_standing(connection, task)
    if first is None or second is None or last is None or first["state"] != "decided":
        return
    row = {"task_id": first["task_id"], "reason": "two people decided differently"}
    row |= {"appealed_by": last.reviewer, "after_label": last_label(connection, first)}
    connection.execute(insert(appeal).values(row))
    reasons = [*_plain(first), CONTESTED]
    now = func.clock_timestamp()
    _set(connection, first, state="open", opened_at=now, reasons=reasons, not_for=sorted(votes))
    record(connection, who=last.reviewer, what="contest", target=task_target(first["task_id"]))


def _plain(task: RowMapping) -> list[str]:
    return [reason for reason in task["reasons"] if reason != CONTESTED]


def _sibling(connection: Connection, task: RowMapping, kind: str) -> RowMapping | None:
    """The other task of the same object, locked."""
    columns = review_task.c
    query = select(review_task).where(
        columns.object_key == task["object_key"],
        columns.etag == task["etag"],
        columns.kind == literal(kind),
    )
    return connection.execute(query.with_for_update()).mappings().first()


def _set(connection: Connection, task: RowMapping, **values: object) -> None:
    mine = update(review_task).where(review_task.c.task_id == task["task_id"])
    connection.execute(mine.values(**values))
