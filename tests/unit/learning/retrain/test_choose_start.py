"""Which start is trained, by few or many photos that the champion was not trained on."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from ml.learning.retrain.starts import MIN_COMPARED, Measured, choose_start, describe
from ml.models.card import PretrainedWeights
from ml.models.training.cross_fit_job import CrossFitJob, InitialNetwork
from ml.models.training.dataset import Dataset
from ml.models.training.head import CrossFittedHead, Head
from ml.models.training.preset import load_preset
from ml.models.training.progress import LogListener
from tests.support.policies import policy

PHOTOS, CLASSES = 120, ("ad", "normal", "violate")
POLICY = policy(ad=None, violate=None)
TARGETS = np.arange(PHOTOS) % 3


def _start(kind: str, seen: np.ndarray, *, margin: float, head: bool = True) -> Measured:
    """Its head's logits are right by a margin, each with the same noise."""
    dataset = SimpleNamespace(classes=CLASSES, targets=torch.from_numpy(TARGETS))
    job = CrossFitJob(
        cast("Dataset", dataset), np.arange(PHOTOS) % 6, np.ones(PHOTOS), ~seen,
        load_preset("monthly"), torch.device("cpu"), 0, LogListener(),
    )  # fmt: skip
    logits = np.random.default_rng(0).normal(size=(PHOTOS, 3)) + margin * np.eye(3)[TARGETS]
    fitted = CrossFittedHead(Head(np.zeros((3, 1)), np.zeros(3), np.arange(3), 0.1), logits)
    initial = InitialNetwork(cast("Any", None), head=fitted if head else None)
    return Measured(PretrainedWeights(kind=cast("Any", kind), detail="0" * 64), initial, job)


NONE_SEEN = np.zeros(PHOTOS, bool)
VIOLATIONS = np.isin(TARGETS, [0, 2])


def _kind(*measured: Measured) -> str:
    return choose_start(measured, POLICY).origin.kind


def test_champion_is_chosen_where_it_describes_unseen_photos_better() -> None:
    bundled = _start("bundled", NONE_SEEN, margin=1.0)
    assert _kind(bundled, _start("champion", NONE_SEEN, margin=3.0)) == "champion"
    assert _kind(bundled, _start("champion", NONE_SEEN, margin=0.5)) == "bundled"


@pytest.mark.parametrize(
    ("unseen", "kind"), [(MIN_COMPARED - 1, "bundled"), (MIN_COMPARED, "champion")]
)
def test_champion_that_was_trained_on_most_of_one_side_is_not_chosen(
    unseen: int, kind: str
) -> None:
    seen = VIOLATIONS.copy()
    seen[np.flatnonzero(VIOLATIONS)[:unseen]] = False
    champion = _start("champion", seen, margin=3.0)
    assert champion.count_rarer_side(POLICY) == unseen
    assert _kind(_start("bundled", NONE_SEEN, margin=1.0), champion) == kind


@pytest.mark.parametrize("seen", [VIOLATIONS, ~VIOLATIONS, np.ones(PHOTOS, bool)])
def test_champion_without_unseen_photos_of_a_side_is_not_chosen_without_heads_either(
    seen: np.ndarray,
) -> None:
    bundled = _start("bundled", NONE_SEEN, margin=1.0, head=False)
    champion = _start("champion", seen, margin=3.0, head=False)
    assert champion.count_rarer_side(POLICY) == 0
    assert _kind(bundled, champion) == "bundled"
    some = replace(champion, job=replace(champion.job, comparable=~NONE_SEEN))
    assert _kind(bundled, some) == "champion"


def test_measures_are_of_photos_that_the_start_was_not_trained_on() -> None:
    seen = np.arange(PHOTOS) < 60
    champion = _start("champion", seen, margin=5.0)
    assert champion.initial.head is not None
    logits = champion.initial.head.logits
    wrong = np.where(seen[:, None], -logits, logits)
    assert describe(champion, wrong, 0, POLICY) == describe(champion, logits, 0, POLICY)
    found = describe(champion, logits, 2, POLICY)
    assert (found["photos"], found["epochs"]) == (60, 2)
    assert found["area"] > 0.95
