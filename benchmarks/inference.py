"""`python -m benchmarks.inference --data FOLDER`: how fast and how equal the computations are.

A head is fitted to one half of the photos, and every computation scores the other half: torch and
OpenVINO in each number type that this machine has, and the int8 variant that training makes. All
of them, of each architecture, take turns in the measurement of speed. Writes
`benchmarks/results/inference.md`.
"""

import os
import platform
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import typer
from rich.console import Console
from sklearn.metrics import roc_auc_score

from benchmarks.calibration import images_per_second
from ml.core.computation import REFERENCE, Computation
from ml.core.settings import ROOT, Settings
from ml.models.card import ModelCard
from ml.models.checkpoint import load_checkpoint, load_int8
from ml.models.evaluation.metrics import decide_all
from ml.models.predictor import Predictor, apply_temperature, solved_for
from ml.models.training.dataset import Dataset, open_dataset
from ml.models.training.folds import FOLDS, assign_folds
from ml.models.training.other_computations import INT8, find_other_computations
from ml.models.training.preset import Preset, load_preset
from ml.models.training.progress import LogListener
from ml.models.training.train import train
from ml.policy.schema import load_policy
from ml.vision.images.open_photo import DecodeLimits

console = Console()
RESULTS = ROOT / "benchmarks" / "results" / "inference.md"
CPU = torch.device("cpu")
POLICY = load_policy(ROOT / "config" / "policy.yaml")
BATCH, ROUNDS = 32, 7
SIZES = {224: 256, 128: 128}  # crop -> resize, as in the presets
_EXPLANATION = f"""\
Real photos, half to fit the head (preset `linear_probe`, seed 0; ResNet18 with the bundled weights,
EfficientNet-Lite0 with those of ImageNet), half to test.
Images/s: the forward pass alone, batches of {BATCH}, the median of {ROUNDS} rounds in which the
computations take turns; compare the ratios. Verdicts changed: without screens, against torch
float32; the int8 variant has a temperature and a threshold of its own, and the column after
it uses the reference's."""
COLUMNS = (
    "computation", "images/s", "ratio", "verdicts changed", "at the reference's thresholds",
    "area under the curve", "difference", "leak", "review",
)  # fmt: skip


@dataclass(frozen=True)
class Held:
    """Scores of the held-out photos by one computation, and its speed."""

    computation: Computation
    logits: npt.NDArray[np.float32]
    images_per_second: float


@dataclass(frozen=True)
class Version:
    """A version of an architecture, and the predictors of its computations, the reference first."""

    card: ModelCard
    predictors: list[Predictor]


def main(
    data: Annotated[Path, typer.Option(help="Folder with one folder of photos per class.")],
    photos: Annotated[int, typer.Option(help="Half to fit, half to test.")] = 2400,
    size: Annotated[list[int] | None, typer.Option(help="Crop: 224 or 128; repeatable.")] = None,
    architecture: Annotated[
        list[str] | None, typer.Option(help="resnet18 or efficientnet_lite0; repeatable.")
    ] = None,
    out: Annotated[Path, typer.Option(help="The page to write.")] = RESULTS,
) -> None:
    """Measure, print and write the tables."""
    lines = [*_head(photos), f"Before: {_calibrate()}."]
    with tempfile.TemporaryDirectory(prefix="moderation-inference-") as folder:
        chosen = _choose_photos(data, Path(folder) / "photos", photos)
        for crop in size or list(SIZES):
            lines += _measure(chosen, Path(folder) / str(crop), crop, architecture or ["resnet18"])
    lines += ["", f"After: {_calibrate()}."]
    page = "\n".join(lines) + "\n"
    console.print(page, markup=False)
    out.write_text(page, encoding="utf-8")


def _head(photos: int) -> list[str]:
    return [
        "# Inference: backends and number types",
        "",
        f"Written by `python -m benchmarks.inference --data FOLDER --photos {photos}` on "
        f"{datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores, {_processor()}, torch's "
        f"instructions {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} "
        "threads, Python " + platform.python_version() + ".",
        "",
        _EXPLANATION,
        "",
    ]


def _processor() -> str:
    info = Path("/proc/cpuinfo")  # Linux alone has it
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    known = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
    return " ".join(flag for flag in known if flag in flags)


def _calibrate() -> str:
    return (
        f"ResNet18, 224 px, float32, all cores {images_per_second():.1f} images/s "
        f"(`python -m benchmarks.calibration`), load average {os.getloadavg()[0]:.1f}"
    )


def _choose_photos(data: Path, folder: Path, photos: int) -> Path:
    """Links to evenly spread photos of each class."""
    files = sorted(path for path in data.rglob("*") if path.is_file())
    for i in np.linspace(0, len(files) - 1, min(photos, len(files))).astype(int):
        _link(files[i], folder / files[i].relative_to(data))
    return folder


def _link(file: Path, link: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(file.resolve())


def _measure(data: Path, folder: Path, crop: int, architectures: list[str]) -> list[str]:
    linear_probe = load_preset("linear_probe")
    spec = linear_probe.preprocessing.model_copy(update={"resize": SIZES[crop], "crop": crop})
    preset, limits = linear_probe.model_copy(update={"preprocessing": spec}), DecodeLimits()
    folder.mkdir()
    with open_dataset(data, policy=POLICY, spec=spec, limits=limits, scratch=folder) as dataset:
        folds = assign_folds(dataset.labels, dataset.categories, dataset.groups, seed=0)
        is_tested = folds < FOLDS // 2
        for i in np.flatnonzero(~is_tested).tolist():
            _link(dataset.photos[i].file.path, folder / "fit" / dataset.photos[i].file.name)
        versions = [_train(folder / "fit", folder / name, preset, name) for name in architectures]
        return _score(versions, dataset, np.flatnonzero(is_tested))


def _train(data: Path, folder: Path, preset: Preset, architecture: str) -> Version:
    settings = Settings(architecture=architecture)
    computations = find_other_computations(settings, CPU)
    card = train(
        data,
        preset=preset,
        policy=POLICY,
        out=folder,
        pretrained_weights="bundled" if architecture == "resnet18" else "imagenet",
        architecture=settings.architecture,
        device="cpu",
        seed=0,
        limits=DecodeLimits(),
        progress=LogListener(),
        computations=computations,
    ).card
    checkpoint = load_checkpoint(folder)
    used = [REFERENCE, *(c for c in computations if c != INT8)]
    if card.int8 is not None:
        checkpoint = replace(checkpoint, int8=load_int8(folder, card.int8))
        used.append(Computation("openvino", "int8", card.int8.variant_hash))
    predict = partial(Predictor, checkpoint, device=CPU, batch_size=BATCH)
    return Version(card, [predict(computation=each) for each in used])


def _score(versions: list[Version], dataset: Dataset, held_out: npt.NDArray[np.int64]) -> list[str]:
    labels = dataset.labels
    pixels = list(dataset.load_prepared(held_out.tolist()).numpy())
    every = [predictor for version in versions for predictor in version.predictors]
    held = [
        Held(predictor.computation, predictor.logits(pixels), speed)
        for predictor, speed in zip(every, _speeds(every, pixels[:BATCH]), strict=True)
    ]
    violation = np.array([labels[i] in POLICY.violations for i in held_out])
    lines, scored = [], iter(held)
    for version in versions:
        card, found = version.card, [next(scored) for _ in version.predictors]
        title = f"## {card.architecture}, {card.preprocessing.crop} px, {len(pixels)} photos tested"
        lines += ["", title, "", _row(COLUMNS), _row("---" for _ in COLUMNS)]
        lines += [_row(_cells(each, found[0], card, violation)) for each in found]
        if card.int8 is None:
            lines += ["", "No int8 variant: it is not shown to be as good as the policy demands."]
    return lines


def _speeds(predictors: list[Predictor], batch: list[npt.NDArray[np.uint8]]) -> list[float]:
    seconds: list[list[float]] = [[] for _ in predictors]
    for _ in range(ROUNDS):
        for i, predictor in enumerate(predictors):
            start = time.perf_counter()
            predictor.logits(batch)
            seconds[i].append(time.perf_counter() - start)
    return [len(batch) / median(some) for some in seconds]


def _cells(
    held: Held, reference: Held, card: ModelCard, violation: npt.NDArray[np.bool_]
) -> list[str]:
    expected, _ = _verdicts(reference, card, REFERENCE)
    own, _ = _verdicts(held, card, held.computation)
    by_reference, _ = _verdicts(held, card, REFERENCE)
    area, reference_area = (
        roc_auc_score(violation, _verdicts(h, card, h.computation)[1]) for h in (held, reference)
    )
    passed = np.array([decision == "pass" for decision in own])
    return [
        str(held.computation),
        f"{held.images_per_second:.1f}",
        f"{held.images_per_second / reference.images_per_second:.2f}",
        _changed(own, expected),
        _changed(by_reference, expected),
        f"{area:.4f}",
        f"{area - reference_area:+.4f}",
        f"{violation[passed].mean():.2%}",
        f"{1 - passed.mean():.2%}",
    ]


def _verdicts(
    held: Held, card: ModelCard, computation: Computation
) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Decisions and violation scores, with the temperature and threshold of a computation."""
    solved = solved_for(card, computation)
    probabilities = apply_temperature(held.logits, solved.calibration.temperature)
    threshold = solved.thresholds.pass_confidence
    decisions = decide_all(probabilities, card.classes, POLICY, threshold)
    violations = [c for c, name in enumerate(card.classes) if name in POLICY.violations]
    return [d.value for d in decisions], probabilities[:, violations].sum(axis=1)


def _changed(found: list[str], expected: list[str]) -> str:
    count = sum(a != b for a, b in zip(found, expected, strict=True))
    return f"{count / len(found):.2%} ({count})"


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    typer.run(main)
