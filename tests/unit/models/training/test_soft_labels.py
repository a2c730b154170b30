import numpy as np
import pytest

from ml.models.training.head import LabelledFeatures, cross_fit_head
from ml.models.training.soft_labels import SoftLabels, TeacherFeatures

RNG = np.random.default_rng(2)
LABELLED, UNLABELLED = 60, 400


def _world() -> tuple[LabelledFeatures, SoftLabels, np.ndarray, np.ndarray]:
    """A teacher that sees the class plainly, and features that show it among much else."""
    targets = RNG.permutation(np.arange(LABELLED + UNLABELLED) % 2)
    signal = 2.0 * targets - 1 + RNG.normal(0, 0.7, len(targets))
    teacher = np.stack([signal, RNG.normal(size=len(targets))], axis=1).astype(np.float32)
    noise = RNG.normal(size=(len(targets), 40))
    features = np.column_stack([signal + RNG.normal(0, 0.7, len(targets)), noise])
    features = features.astype(np.float32)
    folds, weights = np.arange(LABELLED) % 6, np.ones(LABELLED)
    known = targets[:LABELLED]
    of_teacher = TeacherFeatures(
        LabelledFeatures(teacher[:LABELLED], known, weights),
        teacher[LABELLED:],
        folds,
        classes=2,
        balanced=True,
    )
    photos = LabelledFeatures(features[:LABELLED], known, weights)
    return photos, SoftLabels(features[LABELLED:], of_teacher, 1.0), folds, targets[LABELLED:]


def test_soft_labels_are_the_probabilities_of_the_classes() -> None:
    photos, soft, _, truth = _world()
    likely = soft.teacher.probabilities(np.ones(LABELLED, bool))
    assert likely is not None
    assert likely.shape == (UNLABELLED, 2)
    assert likely.sum(axis=1) == pytest.approx(np.ones(UNLABELLED))
    assert (likely.argmax(axis=1) == truth).mean() > 0.85
    added = soft.add_to(photos, np.ones(LABELLED, bool))
    assert len(added.targets) == LABELLED + 2 * UNLABELLED
    unlabelled = added.weights[LABELLED:].reshape(2, UNLABELLED)
    assert unlabelled.sum(axis=0) == pytest.approx(np.full(UNLABELLED, LABELLED / UNLABELLED))
    assert unlabelled[1] / unlabelled.sum(axis=0) == pytest.approx(likely[:, 1])


def test_label_that_is_held_out_changes_no_soft_label() -> None:
    photos, soft, folds, _ = _world()
    kept = folds != 2
    before = soft.add_to(photos, kept)
    flipped = np.where(kept, photos.targets, 1 - photos.targets)
    teacher = TeacherFeatures(
        LabelledFeatures(soft.teacher.labelled.features, flipped, photos.weights),
        soft.teacher.unlabelled, folds, 2, balanced=True,
    )  # fmt: skip
    # The penalty alone is selected on all labels.
    teacher.__dict__["inverse_penalty"] = soft.teacher.inverse_penalty
    other = LabelledFeatures(photos.features, flipped, photos.weights)
    after = SoftLabels(soft.features, teacher, 1.0).add_to(other, kept)
    assert after.weights == pytest.approx(before.weights)
    assert np.array_equal(after.targets, before.targets)


def test_head_of_both_predicts_better_than_that_of_few_labels() -> None:
    photos, soft, folds, truth = _world()
    alone = cross_fit_head(photos, folds, 2, balanced=True)
    both = cross_fit_head(photos, folds, 2, balanced=True, selection=soft)
    assert alone is not None
    assert both is not None
    right = [
        (head.head.logits(soft.features).argmax(axis=1) == truth).mean() for head in (alone, both)
    ]
    assert right[1] > right[0] + 0.03
    held_out = [(head.logits.argmax(axis=1) == photos.targets).mean() for head in (alone, both)]
    assert held_out[1] >= held_out[0]


def test_too_few_labels_have_no_soft_ones() -> None:
    photos, soft, _, _ = _world()
    one_class = photos.targets == 0
    assert soft.teacher.probabilities(one_class) is None
    assert len(soft.add_to(photos, one_class).targets) == one_class.sum()
