import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from ml.review.agreement import Rating, cohens_kappa, golden_accuracy, pair_agreement


def _said(reviewer: str, labels: dict[str, str]) -> list[Rating]:
    return [Rating(reviewer, photo, label) for photo, label in labels.items()]


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_that_of_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.choice(["a", "b", "c"], 60).tolist()
    second = [rng.choice(["a", "b", "c"]) if rng.random() < 0.4 else label for label in first]
    kappa = cohens_kappa(list(zip(first, second, strict=True)))
    assert kappa == pytest.approx(cohen_kappa_score(first, second))


def test_kappa_of_reviewers_who_only_ever_say_one_thing_is_unknown() -> None:
    assert cohens_kappa([("a", "a")] * 7) is None
    assert cohens_kappa([("a", "b")] * 7) == 0.0


def test_pairs_are_those_with_photos_in_common() -> None:
    judgements = [
        *_said("ann", {"1": "a", "2": "b", "3": "a"}),
        *_said("bob", {"2": "b", "3": "b"}),
        *_said("cy", {"9": "a"}),
    ]
    (pair,) = pair_agreement(judgements)
    assert (pair.first, pair.second, pair.photos, pair.agreement) == ("ann", "bob", 2, 0.5)
    assert pair.kappa == 0.0


def test_the_last_word_counts() -> None:
    changed = [*_said("ann", {"1": "b"}), *_said("ann", {"1": "a"}), *_said("bob", {"1": "a"})]
    assert pair_agreement(changed)[0].agreement == 1.0
    assert golden_accuracy(changed, {"1": "a"})[0].accuracy == 1.0


def test_accuracy_by_reviewer_and_class() -> None:
    truth = {"1": "a", "2": "a", "3": "b", "4": "c"}
    judgements = [
        *_said("ann", {"1": "a", "2": "b", "3": "b", "elsewhere": "c"}),
        *_said("bob", {"elsewhere": "a"}),
    ]
    ann, bob = golden_accuracy(judgements, truth)
    assert (ann.photos, ann.right, ann.accuracy) == (3, 2, pytest.approx(2 / 3))
    assert (ann.classes["a"].recall, ann.classes["a"].precision) == (0.5, 1.0)
    assert (ann.classes["b"].recall, ann.classes["b"].precision) == (1.0, 0.5)
    assert (ann.classes["c"].recall, ann.classes["c"].precision) == (None, None)
    assert (bob.photos, bob.accuracy) == (0, None)


def test_a_class_that_only_a_reviewer_names_is_shown() -> None:
    (ann,) = golden_accuracy(_said("ann", {"1": "odd"}), {"1": "a"})
    assert (ann.classes["odd"].photos, ann.classes["odd"].precision) == (0, 0.0)
