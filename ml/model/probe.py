"""A few prepared photos with the logits that training saw: shows that a version can be served.

`python -m ml.model.probe FOLDER [MODEL_HASH]` loads the version as a night does and prints the
largest difference as JSON.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ml.errors import ModelError, ModerationError
from ml.inference.predictor import Predictor
from ml.model.checkpoint import load_checkpoint
from ml.settings import ROOT

PROBE = "probe.safetensors"
# Folded batch normalisation, another CPU or thread count move a float32 logit by some 1e-5; wrong
# weights, channels in another order or another normalisation by 0.1 and more. A logit that is off
# by 1e-3 moves a probability by 2.5e-4 at most.
TOLERANCE = 1e-3
TIMEOUT_SECONDS = 120.0

_PIXEL_DIMENSIONS = 4
_DETAIL_CHARACTERS = 500


@dataclass(frozen=True)
class ServableResult:
    """Whether a version loads and computes what it did in training; `detail` says why not."""

    ok: bool
    largest_difference: float | None
    detail: str


def write_probe(folder: Path, pixels: torch.Tensor, logits: torch.Tensor) -> None:
    """Write the probe into a version's folder.

    Args:
        folder: the version's.
        pixels: uint8 (N, 3, crop, crop), as `ml.images.preprocess.prepare` gives them.
        logits: float32 (N, C) of the network as it was trained, on a CPU.
    """
    tensors = {"pixels": pixels.to(torch.uint8), "logits": logits.to(torch.float32)}
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, folder / PROBE)


def check_probe(folder: Path, *, model_hash: str | None = None) -> float:
    """Largest absolute difference of the probe's logits from what the predictor computes now.

    In float32 on the CPU, as the probe was: bfloat16 and TF32 differ by more than the tolerance.

    Args:
        folder: holds weights, card and probe.
        model_hash: the version that is wanted; None accepts whichever the card names.

    Raises:
        ModelError: version or probe are missing, damaged, or do not fit each other.
    """
    checkpoint = load_checkpoint(folder, model_hash=model_hash)
    pixels, expected = _read_probe(folder)
    crop = checkpoint.card.preprocessing.crop
    if pixels.shape[1:] != (3, crop, crop):
        raise ModelError(f"the probe's photos are {pixels.shape[1:]}, the card wants {crop} pixels")
    predictor = Predictor(
        checkpoint, device=torch.device("cpu"), batch_images=len(pixels), dtype=torch.float32
    )
    found = predictor.logits(list(pixels))
    if found.shape != expected.shape:
        raise ModelError(f"the probe has logits {expected.shape}, the network gives {found.shape}")
    difference = float(np.abs(found - expected).max())
    if not np.isfinite(difference):
        raise ModelError("the network or the probe gives logits that are no finite numbers")
    return difference


def probe_in_fresh_process(
    folder: Path, *, model_hash: str | None = None, timeout_seconds: float = TIMEOUT_SECONDS
) -> ServableResult:
    """Run `check_probe` as a night would meet the version: in a process that knows nothing yet."""
    command = [sys.executable, "-m", "ml.model.probe", str(folder.resolve())]
    command += [model_hash] if model_hash else []
    try:
        done = subprocess.run(  # noqa: S603 - our own module; folder and hash are one word each
            command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return ServableResult(False, None, f"did not finish in {timeout_seconds:g} s")
    if done.returncode != 0:
        return ServableResult(False, None, _last_line(done.stderr, done.returncode))
    difference = float(json.loads(done.stdout.splitlines()[-1])["largest_difference"])
    ok = difference <= TOLERANCE
    word = "at most" if ok else "over"
    detail = f"logits differ by {difference:.2g}, {word} {TOLERANCE:g}"
    return ServableResult(ok, difference, detail)


def _read_probe(folder: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    path = folder / PROBE
    if not path.is_file():
        raise ModelError(f"no {PROBE} in {folder}: the version cannot show that it can be served")
    try:
        tensors = load_file(path)
        pixels, logits = tensors["pixels"], tensors["logits"]
    except (SafetensorError, KeyError) as error:
        raise ModelError(f"{path} is no probe: {error}") from error
    whole = pixels.ndim == _PIXEL_DIMENSIONS and len(pixels) == len(logits) > 0
    if not whole or pixels.dtype != torch.uint8 or logits.dtype != torch.float32:
        raise ModelError(f"{path} is no probe: pixels {pixels.shape}, logits {logits.shape}")
    return pixels.numpy(), logits.numpy()


def _last_line(text: str, returncode: int) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = lines[-1][:_DETAIL_CHARACTERS] if lines else "it said nothing"
    return f"ended with {returncode}: {said}"


def _main(arguments: list[str]) -> int:
    folder, *wanted = arguments
    try:
        difference = check_probe(Path(folder), model_hash=wanted[0] if wanted else None)
    except ModerationError as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    sys.stdout.write(json.dumps({"largest_difference": difference}, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
