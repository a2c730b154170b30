"""Load checks: whether a version loads, gives usable scores, and repeats those of its training.

Every use of a version begins with `load_checked_predictor`. A candidate is also loaded in a fresh
process, as the nightly run does, and compared with its probe: a few prepared photos and the logits
that the trained network gave them.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import structlog
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ml.core.computation import REFERENCE, Computation
from ml.core.errors import ModelError, ModerationError, ObjectNotFound
from ml.core.files import scratch_folder, write_file
from ml.core.settings import ROOT
from ml.models import registry
from ml.models.card import ModelCard
from ml.models.checkpoint import Checkpoint, load_checkpoint
from ml.models.computation_guard import GuardPhotos
from ml.models.predictor import Predictor
from ml.storage.object_store import ObjectStore

log = structlog.get_logger()

PROBE = "probe.safetensors"
# Fused batch norm, another CPU or another thread count change a float32 logit by about 1e-5; wrong
# weights, channel order or normalization change it by 0.1 and more. A logit that is off by 1e-3
# changes a probability by 2.5e-4 at most.
TOLERANCE = 1e-3
PROBE_PHOTOS = 8
TIMEOUT_SECONDS = 120.0
# A probability that varies by less over the test pictures does not depend on the picture.
MIN_SPREAD = 1e-6

_CPU = torch.device("cpu")
_PIXEL_DIMENSIONS = 4
_DETAIL_CHARACTERS = 500


def load_checked_predictor(
    checkpoint: Checkpoint,
    *,
    device: torch.device = _CPU,
    batch_size: int = 1,
    computation: Computation | None = None,
    with_features: bool = False,
) -> Predictor:
    """Load a version onto a device and check its weights, and its scores of a few pictures there.

    Raises:
        ModelError: weights do not fit or are not finite; scores are no probabilities or constant.
    """
    name = checkpoint.card.model_hash[:12]
    if broken := [key for key, t in checkpoint.state.items() if not t.isfinite().all()]:
        raise _unusable(name, f"weights that are not finite: {', '.join(broken[:3])}")
    predictor = Predictor(
        checkpoint, device=device, batch_size=batch_size, computation=computation,
        with_features=with_features,
    )  # fmt: skip
    pictures = make_test_pictures(checkpoint.card.preprocessing.crop)
    with np.errstate(invalid="ignore"):  # of logits that are not finite
        scores = np.array([list(row.values()) for row in predictor.scores(pictures)])
    expected = (len(pictures), len(checkpoint.card.classes))
    if scores.shape != expected:
        raise _unusable(name, f"scores of the shape {scores.shape}, not {expected}")
    if not (np.isfinite(scores).all() and np.allclose(scores.sum(axis=1), 1.0)):
        raise _unusable(name, "scores that are not probabilities")
    if np.ptp(scores, axis=0).max() < MIN_SPREAD:
        raise _unusable(name, "the same scores for every picture")
    return predictor


def check_version(model_hash: str, *, store: ObjectStore, cache: Path) -> ModelCard:
    """Fetch a version and check it as `load_checked_predictor` does; returns its card.

    Raises:
        ModelError: the version cannot be loaded, or gives no usable scores.
        StorageError: the bucket cannot be read, or does not hold the version.
    """
    checkpoint = registry.fetch(model_hash, store=store, cache=cache)
    return load_checked_predictor(checkpoint).card


def load_guard_photos(card: ModelCard, *, store: ObjectStore, cache: Path) -> GuardPhotos:
    """Prepared photos of a version for `ml.models.computation_guard`: its probe's.

    Generated pictures for a version without a probe, or with a damaged one. `cache` is the folder
    of fetched versions.
    """
    folder = cache / card.model_hash
    try:
        if not (folder / PROBE).is_file():
            write_file(folder / PROBE, store.get(f"models/{card.model_hash}/{PROBE}"))
        return load_probe_photos(folder)
    except (ModelError, ObjectNotFound) as error:
        log.info("no probe, generated pictures instead", reason=str(error))
        return GuardPhotos(make_test_pictures(card.preprocessing.crop))


def load_probe_photos(folder: Path) -> GuardPhotos:
    """The photos of a version's probe; raises ModelError."""
    pixels, _ = read_probe(folder)
    int8_logits = load_file(folder / PROBE).get("int8_logits")
    return GuardPhotos(list(pixels), None if int8_logits is None else int8_logits.numpy())


def make_test_pictures(crop: int) -> list[npt.NDArray[np.uint8]]:
    """Prepared pictures (3, crop, crop) that any network distinguishes: noise and flat colors."""
    noise = np.random.default_rng(0).integers(0, 256, (3, crop, crop), dtype=np.uint8)
    colors = ((0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 0, 255))
    flat = [np.full_like(noise, np.reshape(color, (3, 1, 1))) for color in colors]
    return [noise, *flat]


def _unusable(name: str, what: str) -> ModelError:
    return ModelError(f"version {name} has {what}; train it again, or use another version")


@dataclass(frozen=True)
class LoadCheckResult:
    """Whether a version loads and repeats its probe's logits; `detail` says why not."""

    ok: bool
    largest_difference: float | None
    detail: str


def write_probe(
    folder: Path,
    pixels: torch.Tensor,
    logits: torch.Tensor,
    int8_logits: npt.NDArray[np.float32] | None = None,
) -> None:
    """Write the probe into a version's folder.

    Takes pixels, uint8 (N, 3, crop, crop), as `ml.vision.images.preprocess.prepare` returns them,
    and logits, float32 (N, C), of the trained network, without the predictor, on a CPU; and those
    of its int8 variant, if it has one.
    """
    tensors = {"pixels": pixels.to(torch.uint8), "logits": logits.to(torch.float32)}
    if int8_logits is not None:
        tensors["int8_logits"] = torch.from_numpy(int8_logits)
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, folder / PROBE)


def check_probe(folder: Path, *, model_hash: str | None = None) -> float:
    """Largest absolute difference between the probe's logits and the predictor's.

    Computed in float32 on the CPU, like the probe: bfloat16 and TF32 differ by more than the
    tolerance.

    Raises:
        ModelError: version or probe is missing or damaged, or they do not fit each other.
    """
    checkpoint = load_checkpoint(folder, model_hash=model_hash)
    pixels, expected = read_probe(folder)
    crop = checkpoint.card.preprocessing.crop
    if pixels.shape[1:] != (3, crop, crop):
        raise ModelError(f"the probe's photos are {pixels.shape[1:]}, the card says {crop} pixels")
    predictor = load_checked_predictor(checkpoint, batch_size=len(pixels), computation=REFERENCE)
    logits = predictor.logits(list(pixels))
    if logits.shape != expected.shape:
        raise ModelError(f"the probe has logits {expected.shape}, the network gives {logits.shape}")
    difference = float(np.abs(logits - expected).max())
    if not np.isfinite(difference):
        raise ModelError("the network or the probe has logits that are not finite")
    return difference


def probe_in_fresh_process(
    folder: Path, *, model_hash: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS
) -> LoadCheckResult:
    """Run `check_probe` in a fresh process, exactly as the nightly run would load the version."""
    command = [sys.executable, "-m", "ml.models.load_check", str(folder.resolve())]
    command += [model_hash] if model_hash else []
    try:
        process = subprocess.run(  # noqa: S603 - our own module; folder and hash are one argument each
            command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return LoadCheckResult(False, None, f"did not finish in {timeout_seconds:g} s")
    if process.returncode != 0:
        lines = [line.strip() for line in process.stderr.splitlines() if line.strip()]
        last = lines[-1][:_DETAIL_CHARACTERS] if lines else "no error output"
        return LoadCheckResult(False, None, f"exited with {process.returncode}: {last}")
    difference = float(json.loads(process.stdout.splitlines()[-1])["largest_difference"])
    ok = difference <= TOLERANCE
    relation = "at most" if ok else "over"
    detail = f"logits differ by {difference:.2g}, {relation} {TOLERANCE:g}"
    return LoadCheckResult(ok, difference, detail)


def load_check(model_hash: str, store: ObjectStore, scratch: Path) -> LoadCheckResult:
    """Fetch the version into an empty folder, as on a new machine, and run its probe there.

    `scratch` is a folder with disk space for it.

    A fault of the version is in the result; a fault of the bucket raises.

    Raises:
        StorageUnavailable, StorageForbidden: the bucket cannot be read.
    """
    with scratch_folder(scratch, "servable-") as cache:
        folder = cache / model_hash
        try:
            registry.fetch(model_hash, store=store, cache=cache)
            (folder / PROBE).write_bytes(store.get(f"models/{model_hash}/{PROBE}"))
        except (ModelError, ObjectNotFound) as error:
            return LoadCheckResult(ok=False, largest_difference=None, detail=str(error))
        return probe_in_fresh_process(folder, model_hash=model_hash)


def read_probe(folder: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Pixels and logits of a version's probe; raises ModelError."""
    path = folder / PROBE
    if not path.is_file():
        raise ModelError(f"no {PROBE} in {folder}: the version cannot be load-checked")
    try:
        tensors = load_file(path)
        pixels, logits = tensors["pixels"], tensors["logits"]
    except (SafetensorError, KeyError) as error:
        raise ModelError(f"{path} is not a probe: {error}") from error
    complete = pixels.ndim == _PIXEL_DIMENSIONS and len(pixels) == len(logits) > 0
    if not complete or pixels.dtype != torch.uint8 or logits.dtype != torch.float32:
        raise ModelError(f"{path} is not a probe: pixels {pixels.shape}, logits {logits.shape}")
    return pixels.numpy(), logits.numpy()


def _main(arguments: list[str]) -> int:
    folder, *model_hash = arguments
    try:
        difference = check_probe(Path(folder), model_hash=model_hash[0] if model_hash else None)
    except ModerationError as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    sys.stdout.write(json.dumps({"largest_difference": difference}, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
