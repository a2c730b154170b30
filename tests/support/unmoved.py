"""A model version that says the same of every photo: what else happens, others have caused."""

import math
from pathlib import Path

import torch

from ml.model import registry
from ml.model.card import ModelCard
from ml.model.checkpoint import load_checkpoint, save_card, save_weights
from tests.support.champion import SPEC
from tests.support.servers import Shop

# The scale of the shipped fast recipe, at which photos are hashed too; the crop keeps it quick.
AS_SHIPPED = SPEC.model_copy(update={"resize": 128})


def promote_unmoved(shop: Shop, source: Path, folder: Path, *, violation: float) -> str:
    """Make champion a version with one violation score (over 0, under 1) for all."""
    checkpoint = load_checkpoint(source)
    state = dict(checkpoint.state)
    state["fc.weight"] = torch.zeros_like(state["fc.weight"])
    state["fc.bias"] = torch.tensor([0.0, math.log(violation / (1.0 - violation))])
    changed = {"weights_sha256": save_weights(state, folder), "preprocessing": AS_SHIPPED}
    save_card(ModelCard.model_validate(checkpoint.card.model_dump() | changed), folder)
    parts = shop.connections
    version = registry.register(folder, engine=parts.engine, store=parts.models)
    registry.promote(version, engine=parts.engine, by="test", reason="test")
    return version
