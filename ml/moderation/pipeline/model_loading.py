"""Load a model version for a policy, for the nightly run and `/predict`."""

from dataclasses import dataclass, replace
from functools import partial

import structlog

from ml.core.computation import REFERENCE, Computation
from ml.core.errors import ComputationUnavailable, StorageUnavailable
from ml.core.settings import Settings
from ml.models import registry
from ml.models.batch_size import choose_batch_size
from ml.models.card import ModelCard, check_classes
from ml.models.checkpoint import Checkpoint
from ml.models.computation_choice import Choice, choose_computation
from ml.models.features import trunk_hash
from ml.models.load_check import load_checked_predictor, load_guard_photos
from ml.models.predictor import Predictor, default_computation, resolve_device
from ml.policy.schema import Policy
from ml.storage.connections import Connections

log = structlog.get_logger()


@dataclass(frozen=True)
class ModelLoader:
    """Loads model versions for a policy; `check` also checks their scores on the device.

    Predictors that are loaded `with_features` compute these as well; shadows never do.
    """

    policy: Policy
    settings: Settings
    connections: Connections
    batch_size: int | None = None  # None: that of the settings
    check: bool = False
    with_features: bool = False

    def choose(self, model_hash: str) -> Choice:
        """Choose how to compute a version's scores on this machine.

        Raises:
            ModelError, PolicyError, SettingsError: model and policy cannot be used (together).
            StorageError: the bucket failed.
        """
        store, cache = self.connections.models, self.connections.model_cache
        settings = self.settings
        wants_int8 = settings.inference != "torch" and settings.number_type in ("auto", "int8")
        checkpoint = self._fetch(model_hash, int8=wants_int8)
        return choose_computation(
            checkpoint,
            load_guard_photos(checkpoint.card, store=store, cache=cache),
            policy=self.policy,
            settings=settings,
            device=resolve_device(settings.device),
        )

    def choose_batch_size(self, model_hash: str, computation: Computation) -> int:
        """Choose the batch size of a run on this machine.

        Raises:
            ComputationUnavailable: the GPU has too little memory.
            ModelError, PolicyError, SettingsError: model and policy cannot be used (together).
            StorageError: the bucket failed.
        """
        load = partial(self._fetch, model_hash)
        device = resolve_device(self.settings.device)
        return choose_batch_size(load, computation, settings=self.settings, device=device)

    def load(self, model_hash: str, computation: Computation | None = None) -> Predictor:
        """Load a version that computes as its run does; None: as runs of older releases.

        Raises:
            ComputationUnavailable: this machine cannot; names the remedy.
            ModelError, PolicyError, SettingsError: model and policy cannot be used (together).
            StorageError: the bucket failed.
        """
        needs_int8 = computation is not None and computation.variant is not None
        checkpoint = self._fetch(model_hash, int8=needs_int8)
        load = load_checked_predictor if self.check else Predictor
        try:
            self._check_setting(computation)
            return load(
                checkpoint,
                device=resolve_device(self.settings.device),
                batch_size=self.batch_size or self.settings.batch_size,
                computation=computation,
                with_features=self.with_features,
            )
        except ComputationUnavailable as error:
            raise ComputationUnavailable(
                f"this machine cannot compute in {computation} as the run does: {error}. Install "
                "requirements.txt here, and set MODERATION_INFERENCE and MODERATION_NUMBER_TYPE as "
                "where the run began; or start a new run with MODERATION_INFERENCE=torch"
            ) from error

    def load_card(self, model_hash: str) -> ModelCard:
        """The card of a version.

        Raises:
            ModelError, PolicyError: model and policy cannot be used (together).
            StorageError: the bucket failed.
        """
        return self._fetch(model_hash).card

    def feature_source(self, model_hash: str, computation: Computation | None) -> str:
        """What determines the features: the network without its head, and the computation."""
        checkpoint = self._fetch(model_hash)
        trunk = trunk_hash(checkpoint.build_network(), checkpoint.card.preprocessing)
        how = computation or default_computation(resolve_device(self.settings.device))
        return " ".join([trunk, *how.names.values()])

    def load_shadow(
        self, model_hash: str | None, computation: Computation | None = None
    ) -> Predictor | None:
        """Load a run's shadow; None if the run has none, or if it cannot be used.

        Raises:
            StorageUnavailable: the bucket failed, which says nothing about the shadow.
        """
        if model_hash is None:
            return None
        try:
            if computation is not None and computation.variant is not None:
                computation = _shadow_computation(self._fetch(model_hash).card)
            return replace(self, with_features=False).load(model_hash, computation)
        except StorageUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a candidate does, the run continues
            log.warning("no shadow: it cannot be used", model_hash=model_hash, error=str(error))
            return None

    def _fetch(self, model_hash: str, *, int8: bool = False) -> Checkpoint:
        store, cache = self.connections.models, self.connections.model_cache
        checkpoint = registry.fetch(model_hash, store=store, cache=cache, int8=int8)
        check_classes(checkpoint.card, self.policy)
        return checkpoint

    def _check_setting(self, computation: Computation | None) -> None:
        """Refuse what an operator has excluded here; the reference always may be used."""
        if computation in (None, REFERENCE):
            return
        settings = {
            "INFERENCE": (self.settings.inference, computation.backend),
            "NUMBER_TYPE": (self.settings.number_type, computation.number_type),
        }
        for name, (allowed, used) in settings.items():
            if allowed not in ("auto", used):
                raise ComputationUnavailable(f"MODERATION_{name} is {allowed}")


def _shadow_computation(card: ModelCard) -> Computation:
    """How a shadow computes where the champion's int8 variant does: by its own, if it has one."""
    if card.int8 is None:
        return Computation("openvino", "float32")
    return Computation("openvino", "int8", card.int8.variant_hash)
