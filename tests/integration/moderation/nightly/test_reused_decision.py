"""Decisions are reused for the same bytes if reviewers agree; near duplicates only fire."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.moderation.nightly.replay import replay
from ml.policy.schema import load_policy
from ml.review.undo import undo_decision
from ml.vision.images.fingerprint import content_hash
from tests.integration.moderation.nightly.screened import person_decides, task_of, with_policy
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop
from tests.unit.vision.images.pictures import encoded

pytestmark = pytest.mark.integration


@pytest.fixture
def screened(shop: Shop, tmp_path: Path) -> Shop:
    return with_policy(shop, tmp_path, duplicates={})


def decided(shop: Shop, said: str, *, data: bytes | None = None) -> tuple[str, int]:
    """A photo that a run sent to review, with a decision; its key and task."""
    key = shop.upload("first.jpg", data or photo(DARK))
    run_nightly(shop)
    task_id = task_of(shop, key)[0]
    assert isinstance(task_id, int)
    person_decides(shop, task_id, said)
    return key, task_id


@pytest.mark.parametrize(("said", "status"), [("normal", "pass"), ("violate", "block")])
def test_decision_is_reused_for_the_same_bytes_under_another_key(
    screened: Shop, said: str, status: str
) -> None:
    first, task_id = decided(screened, said)
    machine = screened.rows("select decision, reasons from moderation.verdict")
    again = screened.upload("again.jpg", photo(DARK))
    report = run_nightly(screened, "next")
    assert screened.status(again) == screened.status(first) == status
    assert (
        screened.rows("select 1 from moderation.review_task where object_key = :k", k=again) == []
    )
    # The link leads to the label and its task; the verdict of the model is unchanged.
    [row] = screened.rows(
        "select ar.decision, ar.reasons, h.task_id, h.reviewer from moderation.audit_result ar "
        "join moderation.human_label h on h.label_id = ar.reused_label where object_key = :k "
        "and ar.run_id = 'next'",
        k=again,
    )
    assert row == (status, [f"human_decision:{said}"], task_id, "ann")
    assert screened.rows("select decision, reasons from moderation.verdict") == machine
    assert report["reused_decisions"] == {status: 1}
    assert report["verdicts"][status] >= 1
    result = replay("next", settings=screened.settings, connections=screened.connections)
    assert result.equal == result.photos


def test_undone_decision_is_not_reused(screened: Shop) -> None:
    _, task_id = decided(screened, "normal")
    with screened.connections.engine.begin() as connection:
        undo_decision(
            connection,
            task_id=task_id,
            reviewer="ann",
            within=timedelta(hours=1),
            policy=load_policy(screened.settings.policy_file),
            commerce=screened.connections.commerce,
            names=screened.settings.commerce,
        )
    again = screened.upload("again.jpg", photo(DARK))
    run_nightly(screened, "next")
    assert screened.status(again) == "review"


def test_disagreeing_decisions_lead_to_another_review(screened: Shop) -> None:
    decided(screened, "normal")
    label_photos(screened, [content_hash(photo(DARK))], "violate", reviewer="bob")
    again = screened.upload("again.jpg", photo(DARK))
    run_nightly(screened, "next")
    assert screened.status(again) == "review"


def test_decision_made_during_a_run_counts_in_the_next(screened: Shop) -> None:
    key = screened.upload("a.jpg", photo(BRIGHT))
    label_photos(
        screened, [content_hash(photo(BRIGHT))], "violate", at=datetime.now(UTC) + timedelta(1)
    )
    run_nightly(screened)
    assert screened.status(key) == "pass"


def test_policy_can_disable_reused_decisions(shop: Shop, tmp_path: Path) -> None:
    screened = with_policy(shop, tmp_path, duplicates={"reuse_decisions": False})
    decided(screened, "normal")
    again = screened.upload("again.jpg", photo(DARK))
    run_nightly(screened, "next")
    assert screened.status(again) == "review"


def bright_copy(quality: int) -> bytes:
    """One picture of hard edges, bright enough for the test champion to pass it."""
    cells = np.random.default_rng(5).choice([150, 250], (9, 12)).astype(np.uint8)
    picture = Image.fromarray(cells).resize((480, 360), Image.Resampling.NEAREST).convert("RGB")
    return encoded(picture, "JPEG", quality=quality)


@pytest.mark.parametrize(("said", "status"), [("violate", "review"), ("normal", "pass")])
def test_near_duplicate_of_a_blocked_photo_fires_and_of_a_passed_one_is_evidence(
    screened: Shop, said: str, status: str
) -> None:
    key = screened.upload("first.jpg", bright_copy(95))
    run_nightly(screened)
    assert screened.status(key) == "pass"
    label_photos(screened, [content_hash(bright_copy(95))], said)
    near = screened.upload("near.jpg", bright_copy(60))
    run_nightly(screened, "next")
    assert screened.status(near) == status
    [(screens, reasons)] = screened.rows(
        "select screens, reasons from moderation.verdict where content_sha256 = :c",
        c=content_hash(bright_copy(60)),
    )
    evidence = screens["duplicates"]["evidence"]["blocked" if said == "violate" else "passed"]
    assert evidence[0]["content_sha256"] == content_hash(bright_copy(95))
    assert ("near_duplicate_blocked" in reasons) is (said == "violate")


def test_text_pages_and_flat_photos_are_not_in_the_duplicate_index(screened: Shop) -> None:
    flat = encoded(Image.new("RGB", (64, 48), (205, 205, 205)), "JPEG", quality=90)
    page = bright_copy(95)
    for name, data in (("flat.jpg", flat), ("page.jpg", page)):
        screened.upload(name, data)
    run_nightly(screened)
    screened.execute(
        """update moderation.verdict set screens = screens || cast(:text as jsonb)
        where content_sha256 = :c""",
        c=content_hash(page),
        text='{"text": {"state": "clear", "evidence": {"dense": true}}}',
    )
    label_photos(screened, [content_hash(flat), content_hash(page)], "violate")
    near = [
        screened.upload(
            "near-flat.jpg", encoded(Image.new("RGB", (64, 48), (206, 206, 206)), "PNG")
        ),
        screened.upload("near-page.jpg", bright_copy(60)),
    ]
    run_nightly(screened, "next")
    found = screened.rows(
        "select v.screens #>> '{duplicates,state}' from moderation.verdict v "
        "join moderation.image i using (content_sha256) where i.object_key = any(:k)",
        k=near,
    )
    assert found == [("clear",), ("clear",)]


def test_near_duplicate_of_a_blocklisted_photo_fires(screened: Shop) -> None:
    key = screened.upload("first.jpg", bright_copy(95))
    run_nightly(screened)
    assert screened.status(key) == "pass"
    content = archive_photo(screened, bright_copy(95))
    screened.execute(
        "insert into moderation.blocklist_photo (content_sha256, added_by, reason) "
        "values (:c, 'ann', 'seen')",
        c=content,
    )
    near = screened.upload("near.jpg", bright_copy(60))
    run_nightly(screened, "next")
    assert screened.status(near) == "review"
