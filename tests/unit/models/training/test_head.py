import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from ml.models.training.head import (
    FALLBACK_INVERSE_PENALTY,
    INVERSE_PENALTIES,
    LabelledFeatures,
    cross_fit_head,
    fit_head,
)


def _photos(photos: int = 60, classes: int = 2, weights: object = 1.0) -> LabelledFeatures:
    rng = np.random.default_rng(1)
    targets = rng.permutation(np.arange(photos) % classes)
    centers = rng.normal(size=(classes, 6))
    features = centers[targets] + rng.normal(size=(photos, 6))
    features = (features / features.std(axis=0)).astype(np.float32)  # all as wide as each other
    return LabelledFeatures(features, targets, np.broadcast_to(weights, photos).astype(float))


def _pipeline(photos: LabelledFeatures, weights: object = None) -> LogisticRegression:
    """What the head must say, by scikit-learn's own pipeline."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    given = {"logisticregression__sample_weight": weights}
    return model.fit(photos.features, photos.targets, **given)


def test_nearly_constant_feature_counts_little() -> None:
    photos = _photos()
    rng = np.random.default_rng(2)
    noise = 1e-3 * (2.0 * photos.targets - 1 + rng.normal(size=60))
    features = np.column_stack([photos.features, noise, np.full(60, 3.0)])
    head = fit_head(
        LabelledFeatures(features, photos.targets, photos.weights), 2,
        inverse_penalty=0.1, balanced=False,
    )  # fmt: skip
    assert head is not None
    alone = fit_head(photos, 2, inverse_penalty=0.1, balanced=False)
    assert alone is not None
    # Divided by its own spread it would change the logits by about 1.
    assert head.logits(features) == pytest.approx(alone.logits(photos.features), abs=0.01)


def test_rounding_of_constant_features_is_no_spread() -> None:
    # Most features of the network are dead: the median spread is 0.
    rounding = 1e-8 * np.random.default_rng(3).normal(size=(60, 20))
    photos = _photos()
    features = np.column_stack([photos.features, 1.0 + rounding])
    head = fit_head(
        LabelledFeatures(features, photos.targets, photos.weights), 2,
        inverse_penalty=0.1, balanced=False,
    )  # fmt: skip
    assert head is not None
    assert np.abs(head.weight).max() < 10


def test_features_that_are_all_constant_give_the_same_logits_to_all() -> None:
    photos = LabelledFeatures(np.ones((6, 4)), np.array([0, 1, 0, 1, 0, 1]), np.ones(6))
    head = fit_head(photos, 2, inverse_penalty=0.1, balanced=False)
    assert head is not None
    assert head.logits(photos.features) == pytest.approx(np.zeros((6, 2)), abs=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_head_equals_the_regression(classes: int) -> None:
    photos = _photos(classes=classes)
    head = fit_head(photos, classes, inverse_penalty=0.1, balanced=False)
    assert head is not None
    shares = torch.from_numpy(head.logits(photos.features)).softmax(dim=1).numpy()
    expected = _pipeline(photos).predict_proba(photos.features)
    assert shares == pytest.approx(expected, abs=1e-3)


def test_weights_count_relative_to_each_other() -> None:
    weights = np.linspace(0.5, 4.0, 60)
    heads = [
        fit_head(_photos(weights=factor * weights), 2, inverse_penalty=0.1, balanced=False)
        for factor in (1.0, 7.0)
    ]
    features = _photos().features
    found = [head.logits(features) for head in heads if head is not None]
    expected = _pipeline(_photos(), weights / weights.mean()).decision_function(features)
    for logits in found:
        assert logits[:, 1] - logits[:, 0] == pytest.approx(expected, abs=1e-3)
    unweighted = _pipeline(_photos()).decision_function(features)
    assert expected != pytest.approx(unweighted, abs=1e-3)


def test_balanced_classes_have_the_same_weight() -> None:
    photos = _photos()
    few = photos.subset((photos.targets == 0) | (np.arange(60) < 20))
    few = LabelledFeatures(few.features / few.features.std(axis=0), few.targets, few.weights)
    head = fit_head(few, 2, inverse_penalty=0.1, balanced=True)
    counts = np.bincount(few.targets)
    expected = _pipeline(few, len(few.targets) / (2 * counts[few.targets]))
    assert head is not None
    logits = head.logits(few.features)
    actual = logits[:, 1] - logits[:, 0]
    assert actual == pytest.approx(expected.decision_function(few.features), abs=1e-3)


def test_photo_of_weight_zero_changes_nothing() -> None:
    photos = _photos()
    kept = np.arange(60) % 3 > 0
    without = fit_head(photos.subset(kept), 2, inverse_penalty=0.1, balanced=True)
    weightless = LabelledFeatures(photos.features, photos.targets, kept.astype(float))
    head = fit_head(weightless, 2, inverse_penalty=0.1, balanced=True)
    assert head is not None
    assert without is not None
    assert head.weight == pytest.approx(without.weight)


def test_copied_head_has_the_logits_and_keeps_the_row_of_a_class_without_photos() -> None:
    photos, layer = _photos(), nn.Linear(6, 3)
    before = layer.weight.detach().clone()
    head = fit_head(photos, 3, inverse_penalty=0.1, balanced=True)
    assert head is not None
    head.copy_to(layer)
    assert torch.equal(layer.weight[2], before[2])
    logits = layer(torch.from_numpy(photos.features)).detach().numpy()[:, :2]
    assert logits == pytest.approx(head.logits(photos.features)[:, :2], abs=1e-4)


def test_one_class_fits_no_head() -> None:
    photos = _photos().subset(_photos().targets == 0)
    assert fit_head(photos, 2, inverse_penalty=0.1, balanced=True) is None
    assert cross_fit_head(photos, np.arange(30) % 3, 2, balanced=True) is None


def test_logits_are_of_heads_that_saw_none_of_the_fold() -> None:
    photos, folds = _photos(), np.arange(60) % 3
    crossed = cross_fit_head(photos, folds, 2, balanced=False)
    assert crossed is not None
    for fold in range(3):
        penalty = crossed.head.inverse_penalty
        others = fit_head(photos.subset(folds != fold), 2, inverse_penalty=penalty, balanced=False)
        assert others is not None
        expected = others.logits(photos.features[folds == fold])
        assert crossed.logits[folds == fold] == pytest.approx(expected)
    everything = fit_head(photos, 2, inverse_penalty=penalty, balanced=False)
    assert everything is not None
    assert crossed.head.weight == pytest.approx(everything.weight)


def test_selected_penalty_has_the_lowest_loss_on_held_out_photos() -> None:
    photos, folds = _photos(), np.arange(60) % 3

    def loss(inverse_penalty: float) -> float:
        likely = np.empty((60, 2))
        for fold in range(3):
            rest = photos.subset(folds != fold)
            head = fit_head(rest, 2, inverse_penalty=inverse_penalty, balanced=True)
            assert head is not None
            logits = head.logits(photos.features[folds == fold])
            likely[folds == fold] = torch.from_numpy(logits).softmax(dim=1).numpy()
        return float(log_loss(photos.targets, likely))

    crossed = cross_fit_head(photos, folds, 2, balanced=True)
    assert crossed is not None
    assert crossed.head.inverse_penalty == min(INVERSE_PENALTIES, key=loss)


def test_class_in_a_single_fold_has_the_fallback_penalty() -> None:
    photos = _photos()
    crossed = cross_fit_head(photos, photos.targets, 2, balanced=True)
    assert crossed is not None
    assert crossed.head.inverse_penalty == FALLBACK_INVERSE_PENALTY
