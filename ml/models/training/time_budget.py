"""Time budget: how many epochs fit into `python -m ml train --minutes`."""

from dataclasses import replace

import structlog

from ml.core.errors import TrainingError
from ml.models.training.preset import Preset
from ml.models.training.trainer import TrainJob, estimate_epoch_seconds

log = structlog.get_logger()

# For a preset without epochs. A bound: much time with few photos would overfit.
MAX_EPOCHS = 20


def limit_epochs(job: TrainJob, seconds: float, *, head_fitted: bool) -> TrainJob:
    """Limit the job to the epochs that fit into the time, at most those of its preset.

    A preset without epochs gets up to MAX_EPOCHS. The time of an epoch is estimated from a few
    batches on a copy of the network; other load on the machine makes the estimate too high. Once
    the head is fitted, no epoch is required.

    Raises:
        TrainingError: there is no time for one epoch, and without one nothing would be trained.
    """
    epoch_seconds = estimate_epoch_seconds(_with_epochs(job, 1))
    max_epochs = job.preset.epochs or MAX_EPOCHS
    epochs = max(0, min(max_epochs, int(seconds // epoch_seconds)))
    if not epochs and not head_fitted:
        raise TrainingError(
            f"{seconds:.0f} s are left and an epoch takes {epoch_seconds:.0f} s: raise --minutes, "
            "or use the preset linear_probe, which needs no epoch"
        )
    log.info(
        "epochs within the time budget", epochs=epochs, seconds_per_epoch=round(epoch_seconds, 1)
    )
    return _with_epochs(job, epochs)


def _with_epochs(job: TrainJob, epochs: int) -> TrainJob:
    preset: Preset = job.preset.model_copy(update={"epochs": epochs})
    return replace(job, preset=preset)
