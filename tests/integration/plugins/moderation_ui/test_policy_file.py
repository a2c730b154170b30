"""A policy file that cannot be used: the pages follow the last valid policy, and say so."""

import re
from html import unescape

import httpx
import pytest

from tests.support.pages import Pages
from tests.support.photos import DARK, photo
from tests.support.review_tasks import judged_photo
from tests.support.versions import add_version

pytestmark = [pytest.mark.integration, pytest.mark.airflow]

BROKEN = "classes:\n  normal: [\n"
SAID = {
    "en": ("policy file cannot be used", "The last valid policy of {at} is used"),
    "zh": ("策略文件无法使用", "目前沿用最近一份有效策略（{at}"),
}


def _break_file(pages: Pages, text: str | None = BROKEN) -> None:
    """Without a text there is no file."""
    file = pages.shop.settings.policy_file
    file.unlink() if text is None else file.write_text(text, encoding="utf-8")


def _addresses(pages: Pages) -> list[str]:
    """Every page that depends on the policy."""
    version = f"/models/{pages.shop.model_hash}"
    key = f"{pages.shop.settings.photo_prefix}a.jpg"
    return [
        "/queue", "/models", version, f"{version}/versus/{pages.shop.model_hash}", "/operations",
        "/operations/photos?run=night", f"/operations/photo?key={key}", "/reviewers",
        "/reviewers/activity",
    ]  # fmt: skip


def _text(answer: httpx.Response) -> str:
    """The page's text in one line, without tags."""
    assert answer.status_code == 200, answer.text
    body = answer.text.partition("</header>")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.mark.parametrize("language", SAID)
def test_every_page_names_the_problem_and_the_policy_it_follows(
    pages: Pages, language: str
) -> None:
    judged_photo(pages.shop, "a.jpg", photo(DARK))
    pages.store_policy()
    (began,) = pages.shop.rows(
        "select to_char(started_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI UTC') "
        "from moderation.audit_run"
    )[0]
    _break_file(pages)
    title, follows = SAID[language]
    with pages.client("owner") as client:
        for address in _addresses(pages):
            said = _text(client.get(address, headers={"Accept-Language": language}))
            assert title in said, address
            assert re.search(r"policy\.yaml, line \d: .*; correct this line", said), address
            assert follows.format(at=began) in said, address


def test_pages_that_need_no_policy_say_nothing(pages: Pages) -> None:
    _break_file(pages)
    with pages.client("owner") as client:
        for address in ("/help", "/report?dag=retrain_model&run=x"):
            assert "policy-problem" not in client.get(address).text


@pytest.mark.parametrize("text", [None, BROKEN, "classes: 1", "x: 2026-13-45"])
def test_reviewer_decides_by_the_last_valid_policy(pages: Pages, text: str | None) -> None:
    task_id = judged_photo(pages.shop, "a.jpg", photo(DARK))
    pages.reviewing(lease_seconds=1800, golden_share=0.0, second_review_share=0.0)
    pages.store_policy()
    _break_file(pages, text)
    key = f"{pages.shop.settings.photo_prefix}a.jpg"
    with pages.client() as client:
        assert '"lease_seconds": 1800' in client.get("/queue").text
        (task,) = client.post("/api/queue/claim", json={"count": 9}).json()["tasks"]
        assert client.get("/api/queue/held").json()["tasks"] == [task]
        renewed = client.post("/api/queue/renew", json={"task_ids": [task_id]})
        assert renewed.json() == {"held": [task_id]}
        assert client.get(f"/api/queue/tasks/{task_id}/why").status_code == 200
        assert client.get("/api/preferences").status_code == 200
        decision = {"task_id": task_id, "label": "violate"}
        decided = client.post("/api/queue/decide", json={"decisions": [decision]}).json()
        assert decided == {"results": [{"task_id": task_id, "ok": True}]}
        assert pages.shop.status(key) == "block"
        undone = client.post("/api/queue/undo", json={"task_id": task_id})
        assert undone.json()["task"]["task_id"] == task_id
        assert pages.shop.status(key) == "review"


def test_repaired_file_is_followed_at_once(pages: Pages) -> None:
    file = pages.shop.settings.policy_file
    valid = file.read_text(encoding="utf-8")
    pages.store_policy()
    _break_file(pages)
    with pages.client() as client:
        assert "policy-problem" in client.get("/queue").text
        file.write_text(valid, encoding="utf-8")
        assert "policy-problem" not in client.get("/queue").text


def test_without_any_valid_policy_pages_show_data_and_the_queue_is_closed(pages: Pages) -> None:
    task_id = judged_photo(pages.shop, "a.jpg", photo(DARK))
    _break_file(pages)
    with pages.client("owner") as client:
        for address in _addresses(pages):
            assert "No run has stored a valid policy yet" in _text(client.get(address)), address
    decisions = [{"task_id": task_id, "label": "violate"}]
    with pages.client() as client:
        assert "The review queue is closed" in _text(client.get("/queue"))
        for answer in (
            client.post("/api/queue/claim", json={}),
            client.get("/api/queue/held"),
            client.get(f"/api/queue/tasks/{task_id}/why"),
            client.post("/api/queue/decide", json={"decisions": decisions}),
            client.post("/api/queue/undo", json={"task_id": task_id}),
        ):
            assert (answer.status_code, answer.json()["error"]) == (503, "policy_unusable")
            assert "policy.yaml, line 2" in answer.json()["detail"]
    assert pages.shop.rows("select 1 from moderation.human_label") == []


def test_promotion_is_refused_with_the_problem_and_rollback_is_possible(
    pages: Pages, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = pages.shop.model_hash
    second = add_version(pages.shop, tmp_path_factory.mktemp("second"))

    def promote(client: httpx.Client, model_hash: str, expected: str) -> httpx.Response:
        body = {"reason": "test", "expected": expected}
        return client.post(f"/api/models/{model_hash}/promote", json=body)

    with pages.client("owner") as client:
        assert promote(client, second, first).status_code == 200
        assert promote(client, first, second).status_code == 200
        pages.store_policy()
        _break_file(pages)
        refused = promote(client, second, first)
        assert (refused.status_code, refused.json()["error"]) == (422, "refused")
        assert "policy.yaml, line 2" in refused.json()["detail"]
        body = {"to": "previous", "reason": "test", "expected": first}
        back = client.post("/api/models/rollback", json=body)
        assert back.json() == {"champion": second}
