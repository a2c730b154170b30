"""Golden tasks and blind second reviews, which a reviewer cannot recognize."""

from typing import Any

import pytest
import yaml

from tests.support.labelled_photos import archive_photo
from tests.support.pages import Pages
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.review_tasks import judged_photo

pytestmark = [pytest.mark.integration, pytest.mark.airflow]


def _shares(pages: Pages, **shares: float) -> None:
    path = pages.shop.settings.policy_file
    policy = yaml.safe_load(path.read_text(encoding="utf-8"))
    policy["reviewing"] |= {"golden_share": 0.0, "second_review_share": 0.0} | shares
    path.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")


def _golden_set(pages: Pages) -> set[str]:
    hashes = {
        archive_photo(pages.shop, photo(BRIGHT, seed=100 + n), key=f"g{n}.jpg") for n in range(12)
    }
    pages.shop.execute(
        "insert into moderation.golden_set (golden_hash, name, photos, added) "
        "values ('g', 'g', 12, 12)"
    )
    for content in hashes:
        pages.shop.execute(
            "insert into moderation.golden_photo values ('g', :c, 'normal')", c=content
        )
    return hashes


def _post(pages: Pages, path: str, account: str = "reviewer", **body: object) -> dict[str, Any]:
    with pages.client(account) as client:
        answer = client.post(f"/api/queue/{path}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_golden_task_is_claimed_decided_and_undone_like_any_other(pages: Pages) -> None:
    _shares(pages, golden_share=0.5, hide_scores_share=0.5)
    golden = _golden_set(pages)
    for n in range(12):
        judged_photo(pages.shop, f"{n}.jpg", photo(DARK, seed=n))
    tasks = _post(pages, "claim", count=12)["tasks"]
    hidden = [task for task in tasks if task["photo"] in golden]
    others = [task for task in tasks if task["photo"] not in golden]
    assert (len(others), len(hidden)) == (12, len(tasks) - 12)
    assert hidden
    assert {tuple(task) for task in hidden} == {tuple(task) for task in others}
    assert {tuple(task["reasons"]) for task in hidden} == {("withheld",)}
    assert ("withheld",) in {tuple(task["reasons"]) for task in others}
    assert _post(pages, "counts")["claimed"] == 12
    asked = hidden[0]["task_id"]
    said = _post(pages, "decide", decisions=[{"task_id": asked, "label": "violate"}])
    assert said["results"] == [{"task_id": asked, "ok": True}]
    answers = "select label, truth, reviewer from moderation.golden_answer"
    assert pages.shop.rows(answers) == [("violate", "normal", "reviewer")]
    assert _post(pages, "undo", task_id=asked)["task"]["task_id"] == asked
    assert pages.shop.rows(answers) == []
    assert pages.shop.rows("select count(*) from moderation.human_label") == [(0,)]


def test_claim_of_one_product_has_no_golden_task(pages: Pages) -> None:
    _shares(pages, golden_share=0.5)
    _golden_set(pages)
    for n in range(12):
        judged_photo(pages.shop, f"{n}.jpg", photo(DARK, seed=n))
    assert len(_post(pages, "claim", count=12, filters={"product_id": "1"})["tasks"]) == 12


def test_decision_opens_a_blind_review_for_another_reviewer(pages: Pages) -> None:
    _shares(pages, second_review_share=0.5)
    for n in range(20):
        judged_photo(pages.shop, f"{n}.jpg", photo(DARK, seed=n))
    first = _post(pages, "claim", count=20)["tasks"]
    decisions = [{"task_id": task["task_id"], "label": "violate"} for task in first]
    _post(pages, "decide", decisions=decisions)
    assert _post(pages, "claim", count=50)["tasks"] == []
    second = _post(pages, "claim", "reviewer2", count=50)["tasks"]
    assert 0 < len(second) < 20
    assert {tuple(task) for task in second} == {tuple(task) for task in first}
    blind = second[0]
    with pages.client("reviewer2") as client:
        why = client.get(f"/api/queue/tasks/{blind['task_id']}/why").json()
    assert why["history"] == []
    assert blind["photo"] not in [near["photo"] for near in why["near"]]
