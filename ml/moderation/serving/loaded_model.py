"""A loaded model and policy with everything that uses them; each request uses exactly one."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from ml.core.concurrency import StageTimer
from ml.core.settings import Settings
from ml.models import registry
from ml.models.card import check_classes
from ml.models.predictor import Predictor, resolve_device
from ml.moderation.pipeline.preprocessing import Preprocessor
from ml.moderation.serving.screens import RefreshingDuplicateIndex, SharedOcrBudget
from ml.policy.schema import Policy
from ml.storage.connections import Connections
from ml.vision.images.decode import decode_limits
from ml.vision.images.preprocess import DecodePlan
from ml.vision.screens.runner import ScreenRunner

RUN_ID = "predict"  # run id of the service's verdicts


@dataclass(frozen=True)
class ServingContext:
    """Model and policy of the service's verdicts."""

    model_hash: str
    policy: Policy
    run_id: str = RUN_ID
    started_at: datetime | None = None  # None: reviewers' decisions count up to now


@dataclass(frozen=True)
class LoadedModel:
    """A champion and a policy, ready to score photos."""

    context: ServingContext
    predictor: Predictor
    preparation: Preprocessor
    reading: SharedOcrBudget
    duplicate_index: RefreshingDuplicateIndex

    @property
    def names(self) -> tuple[str, str]:
        """Model hash and policy version."""
        return self.context.model_hash, self.context.policy.version


def load_model(
    model_hash: str,
    policy: Policy,
    *,
    settings: Settings,
    connections: Connections,
    clock: StageTimer,
) -> LoadedModel:
    """Load everything and score a blank photo once, as the preflight of the nightly run does.

    Raises:
        ModelError, PolicyError, SettingsError: model and policy cannot be used (together).
        StorageError: the bucket or the database failed.
    """
    checkpoint = registry.fetch(model_hash, store=connections.models, cache=connections.model_cache)
    check_classes(checkpoint.card, policy)
    predictor = Predictor(
        checkpoint,
        device=resolve_device(settings.device),
        batch_size=settings.serve_batch_size or settings.batch_size,
    )
    predictor.scores([_blank(predictor.card.preprocessing.crop)])
    context = ServingContext(model_hash, policy)
    duplicate_index = RefreshingDuplicateIndex()
    duplicate_index.read(connections.engine, policy)
    preparation = Preprocessor(
        DecodePlan(decode_limits(settings), policy.screens.picture_side),
        predictor.card.preprocessing,
        screening=_screening(policy, duplicate_index, settings, clock),
        shadow=None,
        clock=clock,
    )
    share = policy.screens.text.budget_share * settings.decode_threads
    return LoadedModel(context, predictor, preparation, SharedOcrBudget(share), duplicate_index)


def _screening(
    policy: Policy, duplicates: RefreshingDuplicateIndex, settings: Settings, clock: StageTimer
) -> ScreenRunner | None:
    if not policy.screens.verdict_settings:
        return None
    return ScreenRunner(
        policy.screens,
        duplicates,
        workers=settings.decode_threads,
        timed=lambda name: clock.time(f"screen_{name}"),
    )


def _blank(crop: int) -> npt.NDArray[np.uint8]:
    return np.zeros((3, crop, crop), dtype=np.uint8)
