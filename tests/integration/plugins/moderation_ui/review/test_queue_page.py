"""The queue page as it is served."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.support.pages import Pages

pytestmark = [pytest.mark.integration, pytest.mark.airflow]


def _change_classes(pages: Pages, change: Callable[[dict[str, Any]], None]) -> None:
    file = pages.shop.settings.policy_file
    policy = yaml.safe_load(file.read_text("utf-8"))
    change(policy["classes"])
    file.write_text(yaml.safe_dump(policy, sort_keys=False), "utf-8")


def _facts(page: str) -> dict[str, Any]:
    text = page.partition('id="queue-facts">')[2].partition("</script>")[0]
    facts: dict[str, Any] = json.loads(text)
    return facts


def test_classes_have_keys_in_policy_order_and_titles_in_the_language(pages: Pages) -> None:
    with pages.client() as client:
        english = _facts(client.get("/queue").text)
        chinese = _facts(client.get("/queue", headers={"Accept-Language": "zh-CN"}).text)
    assert [(c["name"], c["keys"]) for c in english["classes"]] == [
        ("normal", ["n", "1"]),
        ("violate", ["v", "2"]),
    ]
    assert [c["title"] for c in chinese["classes"]] == ["正常", "违规"]
    assert english["lease_seconds"] == 300


def test_classes_beyond_nine_have_buttons_without_keys(pages: Pages) -> None:
    more = {
        f"class{n}": {
            "violation": True,
            "action": "review",
            "title": {"en": f"C{n}", "zh": f"类{n}"},
        }
        for n in range(12)
    }
    _change_classes(pages, lambda classes: classes.update(more))
    with pages.client() as client:
        page = client.get("/queue").text
    keys = [c["keys"] for c in _facts(page)["classes"]]
    assert keys[8] == ["9"]
    assert keys[9:] == [[]] * 5
    assert page.count("data-label=") == 14


def test_guidance_with_markup_is_html_escaped(pages: Pages) -> None:
    evil = "</script><script>alert(1)</script>"
    guidance = {"en": evil, "zh": evil}
    _change_classes(pages, lambda classes: classes["violate"].update(guidance=guidance))
    with pages.client() as client:
        page = client.get("/queue").text
    assert "<script>alert(1)" not in page
    assert _facts(page)["classes"][1]["guidance"] == evil
