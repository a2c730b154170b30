"""One loaded version: model and policy with all that judges by them. A request uses one alone."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import numpy.typing as npt

from ml.audit.preflight import check_classes
from ml.connections import Connections
from ml.images.decode import decode_limits
from ml.inference.clock import StageClock
from ml.inference.device import resolve
from ml.inference.predictor import Predictor
from ml.inference.preparation import Preparation
from ml.inference.scale import Scale
from ml.model import registry
from ml.policy.policy import Policy
from ml.screens.screening import Screening
from ml.serving.bank import CurrentBank
from ml.serving.reading import ServiceReading
from ml.settings import Settings

RUN_ID = "predict"  # what the verdicts of the service carry in place of a night's run


@dataclass(frozen=True)
class Online:
    """What the service's verdicts are made by; see `ml.storage.audit_runs.JudgedBy`."""

    model_hash: str
    policy: Policy
    run_id: str = RUN_ID
    started_at: datetime | None = None  # decisions of people count up to now


@dataclass(frozen=True)
class Version:
    """A champion and a policy, ready to judge."""

    judged_by: Online
    predictor: Predictor
    preparation: Preparation
    reading: ServiceReading
    bank: CurrentBank

    @property
    def names(self) -> tuple[str, str]:
        """Model hash and policy version."""
        return self.judged_by.model_hash, self.judged_by.policy.version


def load_version(
    model_hash: str,
    policy: Policy,
    *,
    settings: Settings,
    connections: Connections,
    clock: StageClock,
) -> Version:
    """Load all of it and compute once, as the night's preflight does.

    Raises:
        ModelError, PolicyError, SettingsError: model and policy cannot be used (together).
        StorageError: bucket or database.
    """
    checkpoint = registry.fetch(model_hash, store=connections.models, cache=connections.model_cache)
    check_classes(checkpoint.card, policy)
    predictor = Predictor(
        checkpoint,
        device=resolve(settings.device),
        batch_images=settings.serve_batch_images or settings.batch_images,
    )
    predictor.scores([_blank(predictor.card.preprocessing.crop)])
    judged_by = Online(model_hash, policy)
    bank = CurrentBank()
    bank.read(connections.engine, judged_by)
    preparation = Preparation(
        Scale(decode_limits(settings), policy.screens.picture_side),
        predictor.card.preprocessing,
        screening=_screening(policy, bank, settings, clock),
        shadow=None,
        clock=clock,
    )
    share = policy.screens.text.budget_share * settings.decode_threads
    return Version(judged_by, predictor, preparation, ServiceReading(share), bank)


def _screening(
    policy: Policy, bank: CurrentBank, settings: Settings, clock: StageClock
) -> Screening | None:
    if not policy.screens.decisive:
        return None
    return Screening(
        policy.screens,
        bank,
        workers=settings.decode_threads,
        timed=lambda name: clock.time(f"screen_{name}"),
    )


def _blank(crop: int) -> npt.NDArray[np.uint8]:
    return np.zeros((3, crop, crop), dtype=np.uint8)
