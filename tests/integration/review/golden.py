"""A golden set in the test database, and claims with golden tasks."""

from ml.policy.operations import Reviewing
from ml.policy.schema import Policy
from ml.review.golden_tasks import insert_golden_tasks
from ml.storage.review_queue import ClaimedTask
from tests.integration.review.queue_fixture import NIGHT, Room


def with_shares(room: Room, **shares: float) -> Policy:
    """The policy with other shares of hidden checks."""
    return room.policy.model_copy(update={"reviewing": Reviewing(**shares)})


def freeze(room: Room, name: str, labels: dict[str, str]) -> None:
    """A golden set of photos `sha-<key>`, each archived under its key."""
    room.execute(
        "insert into moderation.golden_set (golden_hash, name, photos, added) "
        "values (:h, :h, :n, :n)",
        h=name,
        n=len(labels),
    )
    for key, label in labels.items():
        room.execute(
            "insert into moderation.golden_photo values (:h, 'sha-' || :k, :l)",
            h=name,
            k=key,
            l=label,
        )
        room.execute(
            "insert into moderation.archived_photo values "
            "('sha-' || :k, :k, null, 1, 1, 1, 'pdq', 100) on conflict do nothing",
            k=key,
        )


def judged(room: Room, key: str, *reasons: str, score: float = 0.3) -> None:
    """A verdict of another version on a photo `sha-<key>`."""
    room.execute("insert into moderation.model_version values ('old', 'old', '{}')")
    room.execute(
        "insert into moderation.verdict (content_sha256, model_hash, policy_version, decision, "
        "reasons, scores, violation_score, pass_confidence, runtime_versions, run_id, judged_at) "
        "values ('sha-' || :k, 'old', 'p', 'review', :r, '{}', :s, 0.7, '{}', 'old night', :at)",
        k=key,
        r=list(reasons),
        s=score,
        at=NIGHT,
    )


def mixed(
    room: Room, tasks: list[ClaimedTask], reviewer: str = "ann", share: float = 0.5
) -> list[ClaimedTask]:
    """Claimed tasks with golden ones among them."""
    policy = with_shares(room, golden_share=share)
    return room.act(
        lambda c: insert_golden_tasks(
            c, tasks, reviewer=reviewer, policy=policy, lease_seconds=60.0
        )
    )


def claim_golden(room: Room, reviewer: str = "ann") -> ClaimedTask:
    """Claim until a golden task is among the tasks; the others are released."""
    for _ in range(100):
        given = mixed(room, room.claim(reviewer, count=50), reviewer)
        golden = [task for task in given if task.kind == "golden"]
        if golden:
            return golden[0]
    raise AssertionError("a golden item of a hundred claims")
