import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from ml.review.reviewer_stats import cohens_kappa, golden_accuracy, pair_agreement
from ml.storage.read.reviewer_stats import GivenLabel


def _labels(reviewer: str, labels: dict[str, str]) -> list[GivenLabel]:
    return [GivenLabel(reviewer, photo, label) for photo, label in labels.items()]


@pytest.mark.parametrize("seed", range(5))
def test_kappa_equals_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.choice(["a", "b", "c"], 60).tolist()
    second = [rng.choice(["a", "b", "c"]) if rng.random() < 0.4 else label for label in first]
    kappa = cohens_kappa(list(zip(first, second, strict=True)))
    assert kappa == pytest.approx(cohen_kappa_score(first, second))


def test_kappa_is_undefined_where_both_use_one_label() -> None:
    assert cohens_kappa([("a", "a")] * 7) is None
    assert cohens_kappa([("a", "b")] * 7) == 0.0


def test_pairs_have_photos_in_common() -> None:
    labels = [
        *_labels("ann", {"1": "a", "2": "b", "3": "a"}),
        *_labels("bob", {"2": "b", "3": "b"}),
        *_labels("cy", {"9": "a"}),
    ]
    (pair,) = pair_agreement(labels)
    assert (pair.first, pair.second, pair.photos, pair.agreement) == ("ann", "bob", 2, 0.5)
    assert pair.kappa == 0.0


def test_last_label_of_a_reviewer_counts() -> None:
    changed = [
        *_labels("ann", {"1": "b"}),
        *_labels("ann", {"1": "a"}),
        *_labels("bob", {"1": "a"}),
    ]
    assert pair_agreement(changed)[0].agreement == 1.0
    assert golden_accuracy(changed, {"1": "a"})[0].accuracy == 1.0


def test_accuracy_by_reviewer_and_class() -> None:
    truth = {"1": "a", "2": "a", "3": "b", "4": "c"}
    labels = [
        *_labels("ann", {"1": "a", "2": "b", "3": "b", "elsewhere": "c"}),
        *_labels("bob", {"elsewhere": "a"}),
    ]
    ann, bob = golden_accuracy(labels, truth)
    assert (ann.photos, ann.right, ann.accuracy) == (3, 2, pytest.approx(2 / 3))
    assert ann.classes["a"].recall == 0.5
    assert ann.classes["b"].recall == 1.0
    assert ann.classes["c"].recall is None
    assert (bob.photos, bob.accuracy) == (0, None)


def test_class_given_only_by_a_reviewer_is_listed() -> None:
    (ann,) = golden_accuracy(_labels("ann", {"1": "odd"}), {"1": "a"})
    assert (ann.classes["odd"].photos, ann.classes["odd"].recall) == (0, None)
