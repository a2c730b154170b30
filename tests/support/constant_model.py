"""A model version with nearly constant output, so that other causes of a verdict can be tested."""

import math
from pathlib import Path

import torch

from ml.models import registry
from ml.models.card import ModelCard
from ml.models.checkpoint import load_checkpoint, save_card, save_weights
from ml.vision.images.preprocess import Preprocessing
from tests.support.champion import SPEC
from tests.support.servers import Shop

# The scale of the shipped fast recipe, at which photos are hashed too; the crop keeps it quick.
AS_SHIPPED = SPEC.model_copy(update={"resize": 128})


def promote_constant_model(
    shop: Shop,
    source: Path,
    folder: Path,
    *,
    violation: float,
    preprocessing: Preprocessing = AS_SHIPPED,
) -> str:
    """Promote a version with nearly the same violation score (between 0 and 1) for all photos."""
    checkpoint = load_checkpoint(source)
    state = dict(checkpoint.state)
    # Exactly the same score for all photos would make it unusable.
    state["fc.weight"] = 1e-3 * state["fc.weight"]
    state["fc.bias"] = torch.tensor([0.0, math.log(violation / (1.0 - violation))])
    changed = {"weights_sha256": save_weights(state, folder), "preprocessing": preprocessing}
    save_card(ModelCard.model_validate(checkpoint.card.model_dump() | changed), folder)
    parts = shop.connections
    version = registry.register(folder, engine=parts.engine, store=parts.models)
    registry.promote(version, engine=parts.engine, by="test", reason="test")
    return version
