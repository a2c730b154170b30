"""Promotion and rollback over HTTP."""

from pathlib import Path

import pytest

from tests.support.pages import Pages
from tests.support.versions import (
    add_altered_version,
    add_version,
    add_version_row,
    set_gate_decision,
)

pytestmark = [pytest.mark.integration, pytest.mark.airflow]


def _champion(pages: Pages) -> object:
    return pages.shop.rows("select model_hash from moderation.champion")[0][0]


def _switches(pages: Pages) -> list[tuple[object, ...]]:
    return pages.shop.rows(
        "select model_hash, previous_hash, promoted_by, reason, kind from moderation.promotion "
        "order by promotion_id"
    )


def _promote(
    pages: Pages, model_hash: str, *, account: str = "owner", **body: object
) -> tuple[int, dict[str, str]]:
    body = {"reason": "better", "expected": pages.shop.model_hash} | body
    with pages.client(account) as client:
        answer = client.post(f"/api/models/{model_hash}/promote", json=body)
    return answer.status_code, answer.json()


def _roll_back(pages: Pages, **body: object) -> tuple[int, dict[str, str]]:
    with pages.client("owner") as client:
        answer = client.post("/api/models/rollback", json={"reason": "worse", **body})
    return answer.status_code, answer.json()


def test_promotion_and_rollback_are_written_to_history_and_activity_log(
    pages: Pages, tmp_path: Path
) -> None:
    first = pages.shop.model_hash
    second = add_version(pages.shop, tmp_path / "second")
    third = add_version(pages.shop, tmp_path / "third", seed=3)
    assert _promote(pages, second) == (200, {"champion": second})
    assert _promote(pages, third, expected=second) == (200, {"champion": third})
    assert _roll_back(pages, to="previous", expected=third) == (200, {"champion": second})
    assert _champion(pages) == second
    assert _switches(pages) == [
        (second, first, "owner", "better", "promote"),
        (third, second, "owner", "better", "promote"),
        (second, third, "owner", "worse", "rollback"),
    ]
    done = pages.shop.rows(
        "select actor, action, target, detail from moderation.activity order by activity_id"
    )
    assert done == [
        ("owner", kind, f"model_version:{now}", {"previous": before, "reason": why})
        for now, before, _, why, kind in _switches(pages)
    ]


def test_repeated_rollback_request_is_409(pages: Pages, tmp_path: Path) -> None:
    second = add_version(pages.shop, tmp_path / "second")
    third = add_version(pages.shop, tmp_path / "third", seed=3)
    _promote(pages, second)
    _promote(pages, third, expected=second)
    _roll_back(pages, to="previous", expected=third)
    status, said = _roll_back(pages, to="previous", expected=third)
    assert (status, said["error"]) == (409, "champion_changed")
    assert _champion(pages) == second


def test_rollback_reaches_former_champions_alone(pages: Pages, tmp_path: Path) -> None:
    second = add_version(pages.shop, tmp_path / "second")
    third = add_version(pages.shop, tmp_path / "third", seed=3)
    _promote(pages, second)
    status, said = _roll_back(pages, to=third[:12])
    assert status == 422
    assert "never champion" in said["detail"]
    _promote(pages, third, expected=second)
    status, said = _roll_back(pages, to=second, expected=second)
    assert (status, said["error"]) == (409, "champion_changed")
    assert _roll_back(pages, to=second[:8], expected=third) == (200, {"champion": second})


def test_promotion_of_a_held_version_is_rejected_with_its_gates(pages: Pages) -> None:
    held = add_version_row(pages.shop, "d")
    set_gate_decision(pages.shop, held, held_by="recall_floor:violate")
    status, said = _promote(pages, held)
    assert (status, said["error"]) == (422, "refused")
    assert said["detail"].endswith("recall_floor:violate (too low)")
    assert _champion(pages) == pages.shop.model_hash
    assert _switches(pages) == []


def test_promotion_with_another_champion_than_shown_is_409(pages: Pages, tmp_path: Path) -> None:
    second = add_version(pages.shop, tmp_path / "second")
    status, said = _promote(pages, second, expected="e" * 64)
    assert (status, said["error"]) == (409, "champion_changed")
    assert _promote(pages, second, expected=None)[0] == 409
    assert _switches(pages) == []


def test_promotion_of_an_unusable_version_is_rejected(
    pages: Pages, champion_folder: Path, tmp_path: Path
) -> None:
    other = add_altered_version(
        pages.shop, champion_folder, tmp_path / "other", classes=("normal", "weapon")
    )
    status, said = _promote(pages, other)
    assert status == 422
    assert "weapon" in said["detail"]
    blind = add_altered_version(pages.shop, champion_folder, tmp_path / "blind", spoil="constant")
    status, said = _promote(pages, blind)
    assert status == 422
    assert "the same scores for every picture" in said["detail"]
    assert _promote(pages, add_version_row(pages.shop, "e"))[0] == 404  # its bytes are nowhere
    assert _promote(pages, "f" * 64)[0] == 422  # never registered
    assert _switches(pages) == []


@pytest.mark.parametrize(
    "body",
    [
        {"reason": " "},
        {"reason": "x" * 501},
        {"reason": "a\x00b"},
        {"expected": "short"},
        {"more": 1},
    ],
)
def test_invalid_promotion_body_is_422(pages: Pages, body: dict[str, object]) -> None:
    status, said = _promote(pages, "f" * 64, **body)
    assert (status, said["error"]) == (422, "invalid")


@pytest.mark.parametrize("account", ["viewer", "reviewer"])
def test_only_owners_promote_and_roll_back(pages: Pages, tmp_path: Path, account: str) -> None:
    second = add_version(pages.shop, tmp_path / "second")
    status, said = _promote(pages, second, account=account)
    assert (status, said["error"]) == (403, "forbidden")
    assert _switches(pages) == []
