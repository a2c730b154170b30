"""Candidate versus champion, on a real bucket and database."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml.core.errors import ModelError, RunNotStarted, TrainingError
from ml.core.manifest import Confirmation
from ml.learning.report.run_note import closing_note
from ml.learning.retrain.evaluate import evaluate_candidate
from tests.support.champion import SPEC
from tests.support.photos import BRIGHT, DARK, MIDDLE, banded_photo, photo
from tests.support.retraining import GOLDEN, GoldenSpec, RetrainingRun, retraining_policy
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

SCRIPT = "violate/<script>alert(1)</script>"
KEY = 'reviews/"><img src=x onerror=alert(2)>.jpg'


def photos(count: int = 8, added_in: str = GOLDEN) -> list[GoldenSpec]:
    """Half bright and normal, half dark and a violation."""
    return [
        GoldenSpec(photo(BRIGHT, seed=i), "normal", added_in=added_in)
        if i % 2
        else GoldenSpec(photo(DARK, seed=i), "violate", added_in=added_in)
        for i in range(count)
    ]


@pytest.fixture
def month(shop: Shop, tmp_path: Path) -> RetrainingRun:
    return RetrainingRun(shop, tmp_path / "versions")


def evaluate(month: RetrainingRun) -> dict[str, Any]:
    shop = month.shop
    return evaluate_candidate(month.run_id, settings=shop.settings, connections=shop.connections)


def stored(month: RetrainingRun, name: str) -> bytes:
    [(evaluation, candidate)] = month.shop.rows(
        "select evaluation, model_hash from moderation.model_version where evaluation is not null"
    )
    golden_hash = evaluation["golden"]["hash"]  # type: ignore[index]  # a JSON object
    return month.shop.connections.models.get(f"evaluations/{candidate}/{golden_hash}/{name}")


def test_versions_are_evaluated_at_their_own_thresholds_and_stored(month: RetrainingRun) -> None:
    candidate = month.register("candidate", seed=1, pass_confidence=0.95)
    champion = month.register("champion", inverted=True)
    golden = [
        *photos(),
        GoldenSpec(photo(DARK, seed=50, size=(400, 320)), "violate", SCRIPT, KEY, "golden-2026-09"),
        GoldenSpec(photo(MIDDLE, seed=51, size=(900, 800)), "normal", route="spot_check"),
        GoldenSpec(b"GIF89a no picture", "normal"),
        GoldenSpec(photo(DARK, seed=52), "<i>spam</i>"),
    ]
    month.begin(golden, candidate=candidate, champion=champion)
    report = evaluate(month)

    assert (report["candidate"], report["champion"]) == (candidate, champion)
    assert report["golden"]["photos"] == 12
    assert sorted(report["golden"]["rejected"].values()) == ["corrupt", "unknown_class:<i>spam</i>"]
    whole, newest = report["sets"]["golden"], report["sets"]["newest"]
    assert (whole["photos"], newest["photos"]) == (10, 9)
    assert whole["candidate"]["per_class"]["violate"]["recall"] == 1.0
    assert whole["champion"]["per_class"]["violate"]["recall"] == 0.0
    assert whole["candidate"]["verdicts"]["pass_confidence"] == 0.95
    assert whole["champion"]["verdicts"]["pass_confidence"] == 0.7
    assert whole["paired"]["recall"]["violate"]["gained"] == 5
    assert whole["paired"]["leak"] == whole["paired"]["recall"]["violate"]
    slices = whole["slices"]
    assert {name: row["photos"] for name, row in slices["size"].items()} == {
        "small": 8, "medium": 1, "large": 1,
    }  # fmt: skip
    assert {name: row["photos"] for name, row in slices["brightness"].items()} == {
        "dark": 5, "middle": 1, "bright": 4,
    }  # fmt: skip
    assert slices["route"]["spot_check"]["photos"] == 1
    assert slices["category"][SCRIPT] == {
        "photos": 1, "candidate_accuracy": 1.0, "champion_accuracy": 0.0,
        "candidate_caught": 1.0, "champion_caught": 0.0,
    }  # fmt: skip
    assert slices["new_class"] == {}
    assert report["servable"]["ok"] is False  # made without a probe
    assert report["latency"]["candidate_ms"] > 0
    assert report["latency"]["champion_ms"] > 0
    assert report["latency"]["weights_bytes"] > 40_000_000
    assert report["thresholds"]["candidate"]["evidence"]["upper_bound"] == 0.02
    assert report["data"]["left_out"] == {"unknown_class:<b>spam</b>": 1}

    assert json.loads(stored(month, "report.json")) == report
    assert month.shop.rows(
        "select evaluation = cast(:report as jsonb), compared_with, gate_decision "
        "from moderation.model_version where model_hash = :hash",
        report=json.dumps(report, allow_nan=False),
        hash=candidate,
    ) == [(True, champion, None)]
    for name in report["plots"]:
        assert stored(month, f"plots/{name}.png").startswith(b"\x89PNG")
    check_page(stored(month, "report.html").decode(), report)


def test_candidate_of_another_fit_is_compared_by_its_own(month: RetrainingRun) -> None:
    """What lies outside of the center square, only the candidate sees."""
    whole = SPEC.model_copy(update={"fit": "squash"})
    candidate = month.register("candidate", spec=whole)
    champion = month.register("champion")
    banded = [GoldenSpec(banded_photo(seed=i), "violate") for i in range(4)]
    month.begin([*photos(), *banded], candidate=candidate, champion=champion)
    compared = evaluate(month)["sets"]["golden"]
    assert compared["photos"] == 12
    assert compared["candidate"]["per_class"]["violate"]["recall"] == 1.0
    assert compared["champion"]["per_class"]["violate"]["recall"] == 0.5
    assert compared["paired"]["recall"]["violate"]["gained"] == 4


def check_page(page: str, report: dict[str, Any]) -> None:
    assert "Not checked yet" in page
    assert "尚未检查" in page
    assert "&lt;script&gt;alert(1)" in page
    for shops_words in ("<script", "<img src=x", "<b>spam", "<i>spam"):
        assert shops_words not in page
    assert re.findall(r'(?:src|href)="(?!data:image/)', page) == []
    pictures = len(report["plots"]) + len(report["sample_differences"])
    assert page.count('src="data:image/') == pictures > 8
    assert report["golden"]["judged_differently"] == len(report["sample_differences"]) >= 9
    assert report["sample_differences"][0]["champion"] == "pass"  # what only the champion leaks


def test_photos_of_the_blocklist_are_scored(month: RetrainingRun) -> None:
    candidate = month.register("candidate", inverted=True)
    bad = [month.keep(GoldenSpec(photo(level, seed=90), "violate")) for level in (DARK, BRIGHT)]
    for content_sha256 in bad:
        month.shop.execute(
            "insert into moderation.blocklist_photo (content_sha256, added_by, reason) "
            "values (:h, 'ann', 'seen in the news')",
            h=content_sha256,
        )
    month.begin(photos(), candidate=candidate, champion=None)
    report = evaluate(month)
    assert report["blocklist"] == {"photos": 2, "passed": bad[:1]}
    whole = report["sets"]["golden"]
    assert whole["photos"] == 8  # the known-bad ones are no golden photos
    assert (report["champion"], whole["champion"], whole["paired"]) == (None, None, None)
    assert (report["latency"]["champion_ms"], report["thresholds"]["champion"]) == (None, None)


def test_class_unknown_to_the_champion_is_a_slice(
    month: RetrainingRun,
) -> None:
    candidate = month.register("candidate", extra_class="weapon")
    golden = [*photos(added_in="golden-2026-09"), GoldenSpec(photo(DARK, seed=60), "weapon")]
    policy = retraining_policy("violate", "weapon")
    month.begin(golden, candidate=candidate, champion=month.shop.model_hash, policy=policy)
    report = evaluate(month)
    new = report["sets"]["golden"]["slices"]["new_class"]
    assert new["weapon"]["photos"] == 1
    assert new["weapon"]["champion_accuracy"] == 0.0
    assert new["weapon"]["champion_caught"] == 1.0  # taken for another violation
    assert report["sets"]["newest"]["photos"] == 1


def test_without_new_golden_photos_there_is_no_newest_set(month: RetrainingRun) -> None:
    candidate = month.register("candidate", seed=1)
    month.begin(
        photos(4, added_in="golden-2026-09"), candidate=candidate, champion=month.shop.model_hash
    )
    assert set(evaluate(month)["sets"]) == {"golden"}


def test_disputed_golden_photos_are_reported_and_not_compared_on(month: RetrainingRun) -> None:
    kinds = [Confirmation.ONE_LOOK] * 5 + [Confirmation.SECOND_LOOK, *[Confirmation.DISPUTED] * 2]
    golden = [replace(p, confirmation=kind) for p, kind in zip(photos(), kinds, strict=True)]
    month.begin(golden, candidate=month.register("candidate", seed=1), champion=None)
    report = evaluate(month)
    assert report["golden"]["confirmations"] == {"one_look": 5, "second_look": 1, "disputed": 2}
    assert (report["golden"]["photos"], report["sets"]["golden"]["photos"]) == (8, 6)
    note = closing_note(month.run_id, connections=month.shop.connections)
    assert "1 of 8 golden labels (12.5%) are confirmed" in note
    assert "2 个有争议" in note
    assert "**Less than half of the golden labels are confirmed" in note


def test_second_evaluation_gives_the_same_report_and_clears_the_gates(month: RetrainingRun) -> None:
    candidate = month.register("candidate", seed=1)
    month.begin(photos(), candidate=candidate, champion=month.shop.model_hash)
    first = evaluate(month)
    month.shop.execute("update moderation.model_version set gate_decision = 'promote'")
    second = evaluate(month)
    for report in (first, second):
        del report["latency"]  # measured again
    assert second == first
    decisions = month.shop.rows(
        "select gate_decision from moderation.model_version where model_hash = :h", h=candidate
    )
    assert decisions == [(None,)]


def test_report_of_a_finished_run_is_final(month: RetrainingRun) -> None:
    candidate = month.register("candidate", seed=1)
    month.begin(photos(4), candidate=candidate, champion=None)
    first = evaluate(month)
    month.set(state="promoted")
    assert evaluate(month) == first


def test_run_without_a_candidate_is_rejected(month: RetrainingRun) -> None:
    month.begin(photos(2), candidate=month.shop.model_hash, champion=None)
    month.set(candidate_hash=None)
    with pytest.raises(RunNotStarted, match="calibrate"):
        evaluate(month)


def test_candidate_for_another_policy_is_rejected(month: RetrainingRun) -> None:
    policy = retraining_policy("violate", "weapon")
    month.begin(photos(2), candidate=month.shop.model_hash, champion=None, policy=policy)
    with pytest.raises(ModelError, match="weapon"):
        evaluate(month)


def test_golden_set_without_scorable_photos_raises(month: RetrainingRun) -> None:
    golden = [GoldenSpec(b"no picture", "normal", added_in=GOLDEN)]
    month.begin(golden, candidate=month.shop.model_hash, champion=None)
    with pytest.raises(TrainingError, match="label more photos"):
        evaluate(month)
