import pytest

from ml.operations.monitoring.photo_timeline import PhotoTimeline, photo_timeline
from ml.review.decide import ReviewerDecision, decide_task
from ml.review.queue import claim_tasks
from ml.storage.database import in_transaction
from tests.support.nightly_run import run_nightly
from tests.support.photos import DARK, photo
from tests.support.policies import policy
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def load_timeline(shop: Shop, key: str, who: str = "viewer") -> PhotoTimeline:
    commerce = shop.connections.commerce
    return in_transaction(
        shop.connections.engine, lambda c: photo_timeline(c, key, viewer=who, commerce=commerce)
    )


@pytest.fixture
def key(shop: Shop) -> str:
    key = shop.upload("dark.jpg", photo(DARK, seed=1))
    run_nightly(shop)
    return key


def claimed(shop: Shop, who: str) -> int:
    parts = {"lease_seconds": 60.0, "commerce": shop.connections.commerce}
    tasks = in_transaction(shop.connections.engine, lambda c: claim_tasks(c, reviewer=who, **parts))
    return tasks[0].task_id


def test_timeline_has_all_from_upload_to_decision(shop: Shop, key: str) -> None:
    task = claimed(shop, "ann")
    parts = {
        "policy": policy(violate=None),
        "commerce": shop.connections.commerce,
        "names": shop.settings.commerce,
    }
    decision = ReviewerDecision(task, "violate", "ann", note="<b>clear</b>")
    in_transaction(shop.connections.engine, lambda c: decide_task(c, decision, **parts))
    found = load_timeline(shop, key)
    assert [content.state for content in found.contents] == ["judged"]
    assert [(run.run_id, run.decision) for run in found.verdicts] == [("night", "review")]
    assert [(entry.label, entry.reviewer, entry.note) for entry in found.labels] == [
        ("violate", "ann", "<b>clear</b>")
    ]
    assert [task.state for task in found.tasks] == ["decided"]
    assert [row.status for row in found.commerce_rows] == ["block"]
    assert not found.withheld


def test_verdicts_and_labels_are_withheld_from_the_deciding_reviewer(shop: Shop, key: str) -> None:
    claimed(shop, "ann")
    hers, others = load_timeline(shop, key, "ann"), load_timeline(shop, key, "bob")
    assert hers.withheld
    assert (hers.verdicts, hers.tasks, hers.labels, hers.commerce_rows) == ([], [], [], [])
    assert hers.contents
    assert others.verdicts
    assert not others.withheld


def test_hidden_checks_are_hidden_until_decided(shop: Shop, key: str) -> None:
    shop.execute(
        "insert into moderation.review_task (object_key, etag, content_sha256, model_hash, "
        "policy_version, reasons, violation_score, run_id, kind, priority) "
        "select object_key, etag, content_sha256, model_hash, policy_version, reasons, "
        "violation_score, run_id, hidden, 0.5 from moderation.review_task, "
        "unnest(array['golden', 'blind']) as hidden"
    )
    assert [task.kind for task in load_timeline(shop, key).tasks] == ["verdict"]
    shop.execute("update moderation.review_task set state = 'decided' where kind = 'blind'")
    assert [task.kind for task in load_timeline(shop, key).tasks] == ["blind", "verdict"]


def test_quarantined_photo_has_its_reason(shop: Shop) -> None:
    key = shop.upload("broken.jpg", b"no photo")
    run_nightly(shop)
    found = load_timeline(shop, key)
    assert [(row.reason, row.released_by) for row in found.quarantined] == [("not_an_image", None)]
    assert [run.outcome for run in found.verdicts] == ["quarantined"]


def test_timeline_of_unknown_key_is_empty(shop: Shop) -> None:
    found = load_timeline(shop, "nowhere")
    assert (found.contents, found.verdicts, found.commerce_rows) == ([], [], [])
