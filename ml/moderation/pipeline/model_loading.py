"""Load a model version, and the screens of a policy, for the nightly run and `/predict`."""

import numpy as np
import structlog

from ml.core.concurrency import StageTimer
from ml.core.settings import Settings
from ml.models import registry
from ml.models.card import check_classes
from ml.models.predictor import Predictor, resolve_device
from ml.policy.schema import Policy
from ml.storage.connections import Connections
from ml.vision.screens.near_duplicates import DuplicateIndexProtocol
from ml.vision.screens.runner import ScreenRunner

log = structlog.get_logger()


def load_predictor(
    model_hash: str,
    policy: Policy,
    settings: Settings,
    connections: Connections,
    *,
    batch_size: int | None = None,
    smoke_test: bool = False,
) -> Predictor:
    """Load a version for a policy; a smoke test scores a blank photo on the device.

    Raises:
        ModelError, PolicyError, SettingsError: model and policy cannot be used (together).
        StorageError: the bucket failed.
    """
    checkpoint = registry.fetch(model_hash, store=connections.models, cache=connections.model_cache)
    check_classes(checkpoint.card, policy)
    device = resolve_device(settings.device)
    predictor = Predictor(checkpoint, device=device, batch_size=batch_size or settings.batch_size)
    if smoke_test:
        crop = predictor.card.preprocessing.crop
        predictor.scores([np.zeros((3, crop, crop), dtype=np.uint8)])
    return predictor


def load_shadow(
    model_hash: str | None,
    policy: Policy,
    settings: Settings,
    connections: Connections,
    *,
    batch_size: int | None = None,
    smoke_test: bool = False,
) -> Predictor | None:
    """Load a run's shadow; None if the run has none, or if it cannot be used."""
    if model_hash is None:
        return None
    try:
        return load_predictor(
            model_hash, policy, settings, connections, batch_size=batch_size, smoke_test=smoke_test
        )
    except Exception as error:  # noqa: BLE001 - whatever a candidate does, the run continues
        log.warning("no shadow: it cannot be used", model_hash=model_hash, error=str(error))
        return None


def load_screens(
    policy: Policy, decided: DuplicateIndexProtocol, settings: Settings, clock: StageTimer
) -> ScreenRunner | None:
    """The policy's screens for the decode threads; None if none is enabled."""
    if not policy.screens.verdict_settings:
        return None
    return ScreenRunner(
        policy.screens,
        decided,
        workers=settings.decode_threads,
        timed=lambda name: clock.time(f"screen_{name}"),
    )
