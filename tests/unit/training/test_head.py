from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from ml.images.decode import DecodeLimits
from ml.model.card import StartWeights
from ml.model.resnet18 import build
from ml.training.dataset import Dataset, open_photos
from ml.training.folder import Photo
from ml.training.head import fit_head, wants_fitting
from ml.training.loop import Job, Parts, predict
from ml.training.progress import PlainLines
from tests.unit.training.pictures import SPEC, noise, tiny_preset

CPU = torch.device("cpu")


@pytest.fixture
def three_classes(tmp_path: Path) -> Iterator[Dataset]:
    """Red, green and blue."""
    photos = []
    for channel, label in enumerate(("blue", "green", "red")):
        for number in range(8):
            path = tmp_path / f"{label}{number}.png"
            noise(number + 100 * channel, channel).save(path)
            photos.append(Photo(path, f"{label}/{number}", label))
    with open_photos(
        photos, [], classes=("blue", "green", "red"), spec=SPEC, limits=DecodeLimits(),
        scratch=tmp_path,
    ) as opened:  # fmt: skip
        yield opened


def _job(dataset: Dataset, train: list[int], **changes: object) -> tuple[Job, nn.Linear]:
    torch.manual_seed(3)
    network = build(len(dataset.classes))
    parts = Parts(np.array(train), np.array([0]))
    job = Job(network, dataset, parts, tiny_preset(), CPU, 0, PlainLines())
    job = replace(job, **changes)  # type: ignore[arg-type]
    fit_head(job, network)
    return job, network.fc


def _logits(job: Job) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    everything = np.arange(len(job.dataset.scanned))
    logits = predict(job.network, job.dataset, everything, device=CPU, batch=8)
    return logits.double().numpy()


def _features(job: Job) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    trunk = nn.Sequential(*list(job.network.children())[:-1], nn.Flatten())
    everything = np.arange(len(job.dataset.scanned))
    return predict(trunk, job.dataset, everything, device=CPU, batch=8).numpy()


def _regression(job: Job, weights: object = None) -> LogisticRegression:
    """What the head must say, by scikit-learn's own pipeline."""
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    )
    train = job.parts.train
    given = {"logisticregression__sample_weight": weights}
    return model.fit(_features(job)[train], job.dataset.targets[train].numpy(), **given)


def test_of_two_classes_the_head_says_what_the_regression_says(dataset: Dataset) -> None:
    job, _ = _job(dataset, [*range(15), *range(20, 30)])
    expected = _regression(job).decision_function(_features(job))
    logits = _logits(job)
    assert logits[:, 1] - logits[:, 0] == pytest.approx(expected, abs=1e-3)
    assert np.abs(expected).max() > 0.1


def test_of_three_classes_too(three_classes: Dataset) -> None:
    job, _ = _job(three_classes, list(range(24)))
    expected = _regression(job).predict_proba(_features(job))
    shares = torch.from_numpy(_logits(job)).softmax(dim=1).numpy()
    assert shares == pytest.approx(expected, abs=1e-3)


def test_photos_count_by_their_weight(dataset: Dataset) -> None:
    train = np.array([*range(15), *range(20, 30)])
    weights = np.linspace(0.5, 4.0, len(train))
    parts = Parts(train, np.array([0]), weights)
    job, _ = _job(dataset, [], parts=parts)
    logits = _logits(job)
    expected = _regression(job, weights).decision_function(_features(job))
    assert logits[:, 1] - logits[:, 0] == pytest.approx(expected, abs=1e-3)
    unweighted = _regression(job).decision_function(_features(job))
    assert expected != pytest.approx(unweighted, abs=1e-3)


def test_the_trunk_stays_as_it_was(dataset: Dataset) -> None:
    torch.manual_seed(3)
    before = build(2).state_dict()
    job, _ = _job(dataset, [*range(15), *range(20, 30)])
    changed = {n for n, t in job.network.state_dict().items() if not torch.equal(t, before[n])}
    assert changed == {"fc.weight", "fc.bias"}


def test_a_class_without_a_photo_keeps_its_row(three_classes: Dataset) -> None:
    torch.manual_seed(3)
    before = build(3).fc.weight.detach().clone()
    _, head = _job(three_classes, list(range(16)))
    assert torch.equal(head.weight[2], before[2])
    assert not torch.equal(head.weight[0], before[0])


def test_one_class_alone_changes_nothing(dataset: Dataset) -> None:
    torch.manual_seed(3)
    before = build(2).fc.weight.detach().clone()
    _, head = _job(dataset, list(range(10)))
    assert torch.equal(head.weight, before)


@pytest.mark.parametrize(
    ("head", "kind", "wanted"),
    [
        ("fitted", "shipped", True),
        ("fitted", "imagenet", True),
        ("fitted", "file", True),
        ("fitted", "scratch", False),
        ("fitted", "champion", False),
        ("random", "shipped", False),
    ],
)
def test_it_is_for_fresh_heads_on_weights_that_see(head: str, kind: str, wanted: bool) -> None:
    origin = StartWeights.model_validate({"kind": kind, "detail": "x"})
    assert wants_fitting(tiny_preset(head=head), origin) is wanted
