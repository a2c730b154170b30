import json

import numpy as np
import pytest

from ml.evaluation.report_plots import draw, trade_off
from ml.evaluation.versus import Photos, Side, compare
from ml.policy.verdict import Decision
from tests.support.policies import policy

POLICY = policy(violate=None)
#                  normal passes, violation passes, violation waits, violation unsure
LABELS = np.array([0, 1, 1, 1])
PHOTOS = Photos(LABELS, ["normal", "qr", "qr", "ad"], {"route": ["import"] * 4})


def side(*violation: float, pass_confidence: float = 0.7) -> Side:
    scores = np.array(violation)
    return Side(np.stack([1 - scores, scores], axis=1), pass_confidence)


CANDIDATE = side(0.1, 0.2, 0.9, 0.4)
CHAMPION = side(0.1, 0.8, 0.25, 0.05)


def test_decisions_are_those_of_the_policy_at_the_versions_own_cut_off() -> None:
    passed, review = Decision.PASS, Decision.REVIEW
    assert CANDIDATE.decisions(POLICY) == [passed, passed, review, review]
    strict = side(0.1, 0.2, 0.9, 0.4, pass_confidence=0.85)
    assert strict.decisions(POLICY) == [passed, review, review, review]


def test_leaks_are_compared_over_violations_and_recall_over_the_class() -> None:
    report = compare(PHOTOS, candidate=CANDIDATE, champion=CHAMPION, policy=POLICY)
    paired = report["paired"]
    # Violations: the candidate lets the 2nd pass; the champion the 3rd and 4th.
    assert {k: paired["leak"][k] for k in ("photos", "gained", "lost")} == {
        "photos": 3, "gained": 2, "lost": 1,
    }  # fmt: skip
    # The 4th waits for a person, though "normal" is likelier: no leak, and not recognised.
    assert {k: paired["recall"]["violate"][k] for k in ("photos", "gained", "lost")} == {
        "photos": 3, "gained": 1, "lost": 1,
    }  # fmt: skip
    assert paired["accuracy"]["photos"] == 4
    assert report["candidate"]["verdicts"]["leaked"] == 1
    assert report["champion"]["verdicts"]["leaked"] == 2
    assert report["slices"]["route"]["import"]["candidate_caught"] == pytest.approx(2 / 3)
    json.dumps(report, allow_nan=False)


def test_without_a_champion_there_is_nothing_to_pair() -> None:
    report = compare(PHOTOS, candidate=CANDIDATE, champion=None, policy=POLICY)
    assert (report["champion"], report["paired"]) == (None, None)
    json.dumps(report, allow_nan=False)


@pytest.mark.parametrize("row", [0, 1])
def test_a_set_of_one_class_can_be_measured(row: int) -> None:
    rows = np.array([row])
    report = compare(
        PHOTOS.take(rows), candidate=CANDIDATE.take(rows), champion=CHAMPION.take(rows),
        policy=POLICY,
    )  # fmt: skip
    assert report["photos"] == 1
    json.dumps(report, allow_nan=False)


def test_the_trade_off_runs_from_all_waits_to_all_that_may_pass() -> None:
    figure = trade_off(PHOTOS, {"candidate": CANDIDATE}, POLICY)
    line, dot = figure.axes[0].get_lines()
    assert line.get_xydata().tolist() == [
        [1.0, 0.0], [0.75, 0.0], [0.5, pytest.approx(1 / 3)], [0.25, pytest.approx(2 / 3)],
    ]  # fmt: skip
    assert dot.get_xydata().tolist() == [[0.5, pytest.approx(1 / 3)]]


def test_plots_are_png_of_both_and_of_training_where_there_was_one() -> None:
    alone = draw(PHOTOS, candidate=CANDIDATE, champion=None, policy=POLICY, curves={})
    assert set(alone) == {
        "trade_off", "confusion_candidate", "reliability_candidate", "precision_recall_candidate",
    }  # fmt: skip
    names = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
    curves = {name: [0.5, 0.4] for name in names}
    both = draw(PHOTOS, candidate=CANDIDATE, champion=CHAMPION, policy=POLICY, curves=curves)
    assert set(both) - set(alone) == {
        "confusion_champion", "reliability_champion", "precision_recall_champion", "training",
    }  # fmt: skip
    assert all(data.startswith(b"\x89PNG") for data in both.values())
