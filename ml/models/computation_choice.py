"""Choose how a run computes scores: the fastest way on this machine that the guard allows.

A run chooses once, at its start, and all its shards compute so (`ml.storage.audit_runs`).
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog
import torch

from ml.core.computation import REFERENCE, Computation
from ml.core.errors import ComputationUnavailable
from ml.core.settings import Settings
from ml.models.checkpoint import Checkpoint
from ml.models.computation_guard import Guard, GuardPhotos
from ml.models.inference.create import computes_bfloat16
from ml.models.inference.torch_backend import preferred_number_type
from ml.models.predictor import Predictor
from ml.policy.schema import Policy

log = structlog.get_logger()

Pixels = npt.NDArray[np.uint8]

# Little work even where a photo takes 80 ms, and its order is that of full batches.
_BATCH = 4
MEASURE_SECONDS = 1.0
_MAX_ROUNDS = 20


@dataclass(frozen=True)
class Choice:
    """How a run computes; `fallback`: what was not used although it came first, and why."""

    computation: Computation
    fallback: str | None = None


_choices: dict[tuple[str, ...], Choice] = {}  # of this process


def choose_computation(
    checkpoint: Checkpoint,
    photos: GuardPhotos,
    *,
    policy: Policy,
    settings: Settings,
    device: torch.device,
) -> Choice:
    """The fastest computation that settings, machine and guard allow, else the reference.

    Where there is a choice, it is measured for about a second, once per process, version and
    policy. The checkpoint has its int8 variant if that may be used.
    """
    names = (checkpoint.card.model_hash, policy.version, str(device))
    key = (*names, settings.inference, settings.number_type)
    if key not in _choices:
        _choices[key] = _choose(checkpoint, photos, policy, settings, device)
    return _choices[key]


def _choose(
    checkpoint: Checkpoint,
    photos: GuardPhotos,
    policy: Policy,
    settings: Settings,
    device: torch.device,
) -> Choice:
    def create(computation: Computation) -> Predictor:
        return Predictor(checkpoint, device=device, batch_size=_BATCH, computation=computation)

    problems, predictors = [], []
    for computation in find_candidates(checkpoint, settings, device):
        try:
            predictors.append(create(computation))
        except ComputationUnavailable as error:
            problems.append(f"{computation}: {error}")
    if len(predictors) > 1:
        predictors = sort_by_speed(predictors, photos.pixels)
    guard = Guard(policy, photos, create(REFERENCE))
    chosen = REFERENCE
    for predictor in predictors:
        if predictor.computation == REFERENCE:
            break
        problem = guard.find_objection(predictor)
        if problem is None:
            chosen = predictor.computation
            break
        problems.append(f"{predictor.computation}: {problem}")
    if not predictors and not problems:
        problems.append(f"no way to compute in {settings.number_type} here")
    fallback = "; ".join(problems) or None
    if fallback:
        model_hash = checkpoint.card.model_hash
        log.warning("not used", model_hash=model_hash, computes_in=str(chosen), reason=fallback)
    return Choice(chosen, fallback)


def find_candidates(
    checkpoint: Checkpoint | None, settings: Settings, device: torch.device
) -> list[Computation]:
    """What settings, machine and version allow; on a GPU torch, in the type that is fastest there.

    Without a checkpoint, what every version allows.
    """
    found = [Computation("torch", preferred_number_type(device))]
    if device.type == "cpu":
        found = [REFERENCE, *(way for way in found if way != REFERENCE)]
    if device.type == "cpu" or settings.inference == "openvino":
        found.append(Computation("openvino", "float32"))
        if computes_bfloat16():
            found.append(Computation("openvino", "bfloat16"))
        if checkpoint is not None and checkpoint.card.int8 and checkpoint.int8:
            found.append(Computation("openvino", "int8", checkpoint.card.int8.variant_hash))
    return [
        computation
        for computation in found
        if settings.inference in ("auto", computation.backend)
        and settings.number_type in ("auto", computation.number_type)
    ]


def sort_by_speed(predictors: Sequence[Predictor], photos: Sequence[Pixels]) -> list[Predictor]:
    """The predictors, fastest first, by about a second of turns; ties keep their order."""
    batch = [photos[i % len(photos)] for i in range(_BATCH)]
    for predictor in predictors:  # the first forwards choose kernels and grow memory pools
        predictor.logits(batch)
    seconds = np.full(len(predictors), np.inf)
    started = time.monotonic()
    for _ in range(_MAX_ROUNDS):
        for i, predictor in enumerate(predictors):
            start = time.perf_counter()
            predictor.logits(batch)
            seconds[i] = min(seconds[i], time.perf_counter() - start)
        if time.monotonic() - started > MEASURE_SECONDS:
            break
    speeds = zip(predictors, seconds.tolist(), strict=True)
    log.info("photos per second", **{str(p.computation): round(_BATCH / t, 1) for p, t in speeds})
    return [predictors[i] for i in np.argsort(seconds, kind="stable")]
