"""A loaded model and policy with everything that uses them; each request uses exactly one."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Engine

from ml.core.computation import Computation
from ml.models.predictor import Predictor
from ml.moderation.pipeline.decode_pool import decode_pool
from ml.moderation.pipeline.model_loading import ModelLoader
from ml.moderation.pipeline.preprocessing import Preprocessor
from ml.moderation.pipeline.screening import load_screening
from ml.moderation.pipeline.signals import Signals, load_signals
from ml.moderation.pipeline.similar_decisions import needs_features
from ml.moderation.serving.resources import Resources
from ml.moderation.serving.screens import (
    RefreshingDuplicateIndex,
    RefreshingSimilarDecisions,
    SharedOcrBudget,
)
from ml.policy.schema import Policy
from ml.vision.screens.runner import ScreenRunner

# After so long in a decode worker a photo holds up no other one: a caller waits for each. In a
# nightly run more workers than cores would only cost memory.
SLOW_SECONDS = 0.2


@dataclass(frozen=True)
class LoadedModel:
    """A champion and a policy, ready to score photos; the `VerdictContext` of the verdicts."""

    model_hash: str
    policy: Policy
    predictor: Predictor
    preprocessor: Preprocessor
    signals: Signals
    ocr_budget: SharedOcrBudget
    duplicate_index: RefreshingDuplicateIndex
    similar: RefreshingSimilarDecisions | None  # None: no screen compares features
    fallback: str | None  # as in `Choice`
    run_id: str = "predict"
    started_at: datetime | None = None  # None: reviewers' decisions count up to now

    @property
    def names(self) -> tuple[str, str]:
        """Model hash and policy version."""
        return self.model_hash, self.policy.version

    @property
    def compared_photos(self) -> int | None:
        """How many decided photos the features are compared with; None if no screen does."""
        return None if self.similar is None else len(self.similar.current)

    @property
    def missing_features(self) -> int:
        """How many decided photos have no features to compare with."""
        return 0 if self.similar is None else self.similar.missing

    def read_decided_photos(self, engine: Engine) -> None:
        """Load what reviewers have decided up to now."""
        self.duplicate_index.read(engine, self.policy)
        if self.similar is not None:
            self.similar.read(engine)


def load_model(model_hash: str, policy: Policy, resources: Resources) -> LoadedModel:
    """Load everything and check the scores, as the preflight of the nightly run does.

    Raises:
        ModelError, PolicyError, SettingsError: model and policy cannot be used (together).
        StorageError: the bucket or the database failed.
    """
    settings, connections, clock = resources.settings, resources.connections, resources.clock
    batch_size = settings.serve_batch_size
    pool = decode_pool(settings)
    pool.keep_spares()
    pool.start()  # the workers load while the model does
    loader = ModelLoader(policy, settings, connections, batch_size=batch_size, check=True)
    choice = loader.choose(model_hash)
    similar = _prepare_similar(loader, model_hash, choice.computation)
    loader = replace(loader, with_features=similar is not None)
    predictor = loader.load(model_hash, choice.computation)
    duplicate_index = RefreshingDuplicateIndex()
    ScreenRunner(policy.screens).load()  # a broken file stops here
    signals = load_signals(policy.screens, settings, connections, clock)
    preprocessor = Preprocessor(
        predictor.card.preprocessing,
        settings,
        clock,
        picture_side=policy.screens.picture_side,
        screening=load_screening(policy.screens, duplicate_index),
        signals=signals.inputs,
        slow_seconds=SLOW_SECONDS,
    )
    budget = SharedOcrBudget(policy.screens.text.budget_share * settings.decode_workers)
    loaded = LoadedModel(
        model_hash, policy, predictor, preprocessor, signals, budget, duplicate_index,
        similar, choice.fallback,
    )  # fmt: skip
    loaded.read_decided_photos(connections.engine)
    return loaded


def _prepare_similar(
    loader: ModelLoader, model_hash: str, computation: Computation
) -> RefreshingSimilarDecisions | None:
    """Decided photos, not read yet, if a screen compares with them."""
    card = loader.load_card(model_hash)
    if not needs_features(card, loader.policy):
        return None
    source = loader.feature_source(model_hash, computation)
    return RefreshingSimilarDecisions(card, loader.policy, source)
