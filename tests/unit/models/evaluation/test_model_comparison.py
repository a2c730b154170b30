import json
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.models.evaluation.model_comparison import (
    ModelScores,
    PairedTest,
    Photos,
    compare,
    paired_test,
)
from ml.policy.verdict import Decision
from tests.support.policies import policy

POLICY = policy(violate=None)
#                  normal passes, violation passes, violation waits, violation unsure
LABELS = np.array([0, 1, 1, 1])
PHOTOS = Photos(LABELS, ["normal", "qr", "qr", "ad"], {"route": ["import"] * 4})


def side(*violation: float, pass_confidence: float = 0.7) -> ModelScores:
    scores = np.array(violation)
    return ModelScores(np.stack([1 - scores, scores], axis=1), pass_confidence)


CANDIDATE = side(0.1, 0.2, 0.9, 0.4)
CHAMPION = side(0.1, 0.8, 0.25, 0.05)


def test_decisions_follow_the_policy_at_the_threshold_of_the_version() -> None:
    passed, review = Decision.PASS, Decision.REVIEW
    assert CANDIDATE.decisions(POLICY) == [passed, passed, review, review]
    strict = side(0.1, 0.2, 0.9, 0.4, pass_confidence=0.85)
    assert strict.decisions(POLICY) == [passed, review, review, review]


def test_compare_tests_leaks_over_violations_and_recall_per_class() -> None:
    report = compare(PHOTOS, candidate=CANDIDATE, champion=CHAMPION, policy=POLICY)
    paired = report["paired"]
    # Violations: the candidate lets the 2nd pass; the champion the 3rd and 4th.
    assert {k: paired["leak"][k] for k in ("photos", "gained", "lost")} == {
        "photos": 3, "gained": 2, "lost": 1,
    }  # fmt: skip
    # The 4th waits for a person, though "normal" is likelier: no leak, and not recognized.
    assert {k: paired["recall"]["violate"][k] for k in ("photos", "gained", "lost")} == {
        "photos": 3, "gained": 1, "lost": 1,
    }  # fmt: skip
    assert paired["accuracy"]["photos"] == 4
    assert report["candidate"]["verdicts"]["leaked"] == 1
    assert report["champion"]["verdicts"]["leaked"] == 2
    assert report["slices"]["route"]["import"]["candidate_caught"] == pytest.approx(2 / 3)
    json.dumps(report, allow_nan=False)


def test_compare_without_a_champion_has_no_paired_tests() -> None:
    report = compare(PHOTOS, candidate=CANDIDATE, champion=None, policy=POLICY)
    assert (report["champion"], report["paired"]) == (None, None)
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize("row", [0, 1])
def test_compare_accepts_photos_of_one_class(row: int) -> None:
    rows = np.array([row])
    report = compare(
        PHOTOS.subset(rows), candidate=CANDIDATE.subset(rows), champion=CHAMPION.subset(rows),
        policy=POLICY,
    )  # fmt: skip
    assert report["photos"] == 1
    json.dumps(report, allow_nan=False)


def test_compare_evaluates_each_slice_for_both_models() -> None:
    photos = Photos(
        LABELS,
        PHOTOS.categories,
        {"route": ["a", "a", "b", "b"], "new_class": [None, "ad", None, "ad"]},
    )
    report = compare(photos, candidate=CANDIDATE, champion=CHAMPION, policy=POLICY)
    assert report["slices"]["route"] == {
        "a": {
            "photos": 2,
            "candidate_accuracy": 0.5, "candidate_caught": 0.0,
            "champion_accuracy": 1.0, "champion_caught": 1.0,
        },
        "b": {
            "photos": 2,
            "candidate_accuracy": 0.5, "candidate_caught": 1.0,
            "champion_accuracy": 0.0, "champion_caught": 0.0,
        },
    }  # fmt: skip
    assert list(report["slices"]["new_class"]) == ["ad"]
    assert report["slices"]["new_class"]["ad"]["photos"] == 2


def test_compare_slices_are_none_without_champion_or_violations() -> None:
    photos = PHOTOS.subset(np.array([0]))
    report = compare(
        photos, candidate=CANDIDATE.subset(np.array([0])), champion=None, policy=POLICY
    )
    assert report["slices"]["route"]["import"] == {
        "photos": 1,
        "candidate_accuracy": 1.0, "champion_accuracy": None,
        "candidate_caught": None, "champion_caught": None,
    }  # fmt: skip


def table(both: int, gained: int, lost: int, neither: int) -> PairedTest:
    counts = [both, gained, lost, neither]
    return paired_test(
        np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)
    )


def test_paired_test_equals_a_hand_computed_table() -> None:
    actual = table(80, 10, 2, 8)
    assert (actual.photos, actual.gained, actual.lost) == (100, 10, 2)
    assert actual.difference == pytest.approx(0.08)
    # Twice the ways to get 0, 1 or 2 tails in 12 throws: 1, 12 and 66.
    assert actual.p_value == pytest.approx(158 / 4096)
    # The center is 8/102, the half width 1.96/102 of the root of 13 less 64/102.
    assert (actual.low, actual.high) == pytest.approx((0.010842, 0.146020), abs=1e-5)


def test_paired_test_interval_of_equal_models_is_wide_for_few_photos() -> None:
    actual = table(3, 0, 0, 1)
    assert (actual.difference, actual.p_value) == (0.0, 1.0)
    assert actual.low < -0.2
    assert actual.high > 0.2


def test_paired_test_without_photos_is_undecided() -> None:
    actual = asdict(table(0, 0, 0, 0))
    assert actual == {
        "photos": 0, "gained": 0, "lost": 0,
        "difference": 0.0, "low": -1.0, "high": 1.0, "p_value": 1.0,
    }  # fmt: skip


cells = st.integers(0, 40)


@given(cells, cells, cells, cells)
def test_paired_test_is_mirrored_by_swapping_the_models(
    both: int, gained: int, lost: int, rest: int
) -> None:
    one, other = table(both, gained, lost, rest), table(both, lost, gained, rest)
    assert one.p_value == other.p_value
    assert one.difference == -other.difference
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
    assert -1.0 <= one.low <= one.difference + 1e-12
    assert one.difference - 1e-12 <= one.high <= 1.0


@given(cells, cells, cells, cells)
def test_paired_test_never_improves_by_losing_another_photo(
    both: int, gained: int, lost: int, rest: int
) -> None:
    before, after = table(both + 1, gained, lost, rest), table(both, gained, lost + 1, rest)
    assert after.difference < before.difference
    if before.difference <= 0:
        assert after.p_value <= before.p_value + 1e-12


@pytest.mark.parametrize("chances", [(0.85, 0.05, 0.05, 0.05), (0.7, 0.08, 0.02, 0.2)])
@pytest.mark.parametrize("photos", [50, 400])
def test_paired_test_interval_covers_the_true_difference(
    chances: tuple[float, ...], photos: int
) -> None:
    rng = np.random.default_rng(3)
    truth = chances[1] - chances[2]
    runs = [table(*map(int, rng.multinomial(photos, chances))) for _ in range(1000)]
    assert np.mean([r.low <= truth <= r.high for r in runs]) > 0.935


def test_paired_test_of_equal_models_is_rarely_significant() -> None:
    rng = np.random.default_rng(4)
    runs = [table(*map(int, rng.multinomial(300, (0.8, 0.06, 0.06, 0.08)))) for _ in range(1000)]
    assert np.mean([r.p_value < 0.05 for r in runs]) <= 0.05
