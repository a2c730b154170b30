from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight
from structlog.testing import capture_logs
from torch import nn

from ml.core.errors import TrainingError
from ml.core.types import ArchitectureName
from ml.models.card import PretrainedWeights
from ml.models.checkpoint import build_network, load_checkpoint
from ml.models.training.dataset import Dataset, open_photos
from ml.models.training.image_folder import Photo
from ml.models.training.init_network import (
    FOLDS,
    INVERSE_PENALTIES,
    init_network,
    linear_probe_head,
    needs_linear_probe,
)
from ml.models.training.progress import LogListener
from ml.models.training.trainer import Splits, TrainJob, predict
from ml.vision.images.decode import DecodeLimits
from tests.support.champion import make_champion
from tests.unit.models.training.pictures import SPEC, noise, tiny_preset

pytestmark = pytest.mark.usefixtures("tiny_network")

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


def _job(dataset: Dataset, train: list[int], **changes: object) -> tuple[TrainJob, float | None]:
    """A job whose head is fitted, and the inverse penalty that was chosen."""
    torch.manual_seed(3)
    network = build_network(len(dataset.classes))
    splits = Splits(np.array(train), np.array([0]))
    job = TrainJob(network, dataset, splits, tiny_preset(), CPU, 0, LogListener())
    job = replace(job, **changes)  # type: ignore[arg-type]
    return job, linear_probe_head(job)


def _logits(job: TrainJob) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    everything = np.arange(len(job.dataset.photos))
    logits = predict(job.network, job.dataset, everything, device=CPU, batch=8)
    return logits.double().numpy()


def _features(job: TrainJob) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    trunk = nn.Sequential(*(n for stage in job.network.stages for n in stage), nn.Flatten(2))
    everything = np.arange(len(job.dataset.photos))
    return predict(trunk, job.dataset, everything, device=CPU, batch=8).mean(2).numpy()


def _head(job: TrainJob) -> nn.Linear:
    return job.network.head


def _regression(job: TrainJob, chosen: float | None, weights: object = None) -> LogisticRegression:
    """What the head must say, by scikit-learn's own pipeline."""
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=chosen, class_weight="balanced", max_iter=2000)
    )
    train = job.splits.train
    given = {"logisticregression__sample_weight": weights}
    return model.fit(_features(job)[train], job.dataset.targets[train].numpy(), **given)


def test_linear_probe_head_equals_the_regression_for_two_classes(dataset: Dataset) -> None:
    job, chosen = _job(dataset, [*range(15), *range(20, 30)])
    expected = _regression(job, chosen).decision_function(_features(job))
    logits = _logits(job)
    assert logits[:, 1] - logits[:, 0] == pytest.approx(expected, abs=1e-3)
    assert np.abs(expected).max() > 0.1


def test_linear_probe_head_equals_the_regression_for_three_classes(three_classes: Dataset) -> None:
    job, chosen = _job(three_classes, list(range(24)))
    expected = _regression(job, chosen).predict_proba(_features(job))
    shares = torch.from_numpy(_logits(job)).softmax(dim=1).numpy()
    assert shares == pytest.approx(expected, abs=1e-3)


def test_linear_probe_head_applies_sample_weights(dataset: Dataset) -> None:
    train = np.array([*range(15), *range(20, 30)])
    weights = np.linspace(0.5, 4.0, len(train))
    splits = Splits(train, np.array([0]), weights)
    job, chosen = _job(dataset, [], splits=splits)
    logits = _logits(job)
    expected = _regression(job, chosen, weights).decision_function(_features(job))
    assert logits[:, 1] - logits[:, 0] == pytest.approx(expected, abs=1e-3)
    unweighted = _regression(job, chosen).decision_function(_features(job))
    assert expected != pytest.approx(unweighted, abs=1e-3)


def test_linear_probe_head_does_not_change_the_trunk(dataset: Dataset) -> None:
    torch.manual_seed(3)
    before = build_network(2).state_dict()
    job, _ = _job(dataset, [*range(15), *range(20, 30)])
    changed = {n for n, t in job.network.state_dict().items() if not torch.equal(t, before[n])}
    assert changed == {"fc.weight", "fc.bias"}


def test_linear_probe_head_keeps_the_row_of_a_class_without_photos(three_classes: Dataset) -> None:
    torch.manual_seed(3)
    before = build_network(3).head.weight.detach().clone()
    head = _head(_job(three_classes, list(range(16)))[0])
    assert torch.equal(head.weight[2], before[2])
    assert not torch.equal(head.weight[0], before[0])


def test_linear_probe_head_changes_nothing_for_one_class(dataset: Dataset) -> None:
    torch.manual_seed(3)
    before = build_network(2).head.weight.detach().clone()
    job, chosen = _job(dataset, list(range(10)))
    assert chosen is None
    assert torch.equal(_head(job).weight, before)


@pytest.mark.parametrize("train", [list(range(40)), [*range(20), *range(20, 26)]])
def test_linear_probe_head_selects_the_penalty_with_the_lowest_held_out_loss(
    dataset: Dataset, train: list[int]
) -> None:
    job, chosen = _job(dataset, train)
    features = StandardScaler().fit_transform(_features(job)[train])
    targets, groups = dataset.targets[train].numpy(), np.array(dataset.groups)[train]
    weights = compute_sample_weight("balanced", targets)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=job.seed)

    def loss(inverse_penalty: float) -> float:
        model, losses = LogisticRegression(C=inverse_penalty, max_iter=2000), []
        for fitted, asked in folds.split(targets, targets, groups):
            model.fit(features[fitted], targets[fitted], sample_weight=weights[fitted])
            actual = model.predict_proba(features[asked])
            losses.append(log_loss(targets[asked], actual, sample_weight=weights[asked]))
        return float(np.mean(losses))

    assert chosen == min(INVERSE_PENALTIES, key=loss)


def test_linear_probe_head_uses_the_fallback_penalty_for_too_few_photos(dataset: Dataset) -> None:
    _, chosen = _job(dataset, [*range(10), 20])
    assert chosen == 0.01


def test_needs_linear_probe_rejects_a_run_without_epochs_and_features() -> None:
    probe = tiny_preset(head="fitted", epochs=0)
    scratch = PretrainedWeights(kind="scratch", detail="x")
    with pytest.raises(TrainingError, match="fast_scratch"):
        needs_linear_probe(probe, scratch)
    assert needs_linear_probe(probe, PretrainedWeights(kind="bundled", detail="x"))


@pytest.mark.parametrize(
    ("head", "kind", "wanted"),
    [
        ("fitted", "bundled", True),
        ("fitted", "imagenet", True),
        ("fitted", "file", True),
        ("fitted", "scratch", False),
        ("fitted", "champion", False),
        ("random", "bundled", False),
    ],
)
def test_needs_linear_probe_only_for_a_new_head_on_pretrained_weights(
    head: str, kind: str, wanted: bool
) -> None:
    origin = PretrainedWeights.model_validate({"kind": kind, "detail": "x"})
    assert needs_linear_probe(tiny_preset(head=head), origin) is wanted


@pytest.mark.parametrize(
    ("architecture", "kind"), [("efficientnet_lite0", "champion"), ("resnet18", "scratch")]
)
def test_init_network_continues_only_a_champion_of_the_architecture(
    architecture: ArchitectureName, kind: str, tmp_path: Path
) -> None:
    make_champion(tmp_path, architecture="efficientnet_lite0")
    with capture_logs() as logs:
        network, origin = init_network(
            tiny_preset(start="champion"),
            classes=("normal", "violate"),
            seed=0,
            pretrained_weights="none",
            champion=load_checkpoint(tmp_path),
            architecture=architecture,
        )
    assert (network.architecture, origin.kind) == (architecture, kind)
    assert any("another architecture" in e["event"] for e in logs) == (kind == "scratch")
