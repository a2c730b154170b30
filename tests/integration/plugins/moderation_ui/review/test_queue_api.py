"""The queue over HTTP, as two reviewers use it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import yaml

from ml.vision.images.fingerprint import content_hash
from tests.support.labelled_photos import archive_photo
from tests.support.pages import Pages
from tests.support.photos import DARK, photo
from tests.support.review_tasks import judged_photo, stored_photo

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

Json = dict[str, Any]


@pytest.fixture
def ann(pages: Pages) -> Iterator[httpx.Client]:
    with pages.client("reviewer") as client:
        yield client


@pytest.fixture
def bob(pages: Pages) -> Iterator[httpx.Client]:
    with pages.client("reviewer2") as client:
        yield client


def task(pages: Pages, name: str = "a.jpg", *, seed: int = 0, **options: Any) -> int:  # noqa: ANN401 - handed on
    """A dark photo's task."""
    return judged_photo(pages.shop, name, photo(DARK, seed=seed), **options)


def ask(client: httpx.Client, path: str, body: object = None) -> Json:
    """POST that must succeed (GET without a body)."""
    path = f"/api/queue/{path}"
    answer = client.get(path) if body is None else client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def claimed(client: httpx.Client, **body: object) -> list[int]:
    """The ids of a claim of up to nine."""
    return [t["task_id"] for t in ask(client, "claim", {"count": 9} | body)["tasks"]]


def decide(client: httpx.Client, task_id: int, label: str = "violate", **said: object) -> Json:
    """One decision's result."""
    decision = {"task_id": task_id, "label": label} | said
    (result,) = ask(client, "decide", {"decisions": [decision]})["results"]
    return dict(result)


def state(pages: Pages, task_id: int) -> tuple[object, ...]:
    """State and holder."""
    query = "select state, claimed_by from moderation.review_task where task_id = :t"
    return pages.shop.rows(query, t=task_id)[0]


def test_claim_returns_all_fields_of_the_page(pages: Pages, ann: httpx.Client) -> None:
    task_id = task(pages, "deep/a.jpg", product=7, review=9)
    (shown,) = ask(ann, "claim", {"count": 9})["tasks"]
    until, opened = (datetime.fromisoformat(shown.pop(k)) for k in ("claimed_until", "opened_at"))
    assert opened < datetime.now(UTC) < until
    assert datetime.fromisoformat(shown.pop("uploaded_at")) < opened
    assert shown == {
        "task_id": task_id,
        "photo": content_hash(photo(DARK)),
        "name": "a.jpg",
        "object_key": f"{pages.shop.settings.photo_prefix}deep/a.jpg",
        "reasons": ["violation:violate"],
        "category": "violate",
        "violation_score": 0.8,
        "model_hash": pages.shop.model_hash,
        "product_id": "7",
        "review_id": "9",
        "width": 64,
        "height": 48,
        "blur": False,
    }


def test_claim_uses_lease_and_order_of_the_policy(pages: Pages, ann: httpx.Client) -> None:
    path = pages.shop.settings.policy_file
    policy = yaml.safe_load(path.read_text(encoding="utf-8"))
    policy["reviewing"] |= {"lease_seconds": 3600, "order": "oldest"}
    policy["classes"]["violate"]["blur"] = True
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    now = datetime.now(UTC)
    late = task(pages, "a.jpg", seed=1, score=0.9, opened_at=now)
    early = task(pages, "b.jpg", seed=2, score=0.6, opened_at=now - timedelta(days=1))
    tasks = ask(ann, "claim", {"count": 9})["tasks"]
    assert [t["task_id"] for t in tasks] == [early, late]
    assert all(t["blur"] for t in tasks)
    assert datetime.fromisoformat(tasks[0]["claimed_until"]) > now + timedelta(minutes=50)
    ask(ann, "release", {"task_ids": None})
    assert claimed(ann, order="priority") == [late, early]


def test_claim_returns_tasks_that_match_the_filters(pages: Pages, ann: httpx.Client) -> None:
    now = datetime.now(UTC)
    first = task(pages, "a.jpg", seed=1, opened_at=now - timedelta(days=2))
    second = task(pages, "b.jpg", seed=2, reasons=["low_confidence"], product=5)
    for filters, wanted in (
        ({"category": "violate"}, [first]),
        ({"reasons": ["low_confidence"]}, [second]),
        ({"reasons": []}, []),
        ({"product_id": "5"}, [second]),
        ({"since": (now - timedelta(days=1)).isoformat()}, [second]),
        ({"until": (now - timedelta(days=1)).isoformat()}, [first]),
        ({}, [first, second]),
    ):
        counted = ask(ann, "counts", {"filters": filters})
        assert counted["open"] == len(wanted), filters
        assert claimed(ann, filters=filters) == wanted
        ask(ann, "release", {"task_ids": wanted})


@pytest.mark.parametrize(
    "filters",
    [
        {"product_id": "none"},
        {"since": "2026-01-01T00:00:00"},
        {"reasons": ["a\x00b"]},
        {"colour": "red"},
    ],
)
def test_invalid_filters_are_rejected(ann: httpx.Client, filters: Json) -> None:
    for path in ("claim", "counts"):
        answer = ann.post(f"/api/queue/{path}", json={"filters": filters})
        assert (answer.status_code, answer.json()["error"]) == (422, "invalid")


def test_claimed_tasks_are_listed_after_a_reload_and_released(
    pages: Pages, ann: httpx.Client, bob: httpx.Client
) -> None:
    first, second, third = (task(pages, f"{n}.jpg", seed=n, score=0.9 - n / 10) for n in range(3))
    assert claimed(ann, count=2) == [first, second]
    assert claimed(bob) == [third]
    assert [t["task_id"] for t in ask(ann, "held")["tasks"]] == [first, second]
    assert ask(ann, "renew", {"task_ids": [first, third]}) == {"held": [first]}
    assert ask(ann, "release", {"task_ids": [first, third]}) == {"released": [first]}
    assert ask(ann, "release", {"task_ids": None}) == {"released": [second]}
    assert ask(ann, "held") == {"tasks": []}
    assert state(pages, third) == ("claimed", "reviewer2")


def test_counts_of_open_and_claimed_tasks(pages: Pages, ann: httpx.Client) -> None:
    assert ask(ann, "counts", {}) == {"open": 0, "claimed": 0, "oldest_seconds": None}
    opened = datetime.now(UTC) - timedelta(hours=1)
    for number in range(3):
        task(pages, f"{number}.jpg", seed=number, opened_at=opened)
    claimed(ann, count=1)
    counted = ask(ann, "counts", {"filters": {}})
    assert (counted["open"], counted["claimed"]) == (2, 1)
    assert 3600 < counted["oldest_seconds"] < 3660


def test_skipped_task_is_offered_to_others_first(
    pages: Pages, ann: httpx.Client, bob: httpx.Client
) -> None:
    task_id = task(pages)
    assert claimed(ann) == [task_id]
    assert ask(ann, "skip", {"task_id": task_id}) == {"missing": False}
    assert claimed(bob) == [task_id]
    answer = ann.post("/api/queue/skip", json={"task_id": task_id + 1})
    assert (answer.status_code, answer.json()["error"]) == (422, "refused")


def test_each_decision_is_written_or_rejected_on_its_own(pages: Pages, ann: httpx.Client) -> None:
    good, bad = (task(pages, f"{n}.jpg", seed=n) for n in range(2))
    claimed(ann)
    decisions = [
        {"task_id": bad, "label": "spam"},
        {"task_id": good, "label": "violate", "category": "fire", "note": "a lighter"},
        {"task_id": good + 99, "label": "normal"},
    ]
    first, second, third = ask(ann, "decide", {"decisions": decisions})["results"]
    assert (first["ok"], first["error"]) == (False, "refused")
    assert "no class of the policy" in first["detail"]
    assert second == {"task_id": good, "ok": True}
    assert (third["ok"], third["error"]) == (False, "refused")
    labels = pages.shop.rows(
        "select label, category, note, reviewer, task_id from moderation.human_label"
    )
    assert labels == [("violate", "fire", "a lighter", "reviewer", good)]
    assert pages.shop.status(f"{pages.shop.settings.photo_prefix}0.jpg") == "block"
    assert state(pages, bad) == ("claimed", "reviewer")


def test_repeated_decision_is_idempotent(pages: Pages, ann: httpx.Client) -> None:
    task_id = task(pages)
    claimed(ann)
    for _ in range(2):
        assert decide(ann, task_id)["ok"]
    assert pages.shop.rows("select count(*) from moderation.human_label") == [(1,)]


def test_decision_after_a_lost_lease_is_rejected(
    pages: Pages, ann: httpx.Client, bob: httpx.Client
) -> None:
    task_id = task(pages)
    claimed(ann)
    pages.shop.execute("update moderation.review_task set claimed_until = now() - interval '1 s'")
    assert claimed(bob) == [task_id]
    lost = decide(ann, task_id)
    assert (lost["ok"], lost["error"]) == (False, "lease_lost")
    for path in ("skip", "undo"):
        answer = ann.post(f"/api/queue/{path}", json={"task_id": task_id})
        wanted = (409, "lease_lost") if path == "skip" else (422, "refused")
        assert (answer.status_code, answer.json()["error"]) == wanted
    assert ask(ann, "renew", {"task_ids": [task_id]}) == {"held": []}
    assert pages.shop.rows("select count(*) from moderation.human_label") == [(0,)]
    assert decide(bob, task_id, "normal")["ok"]


def test_undo_returns_the_task_to_the_reviewer(
    pages: Pages, ann: httpx.Client, bob: httpx.Client
) -> None:
    task_id = task(pages)
    claimed(ann)
    decide(ann, task_id)
    for _ in range(2):  # the answer may have been lost
        undone = ask(ann, "undo", {"task_id": task_id})["task"]
        assert (undone["task_id"], undone["category"]) == (task_id, "violate")
    assert state(pages, task_id) == ("claimed", "reviewer")
    assert pages.shop.status(f"{pages.shop.settings.photo_prefix}a.jpg") == "review"
    assert claimed(bob) == []
    assert decide(ann, task_id, "normal")["ok"]


def test_undo_of_an_old_decision_is_rejected(pages: Pages, ann: httpx.Client) -> None:
    task_id = task(pages)
    pages.shop.execute(
        "insert into moderation.human_label "
        "(content_sha256, label, reviewer, route, task_id, decided_at) "
        "select content_sha256, 'violate', 'reviewer', 'violation', task_id, "
        "now() - interval '31 minutes' from moderation.review_task"
    )
    answer = ann.post("/api/queue/undo", json={"task_id": task_id})
    assert (answer.status_code, answer.json()["error"]) == (422, "refused")
    assert "older than" in answer.json()["detail"]


def test_undo_returns_no_task_while_another_decision_is_active(
    pages: Pages, ann: httpx.Client
) -> None:
    task_id = task(pages)
    claimed(ann)
    decide(ann, task_id)
    pages.shop.execute(
        "insert into moderation.human_label (content_sha256, label, reviewer, route, task_id) "
        "select content_sha256, 'normal', 'carol', 'violation', task_id "
        "from moderation.review_task"
    )
    assert ask(ann, "undo", {"task_id": task_id}) == {"task": None}
    assert state(pages, task_id) == ("decided", None)


def test_hidden_tasks_look_like_tasks_with_hidden_scores(pages: Pages, ann: httpx.Client) -> None:
    pages.reviewing(golden_share=0.0, second_review_share=0.0, hide_scores_share=0.5)
    for number in range(12):
        task(pages, f"{number}.jpg", seed=number)
    hidden = {"reasons": ["confident_normal"], "score": 0.02, "decision": "pass", "priority": 0.95}
    audit = task(pages, "audit.jpg", seed=50, route="spot_check", **hidden)
    given = {t["task_id"]: t for t in ask(ann, "claim", {"count": 20})["tasks"]}
    withheld = {i for i, t in given.items() if t["violation_score"] is None}
    assert audit in withheld
    assert 1 < len(withheld) < 13  # drawn by the photos' hashes
    told = ("reasons", "category", "violation_score", "blur", "model_hash")
    assert len({tuple(map(str, (given[i][k] for k in told))) for i in withheld}) == 1
    ask(ann, "release", {"task_ids": None})
    assert claimed(ann, filters={"reasons": ["confident_normal", "golden"]}) == []


def test_golden_tasks_are_claimed_and_look_like_other_tasks(
    pages: Pages, ann: httpx.Client
) -> None:
    pages.reviewing(
        golden_share=0.5, second_review_share=0.0, hide_scores_share=0.5
    )  # each task brings one
    known = photo(DARK, seed=50)
    stored_photo(pages.shop, "golden.jpg", known)
    archive_photo(pages.shop, known)
    pages.shop.execute(
        "insert into moderation.golden_set (golden_hash, name, photos, added) "
        "values ('g', 'g', 1, 1)"
    )
    content = content_hash(known)
    pages.shop.execute("insert into moderation.golden_photo values ('g', :c, 'normal')", c=content)
    plain_id = task(pages)
    given = ask(ann, "claim", {"count": 1})["tasks"]
    assert {t["photo"] for t in given} == {content, content_hash(photo(DARK))}
    golden, plain = sorted(given, key=lambda t: t["task_id"] == plain_id)
    assert golden.keys() == plain.keys()
    assert (golden["reasons"], golden["violation_score"]) == (["withheld"], None)
    assert [golden[k] for k in ("blur", "width")] == [plain[k] for k in ("blur", "width")]
    assert len(ask(ann, "held")["tasks"]) == 2
    assert decide(ann, golden["task_id"]) == {"task_id": golden["task_id"], "ok": True}
    assert pages.shop.rows("select label, truth from moderation.golden_answer") == [
        ("violate", "normal")
    ]
    assert pages.shop.rows("select count(*) from moderation.human_label") == [(0,)]
    assert ask(ann, "undo", {"task_id": golden["task_id"]})["task"]["photo"] == content


def test_second_review_hides_the_first_decision(
    pages: Pages, ann: httpx.Client, bob: httpx.Client
) -> None:
    pages.reviewing(golden_share=0.0, second_review_share=0.5, hide_scores_share=0.0)
    for number in range(20):
        task(pages, f"{number}.jpg", seed=number)
    first = ask(ann, "claim", {"count": 20})["tasks"]
    decisions = [{"task_id": t["task_id"], "label": "normal"} for t in first]
    assert all(r["ok"] for r in ask(ann, "decide", {"decisions": decisions})["results"])
    assert claimed(ann) == []
    second = ask(bob, "claim", {"count": 20})["tasks"]
    assert 0 < len(second) < 20  # drawn by the photos' hashes
    assert {t["photo"] for t in second} < {t["photo"] for t in first}
    assert {tuple(t["reasons"]) for t in second} == {("withheld",)}
    assert all(t.keys() == first[0].keys() for t in second)


def test_skipped_task_with_a_missing_photo_is_closed(pages: Pages, ann: httpx.Client) -> None:
    task_id = task(pages, "a.jpg", seed=777_100)  # bytes that no other test keeps
    claimed(ann)
    pages.shop.upload("a.jpg", photo(DARK, seed=777_101), row=False)  # replaced since
    assert ask(ann, "skip", {"task_id": task_id}) == {"missing": True}
    assert claimed(ann) == []
    assert pages.shop.rows("select action from moderation.activity") == [("close_missing",)]
    assert pages.shop.rows("select count(*) from moderation.human_label") == [(0,)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("claim", {"count": 0}),
        ("claim", {"count": 51}),
        ("claim", {"order": "newest"}),
        ("claim", {"reviewer": "reviewer2"}),
        ("renew", {"task_ids": [2**63]}),
        ("skip", {"task_id": 0}),
        ("decide", {"decisions": []}),
        ("decide", {"decisions": [{"task_id": 1, "label": "normal", "note": "x" * 501}]}),
        ("decide", {"decisions": [{"task_id": 1, "label": "normal", "note": "a\x00b"}]}),
        ("decide", {"decisions": [{"task_id": 1, "label": "normal"}] * 51}),
        ("decide", {"decisions": [{"task_id": 1, "label": "normal", "reviewer": "x"}]}),
    ],
)
def test_invalid_body_is_rejected(ann: httpx.Client, path: str, body: Json) -> None:
    answer = ann.post(f"/api/queue/{path}", json=body)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")


def test_lone_surrogate_in_a_note_is_rejected(pages: Pages, ann: httpx.Client) -> None:
    task_id = task(pages)
    said = [{"task_id": task_id, "label": "normal", "note": "\ud800"}]
    body = json.dumps({"decisions": said})  # escaped, as JSON may hold it
    headers = {"Content-Type": "application/json"}
    answer = ann.post("/api/queue/decide", content=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid")


@pytest.mark.parametrize("token", ["", "forged", "of another user"])
def test_write_without_the_page_token_is_rejected(
    pages: Pages, ann: httpx.Client, bob: httpx.Client, token: str
) -> None:
    if token == "of another user":
        token = bob.headers["X-Moderation-Token"]
    task_id = task(pages)
    headers = {"X-Moderation-Token": token}
    answer = ann.post("/api/queue/claim", json={"count": 1}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (403, "token")
    assert state(pages, task_id) == ("open", None)


def test_write_from_another_site_is_rejected(pages: Pages, ann: httpx.Client) -> None:
    task_id = task(pages)
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = ann.post("/api/queue/claim", json={"count": 1}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (403, "cross_site")
    assert state(pages, task_id) == ("open", None)
