"""Load a model version, and the screens of a policy, for the nightly run and `/predict`."""

from dataclasses import dataclass

import structlog

from ml.core.concurrency import StageTimer
from ml.core.errors import StorageUnavailable
from ml.core.settings import Settings
from ml.models import registry
from ml.models.card import check_classes
from ml.models.load_check import load_checked_predictor
from ml.models.predictor import Predictor, resolve_device
from ml.policy.schema import Policy
from ml.storage.connections import Connections
from ml.vision.screens.near_duplicates import DuplicateIndexProtocol
from ml.vision.screens.runner import ScreenRunner

log = structlog.get_logger()


@dataclass(frozen=True)
class ModelLoader:
    """Loads model versions for a policy; `check` also checks their scores on the device."""

    policy: Policy
    settings: Settings
    connections: Connections
    batch_size: int | None = None  # None: that of the settings
    check: bool = False

    def load(self, model_hash: str) -> Predictor:
        """Load a version.

        Raises:
            ModelError, PolicyError, SettingsError: model and policy cannot be used (together).
            StorageError: the bucket failed.
        """
        store, cache = self.connections.models, self.connections.model_cache
        checkpoint = registry.fetch(model_hash, store=store, cache=cache)
        check_classes(checkpoint.card, self.policy)
        device = resolve_device(self.settings.device)
        batch_size = self.batch_size or self.settings.batch_size
        load = load_checked_predictor if self.check else Predictor
        return load(checkpoint, device=device, batch_size=batch_size)

    def load_shadow(self, model_hash: str | None) -> Predictor | None:
        """Load a run's shadow; None if the run has none, or if it cannot be used.

        Raises:
            StorageUnavailable: the bucket failed, which says nothing about the shadow.
        """
        if model_hash is None:
            return None
        try:
            return self.load(model_hash)
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a candidate does, the run continues
            log.warning("no shadow: it cannot be used", model_hash=model_hash, error=str(error))
            return None


def load_screens(
    policy: Policy, decided: DuplicateIndexProtocol, clock: StageTimer
) -> ScreenRunner | None:
    """The policy's screens for the decode threads; None if none is enabled."""
    if not policy.screens.verdict_settings:
        return None
    return ScreenRunner(
        policy.screens,
        decided,
        timed=lambda name: clock.time(f"screen_{name}"),
    )
