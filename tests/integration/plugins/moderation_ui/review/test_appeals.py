"""Appeals, entered by a reviewer for a buyer."""

import pytest

from ml.vision.images.fingerprint import content_hash
from tests.support.pages import Pages
from tests.support.photos import DARK, photo
from tests.support.review_tasks import add_verdict, judged_photo, stored_photo

pytestmark = [pytest.mark.integration, pytest.mark.airflow]


def test_appealed_photo_returns_to_the_queue(pages: Pages) -> None:
    task_id = judged_photo(pages.shop, "a.jpg", photo(DARK))
    key = f"{pages.shop.settings.photo_prefix}a.jpg"
    with pages.client("reviewer") as ann, pages.client("reviewer2") as bob:
        ann.post("/api/queue/claim", json={"count": 1})
        said = [{"task_id": task_id, "label": "violate"}]
        ann.post("/api/queue/decide", json={"decisions": said})
        answer = bob.post("/api/appeals", json={"object_key": key, "reason": " my own dress "})
        assert (answer.status_code, answer.json()) == (200, {"task_id": task_id})
        (task,) = bob.post("/api/queue/claim", json={"count": 1}).json()["tasks"]
    assert (task["task_id"], task["reasons"]) == (task_id, ["violation:violate", "appeal"])
    appeals = pages.shop.rows("select reason, appealed_by from moderation.appeal")
    assert appeals == [("my own dress", "reviewer2")]
    assert pages.shop.status(key) == "block"


def test_appeal_of_a_photo_without_a_task_opens_one(pages: Pages) -> None:
    key = stored_photo(pages.shop, "a.jpg", photo(DARK))
    add_verdict(pages.shop, content_hash(photo(DARK)), decision="block", reasons=["block:violate"])
    with pages.client("reviewer") as ann:
        answer = ann.post("/api/appeals", json={"object_key": key, "reason": "no"})
        assert answer.status_code == 200
        (task,) = ann.post("/api/queue/claim", json={"count": 1}).json()["tasks"]
    assert task["task_id"] == answer.json()["task_id"]


def test_decision_on_a_similar_photo_is_appealed_by_its_content(pages: Pages) -> None:
    task_id = judged_photo(pages.shop, "a.jpg", photo(DARK))
    body = {"content_sha256": content_hash(photo(DARK)), "reason": "a belt"}
    with pages.client("reviewer") as ann, pages.client("reviewer2") as bob:
        ann.post("/api/queue/claim", json={"count": 1})
        said = [{"task_id": task_id, "label": "violate"}]
        ann.post("/api/queue/decide", json={"decisions": said})
        answer = bob.post("/api/appeals", json=body)
        assert (answer.status_code, answer.json()) == (200, {"task_id": task_id})
        (task,) = bob.post("/api/queue/claim", json={"count": 1}).json()["tasks"]
    assert (task["task_id"], task["reasons"]) == (task_id, ["violation:violate", "appeal"])


@pytest.mark.parametrize("photos", [{}, {"object_key": "a.jpg", "content_sha256": "0" * 64}])
def test_appeal_names_one_photo(pages: Pages, photos: dict[str, str]) -> None:
    with pages.client("reviewer") as ann:
        answer = ann.post("/api/appeals", json=photos | {"reason": "no"})
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")


def test_appeal_without_the_token_of_a_page_is_403(pages: Pages) -> None:
    judged_photo(pages.shop, "a.jpg", photo(DARK))
    body = {"content_sha256": content_hash(photo(DARK)), "reason": "no"}
    with pages.client("reviewer") as ann:
        del ann.headers["X-Moderation-Token"]
        assert ann.post("/api/appeals", json=body).status_code == 403
    assert pages.shop.rows("select count(*) from moderation.appeal") == [(0,)]


@pytest.mark.parametrize(
    ("key", "reason", "code"),
    [
        ("reviews/none.jpg", "no", "refused"),
        ("a.jpg", "  ", "invalid"),
        ("a.jpg", "x" * 501, "invalid"),
        ("", "no", "invalid"),
        ("a\x00.jpg", "no", "invalid"),
    ],
)
def test_invalid_appeal_is_rejected(pages: Pages, key: str, reason: str, code: str) -> None:
    with pages.client("reviewer") as ann:
        answer = ann.post("/api/appeals", json={"object_key": key, "reason": reason})
    assert (answer.status_code, answer.json()["error"]) == (422, code)
