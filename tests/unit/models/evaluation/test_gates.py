import copy
import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.models.bound_state import KEPT_REVIEW_SHARE, TOO_FEW, TOO_LEAKY
from ml.models.evaluation.gates import GateResult, gate
from ml.models.evaluation.model_comparison import paired_test
from ml.policy.schema import Policy
from tests.support.policies import policy

Report = dict[str, Any]
RETRAINING = {
    "leak_bound": {"rate": 0.03, "confidence": 0.95},
    "gates": {"recall_floor": {"violate": 0.7}, "significance": 0.05, "latency_ratio": 2.0},
}
RULE = Policy.model_validate(
    {**policy(violate=None).model_dump(mode="json"), "retraining": RETRAINING}
)
EVIDENCE = {
    "target_rate": 0.03, "confidence": 0.95, "photos": 900, "passed": 700.0, "leaked": 5.0,
    "upper_bound": 0.02, "review_rate": 0.2,
}  # fmt: skip


def pair(gained: int, lost: int, photos: int = 200) -> Report:
    rest = photos - gained - lost
    counts = [gained, lost, rest]
    ours = np.repeat([True, False, True], counts)
    return asdict(paired_test(ours, np.repeat([False, True, True], counts)))


def measured(*, accuracy: float, leaked: int, review_rate: float) -> Report:
    return {
        "photos": 400,
        "accuracy": accuracy,
        "per_class": {
            "normal": {"recall": 0.95, "support": 200},
            "violate": {"recall": 0.85, "support": 200},
        },
        "expected_calibration_error": 0.04,
        "calibration_error_by_chance": 0.06,
        "verdicts": {"pass_rate": 0.5, "leaked": leaked, "review_rate": review_rate},
    }


def part() -> Report:
    return {
        "photos": 400,
        "candidate": measured(accuracy=0.9, leaked=4, review_rate=0.5),
        "champion": measured(accuracy=0.89, leaked=5, review_rate=0.51),
        "paired": {
            "accuracy": pair(10, 6, 400),
            "recall": {"normal": pair(6, 5), "violate": pair(5, 4)},
            "leak": pair(3, 2),
        },
    }


def good() -> Report:
    return {
        "candidate": "c" * 64,
        "champion": "d" * 64,
        "sets": {"golden": part(), "newest": part()},
        "data": {
            "labels": {
                "normal": {"checked": 300, "doubted": 9},
                "violate": {"checked": 200, "doubted": 30},
            }
        },
        "servable": {"ok": True, "largest_difference": 1e-6, "detail": "logits differ by 1e-06"},
        "blocklist": {"photos": 3, "passed": []},
        "latency": {"candidate_ms": 10.0, "champion_ms": 10.0},
        "thresholds": {
            "candidate": {
                "pass_confidence": 0.8,
                "source": "solved: ...",
                "evidence": dict(EVIDENCE),
            }
        },
    }


def alone() -> Report:
    """The first retraining run: there is no champion to compare with."""
    report = good()
    report["champion"] = None
    for one in report["sets"].values():
        one["champion"] = one["paired"] = None
    report["latency"]["champion_ms"] = None
    return report


def changed(report: Report, path: str, value: object) -> Report:
    report = copy.deepcopy(report)
    *way, last = path.split(".")
    place = report
    for step in way:
        place = place[step]
    place[last] = value
    return report


def failed(report: Report, rule: Policy = RULE) -> dict[str, str]:
    """The gates that hold it, with their reasons."""
    actual = gate(report, rule)
    reasons = {g.name: g.reason for g in actual.gates if not g.passed}
    assert actual.decision == ("hold" if reasons else "promote")
    return reasons


def test_gate_promotes_a_good_candidate_with_a_reason_per_gate() -> None:
    actual = gate(good(), RULE)
    assert actual.decision == "promote"
    assert [g.name for g in actual.gates] == [
        "doubted_labels",
        "recall_floor:violate",
        "no_regression:accuracy",
        "no_regression:normal",
        "no_regression:violate",
        "no_regression:leak",
        "calibration_error",
        "leak_bound",
        "blocklist",
        "servable",
        "latency",
        "better",
    ]
    assert all(any(c.isdigit() for c in g.reason) for g in actual.gates)
    assert json.loads(json.dumps(actual.to_dict()))["gates"][0]["passed"] is True


def test_gate_promotes_the_first_candidate_without_a_champion() -> None:
    assert failed(alone()) == {}


@pytest.mark.parametrize(
    ("path", "value", "name", "words"),
    [
        ("data.labels.violate.doubted", 31, "doubted_labels", "15.5% of violate"),
        ("sets.golden.candidate.per_class.violate.recall", 0.69, "recall_floor:violate", "69.0%"),
        (
            "sets.golden.candidate.per_class.violate.support",
            0,
            "recall_floor:violate",
            "no golden photos of violate",
        ),
        ("sets.golden.paired.accuracy", pair(2, 14), "no_regression:accuracy", "14 lost"),
        ("sets.newest.paired.accuracy", pair(2, 14), "no_regression:accuracy", "newest: 2"),
        ("sets.golden.paired.recall.normal", pair(0, 6), "no_regression:normal", "6 lost"),
        ("sets.newest.paired.leak", pair(0, 6), "no_regression:leak", "6 lost"),
        (
            "sets.golden.candidate.expected_calibration_error",
            0.11,
            "calibration_error",
            "0.110.*0.1 is allowed",
        ),
        ("thresholds.candidate.evidence.upper_bound", 0.031, "leak_bound", "3.1%"),
        ("thresholds.candidate.evidence.confidence", 0.9, "leak_bound", "90%"),
        ("blocklist.passed", ["a" * 64], "blocklist", "1 of 3 blocklist"),
        ("servable.ok", False, "servable", "cannot load"),
        ("servable.ok", "yes", "servable", "cannot load"),
        ("latency.candidate_ms", 20.1, "latency", "20.10 ms"),
        ("latency.champion_ms", None, "latency", "no number at latency.champion_ms"),
    ],
)
def test_gate_holds_a_candidate_by_the_one_failed_gate(
    path: str, value: object, name: str, words: str
) -> None:
    reasons = failed(changed(good(), path, value))
    assert list(reasons) == [name]
    assert re.search(words, reasons[name])


def test_no_regression_gate_passes_an_insignificant_drop() -> None:
    # 5 lost to none: p is 0.0625.
    assert failed(changed(good(), "sets.golden.paired.recall.normal", pair(0, 5))) == {}


def test_better_gate_fails_without_any_gain() -> None:
    report = good()
    for one in report["sets"].values():
        one["champion"] = copy.deepcopy(one["candidate"])
    assert list(failed(report)) == ["better"]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("candidate.accuracy", 0.9001, "accuracy on newest"),
        ("candidate.verdicts.leaked", 3, "leak rate on newest"),
        ("candidate.verdicts.review_rate", 0.49, "review rate on newest"),
    ],
)
def test_better_gate_passes_with_one_gain(path: str, value: float, words: str) -> None:
    report = good()
    for one in report["sets"].values():
        one["champion"] = copy.deepcopy(one["candidate"])
    better = gate(changed(report, f"sets.newest.{path}", value), RULE)
    assert better.decision == "promote"
    assert words in better.gates[-1].reason


def test_better_gate_ignores_the_leak_rate_of_a_model_that_passes_nothing() -> None:
    report = good()
    for one in report["sets"].values():
        one["champion"] = copy.deepcopy(one["candidate"])
        one["candidate"]["verdicts"] = {"pass_rate": 0.0, "leaked": 0, "review_rate": 1.0}
    assert list(failed(report)) == ["better"]


def not_solved(report: Report, source: str) -> Report:
    return changed(report, "thresholds.candidate", {"source": source, "evidence": None})


def test_leak_bound_gate_with_too_few_labels_compares_with_the_champion() -> None:
    report = not_solved(good(), f"{TOO_FEW}: 12 labels")
    bound = next(g for g in gate(report, RULE).gates if g.name == "leak_bound")
    assert bound.passed
    assert "the bound is not proven" in bound.reason
    worse = changed(report, "sets.golden.paired.leak", pair(0, 6))
    assert set(failed(worse)) == {"leak_bound", "no_regression:leak"}


def test_leak_bound_gate_with_too_few_labels_and_no_champion_uses_golden_photos() -> None:
    report = not_solved(alone(), f"{TOO_FEW}: 12 labels")
    assert failed(report) == {}  # 4 of 200
    worse = changed(report, "sets.golden.candidate.verdicts.leaked", 7)
    assert list(failed(worse)) == ["leak_bound"]


@pytest.mark.parametrize("source", [f"{TOO_LEAKY}: ...", "somebody's choice"])
def test_leak_bound_gate_fails_a_leaky_threshold_and_one_without_evidence(source: str) -> None:
    assert list(failed(not_solved(good(), source))) == ["leak_bound"]


def clearly_better(report: Report) -> Report:
    """The candidate is significantly more accurate, and passes significantly fewer violations."""
    report = changed(report, "sets.golden.paired.accuracy", pair(30, 6, 400))
    return changed(report, "sets.golden.paired.leak", pair(16, 2))


@pytest.mark.parametrize("source", [f"{TOO_LEAKY}: ...", f"{KEPT_REVIEW_SHARE}: ..."])
def test_champion_that_is_clearly_worse_is_not_kept_for_the_bound(source: str) -> None:
    report = clearly_better(not_solved(good(), source))
    found = gate(changed(report, "sets.golden.candidate.per_class.violate.recall", 0.6), RULE)
    assert found.decision == "promote"
    reasons = {g.name: g.reason for g in found.gates}
    assert "bound not met" in reasons["leak_bound"]
    assert all(
        "the champion is clearly worse" in reasons[n]
        for n in ("leak_bound", "recall_floor:violate")
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sets.golden.paired.accuracy", pair(12, 10, 400)),
        ("sets.golden.paired.leak", pair(3, 2)),
        ("sets.golden.paired.recall.normal", pair(2, 14)),
        ("sets.newest.paired.recall.violate", pair(0, 8)),
    ],
)
def test_bound_that_is_not_met_holds_unless_every_measure_says_so(path: str, value: object) -> None:
    report = clearly_better(not_solved(good(), f"{TOO_LEAKY}: ..."))
    assert "leak_bound" in failed(changed(report, path, value))


def test_poisoned_labels_hold_even_a_candidate_that_looks_clearly_better() -> None:
    report = changed(clearly_better(good()), "data.labels.violate.doubted", 60)
    assert list(failed(report)) == ["doubted_labels"]


def test_gate_promotes_without_a_set_of_newest_photos() -> None:
    report = good()
    del report["sets"]["newest"]
    assert failed(report) == {}


def test_gate_passes_a_class_without_photos_and_says_so() -> None:
    report = changed(good(), "sets.golden.paired.recall.normal", pair(0, 0, 0))
    normal = next(g for g in gate(report, RULE).gates if g.name == "no_regression:normal")
    assert normal.passed
    assert "no photos to compare on" in normal.reason


def leaves(report: object, way: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(report, dict):
        for key, value in report.items():
            yield (*way, key)
            yield from leaves(value, (*way, key))


@pytest.mark.parametrize("broken", [None, math.nan, math.inf, True, "?", [], {}, {"evidence": 1}])
@pytest.mark.parametrize("report", [good(), alone()], ids=["good", "alone"])
def test_gate_never_crashes_on_invalid_values(report: Report, broken: object) -> None:
    for way in leaves(report):
        gate(changed(report, ".".join(way), broken), RULE)


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("champion", {"no_regression:accuracy", "latency", "better"}),
        ("sets", {"recall_floor:violate", "calibration_error", "better"}),
        ("sets.golden", {"recall_floor:violate", "no_regression:leak"}),
        ("sets.golden.paired", {"no_regression:accuracy", "no_regression:violate"}),
        ("sets.newest.paired", {"no_regression:accuracy", "no_regression:violate"}),
        ("sets.golden.paired.recall.violate", {"no_regression:violate"}),
        ("sets.golden.paired.leak.p_value", {"no_regression:leak"}),
        ("sets.golden.candidate", {"recall_floor:violate", "calibration_error", "better"}),
        ("sets.golden.candidate.expected_calibration_error", {"calibration_error"}),
        ("sets.golden.candidate.verdicts", {"better"}),
        ("thresholds", {"leak_bound"}),
        ("thresholds.candidate.evidence", {"leak_bound"}),
        ("thresholds.candidate.evidence.upper_bound", {"leak_bound"}),
        ("blocklist", {"blocklist"}),
        ("blocklist.passed", {"blocklist"}),
        ("servable", {"servable"}),
        ("servable.ok", {"servable"}),
        ("latency.candidate_ms", {"latency"}),
        ("latency.champion_ms", {"latency"}),
    ],
)
def test_gate_fails_by_name_where_the_report_misses_a_value(path: str, names: set[str]) -> None:
    report = good()
    *way, last = path.split(".")
    place = report
    for step in way:
        place = place[step]
    del place[last]
    reasons = failed(report)
    assert names <= set(reasons)
    assert all("the report has no" in reasons[name] for name in names)
    if last != "champion":  # any value there is a champion, and none at all says that there is none
        for broken in (None, math.nan, "?"):
            assert names <= set(failed(changed(good(), path, broken)))


# A step for the worse at each of the inputs: path and what becomes of the value there.
Worsening = tuple[str, Callable[[Any], Any]]


def _lose(test: Report) -> Report:
    """A photo that was won is lost, or one that both had right."""
    gained, lost = test["gained"], test["lost"]
    if gained + lost >= test["photos"] and not gained:
        return test
    return pair(max(0, gained - 1), lost + 1, test["photos"])


WORSE: list[Worsening] = [
    *(
        (f"sets.{name}.{path}", step)
        for name in ("golden", "newest")
        for path, step in [
            ("candidate.accuracy", lambda x: x - 0.01),
            ("candidate.verdicts.leaked", lambda x: x + 1),
            ("candidate.verdicts.review_rate", lambda x: x + 0.01),
            ("paired.accuracy", _lose),
            ("paired.recall.normal", _lose),
            ("paired.recall.violate", _lose),
            ("paired.leak", _lose),
        ]
    ),
    ("sets.golden.candidate.per_class.violate.recall", lambda x: x - 0.02),
    ("sets.golden.candidate.expected_calibration_error", lambda x: x + 0.02),
    ("thresholds.candidate.evidence.upper_bound", lambda x: x + 0.005),
    ("blocklist.passed", lambda x: [*x, "e" * 64]),
    ("servable.ok", lambda _: False),
    ("latency.candidate_ms", lambda x: x * 1.2),
]


@st.composite
def reports(draw: st.DrawFn) -> Report:
    """Around the edges of the gates: about half are promoted."""
    report = good()
    for one in report["sets"].values():
        for side in ("candidate", "champion"):
            one[side]["accuracy"] = draw(st.sampled_from([0.88, 0.89, 0.9]))
            one[side]["verdicts"]["leaked"] = draw(st.integers(3, 6))
            one[side]["verdicts"]["review_rate"] = draw(st.sampled_from([0.49, 0.5, 0.51]))
        one["paired"]["accuracy"] = pair(draw(st.integers(0, 3)), draw(st.integers(0, 8)))
        one["paired"]["leak"] = pair(draw(st.integers(0, 3)), draw(st.integers(0, 7)))
    golden = report["sets"]["golden"]["candidate"]
    golden["per_class"]["violate"]["recall"] = draw(st.sampled_from([0.69, 0.71, 0.9]))
    golden["expected_calibration_error"] = draw(st.sampled_from([0.05, 0.09, 0.11]))
    report["thresholds"]["candidate"]["evidence"] = EVIDENCE | {
        "upper_bound": draw(st.sampled_from([0.02, 0.028, 0.031]))
    }
    report["latency"]["candidate_ms"] = draw(st.sampled_from([10.0, 18.0, 21.0]))
    return report


@given(reports(), st.lists(st.sampled_from(range(len(WORSE))), min_size=1, max_size=4))
def test_gate_never_promotes_after_a_worsening(report: Report, steps: list[int]) -> None:
    before = gate(report, RULE)
    worse = report
    for path, step in (WORSE[i] for i in steps):
        value: Any = worse
        for key in path.split("."):
            value = value[key]
        worse = changed(worse, path, step(value))
    after = gate(worse, RULE)
    kept = {g.name for g in before.gates if g.passed}
    assert {g.name for g in after.gates if g.passed} <= kept
    assert not (before.decision == "hold" and after.decision == "promote")


def test_gate_holds_after_each_large_worsening() -> None:
    """The steps above do reach their gates."""
    for path, step in WORSE:
        report = good()
        value: Any = report
        for key in path.split("."):
            value = value[key]
        for _ in range(40):
            value = step(value)
        actual: GateResult = gate(changed(report, path, value), RULE)
        touches_better = ".candidate.accuracy" in path or ".verdicts." in path
        assert touches_better or actual.decision == "hold", path
