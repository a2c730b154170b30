"""What the explanation of a task reveals, and what it hides."""

from typing import Any

import httpx
import pytest

from ml.vision.images.fingerprint import content_hash
from tests.integration.review.test_similar_decisions import scene
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.pages import Pages
from tests.support.review_tasks import add_task, judged_photo

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

PHOTO, LIKE, OTHER = scene(1), scene(1, quality=75), scene(2)
SCREENS = {
    "codes": {"fired": True, "value": 1, "reason": "code:qr", "evidence": {"links": 1}},
    "odd": 0.3,
}
SIMILAR = {"content_sha256": content_hash(PHOTO), "label": "violate", "similarity": 0.9}
BY_FEATURES = {
    "similar_decisions": {"fired": False, "value": 0.2, "evidence": {"photos": [SIMILAR]}},
    "unfamiliar": {"fired": False, "value": 0.8},
    "signal:nudity": {"fired": True, "value": 0.97, "reason": "signal:nudity:nsfw"},
}
HIDDEN = [
    {"kind": "blind"},
    {"kind": "golden"},
    {"route": "spot_check", "reasons": ["confident_normal"], "decision": "pass"},
    {"route": "active_learning", "reasons": ["active_learning"], "decision": "pass"},
]


def _why(pages: Pages, task_id: int) -> dict[str, Any]:
    with pages.client("reviewer") as client:
        answer = client.get(f"/api/queue/tasks/{task_id}/why")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def _past(pages: Pages) -> None:
    """The same photo and one that looks like it, both decided before."""
    kept = [archive_photo(pages.shop, data) for data in (PHOTO, LIKE)]
    label_photos(pages.shop, kept, "violate")


def test_explanation_has_scores_screens_and_reasons(pages: Pages) -> None:
    task_id = judged_photo(pages.shop, "a.jpg", PHOTO, screens=SCREENS, score=0.75)
    found = _why(pages, task_id)
    assert found["scores"] == [
        {
            "class": "violate",
            "title": {"en": "Violation", "zh": "违规"},
            "score": 0.75,
            "violation": True,
        },
        {
            "class": "normal",
            "title": {"en": "Normal", "zh": "正常"},
            "score": 0.25,
            "violation": False,
        },
    ]
    assert (found["decision"], found["reasons"]) == ("review", ["violation:violate"])
    assert (found["pass_confidence"], found["labels"]) == (0.7, ["normal", "violate"])
    assert found["model_hash"] == pages.shop.model_hash
    assert found["screens"] == [
        {"name": "codes", **SCREENS["codes"]},  # type: ignore[dict-item]  # a dict, this one
        {"name": "odd", "fired": None, "value": 0.3, "reason": None, "evidence": None},
    ]
    assert (found["near"], found["history"]) == ([], [])


def test_explanation_has_similar_photos_and_history(pages: Pages) -> None:
    _past(pages)
    task_id = judged_photo(pages.shop, "a.jpg", PHOTO)
    with pages.client("reviewer2") as bob:
        bob.post("/api/queue/claim", json={"count": 1})
        said = {"task_id": task_id, "label": "normal", "note": "mine"}
        bob.post("/api/queue/decide", json={"decisions": [said]})
        bob.post("/api/queue/undo", json={"task_id": task_id})
    found = _why(pages, task_id)
    near = {one["content_sha256"]: one for one in found["near"]}
    assert near.keys() == {content_hash(PHOTO), content_hash(LIKE)}
    assert near[content_hash(PHOTO)]["distance"] == 0
    assert near[content_hash(LIKE)]["label"] == "violate"
    assert [(h["action"], h["actor"], h["label"], h["note"]) for h in found["history"]] == [
        ("decide", "ann", "violate", ""),
        ("decide", "reviewer2", "normal", "mine"),
        ("undo", "reviewer2", "normal", ""),
    ]


def test_appeal_is_part_of_the_history(pages: Pages) -> None:
    task_id = judged_photo(pages.shop, "a.jpg", PHOTO)
    with pages.client("reviewer2") as bob:
        key = f"{pages.shop.settings.photo_prefix}a.jpg"
        bob.post("/api/appeals", json={"object_key": key, "reason": "my own dress"})
    (appeal,) = _why(pages, task_id)["history"]
    assert (appeal["action"], appeal["label"], appeal["note"]) == ("appeal", None, "my own dress")


def test_explanation_has_the_photos_that_the_model_found_similar(pages: Pages) -> None:
    _past(pages)
    task_id = judged_photo(pages.shop, "a.jpg", OTHER, screens=BY_FEATURES)
    found = _why(pages, task_id)
    assert [(one["content_sha256"], one["distance"]) for one in found["near"]] == [
        (content_hash(PHOTO), None)
    ]
    assert [one["name"] for one in found["screens"]] == [
        "signal:nudity",
        "similar_decisions",
        "unfamiliar",
    ]


def test_similar_photos_say_whether_their_decision_can_be_appealed(pages: Pages) -> None:
    _past(pages)  # imported
    task_id = judged_photo(pages.shop, "a.jpg", PHOTO)
    earlier = judged_photo(pages.shop, "b.jpg", LIKE)

    def appeals() -> dict[str, str]:
        near = _why(pages, task_id)["near"]
        return {one["content_sha256"]: one["appeal"] for one in near}

    assert appeals() == {content_hash(PHOTO): "waiting", content_hash(LIKE): "waiting"}
    pages.shop.execute(
        "update moderation.review_task set state = 'decided' where task_id = :t", t=earlier
    )
    assert appeals()[content_hash(LIKE)] == "possible"
    with pages.client("reviewer2") as bob:
        body = {"content_sha256": content_hash(LIKE), "reason": "a belt"}
        assert bob.post("/api/appeals", json=body).json() == {"task_id": earlier}
    assert appeals()[content_hash(LIKE)] == "waiting"


def test_imported_label_cannot_be_appealed(pages: Pages) -> None:
    _past(pages)
    task_id = judged_photo(pages.shop, "a.jpg", OTHER, screens=BY_FEATURES)
    assert [one["appeal"] for one in _why(pages, task_id)["near"]] == ["impossible"]


@pytest.mark.parametrize(("hidden", "reason"), [({}, "not_needed"), ({"kind": "golden"}, "budget")])
def test_hidden_task_does_not_tell_that_a_text_was_not_needed(
    pages: Pages, hidden: dict[str, Any], reason: str
) -> None:
    text = {"fired": None, "reason": "not_needed", "evidence": {"read": False}}
    task_id = judged_photo(pages.shop, "a.jpg", PHOTO, screens={"text": text}, **hidden)
    assert [one["reason"] for one in _why(pages, task_id)["screens"]] == [reason]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_explanation_of_a_hidden_task_reveals_nothing(pages: Pages, hidden: dict[str, Any]) -> None:
    _past(pages)
    judged = {"score": 0.02, "priority": 0.6, "screens": SCREENS | BY_FEATURES, **hidden}
    task_id = judged_photo(pages.shop, "a.jpg", PHOTO, **judged)
    found = _why(pages, task_id)
    assert [one["name"] for one in found["screens"]] == ["codes", "odd"]
    assert found["history"] == []
    near = [(one["content_sha256"], one["appeal"]) for one in found["near"]]
    assert near == [(content_hash(LIKE), None)]
    assert (found["decision"], found["reasons"]) == (None, ["withheld"])
    assert (found["scores"], found["labels"]) == ([], [])


def test_answer_to_a_golden_task_is_not_in_the_history(pages: Pages) -> None:
    plain = judged_photo(pages.shop, "a.jpg", PHOTO)
    golden = add_task(pages.shop, "a.jpg", kind="golden")
    pages.shop.execute(
        "insert into moderation.activity (actor, action, target, detail) "
        """values ('ann', 'decide', 'review_task:' || :task, '{"label": "normal"}')""",
        task=golden,
    )
    assert _why(pages, plain)["history"] == []


def test_explanation_of_a_task_without_a_verdict_is_empty(pages: Pages) -> None:
    task_id = judged_photo(pages.shop, "a.jpg", PHOTO, reasons=["label_issue:normal"])
    pages.shop.execute("delete from moderation.verdict")
    found = _why(pages, task_id)
    assert (found["scores"], found["decision"], found["pass_confidence"]) == ([], None, None)
    assert found["labels"] == ["normal", "violate"]


def test_explanation_of_an_unknown_task_is_404(pages: Pages) -> None:
    with pages.client("reviewer") as client:
        answers: list[httpx.Response] = [
            client.get(f"/api/queue/tasks/{task_id}/why") for task_id in (999, 2**70)
        ]
    assert [a.status_code for a in answers] == [404, 422]
