from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch

from ml.core.computation import REFERENCE, Computation
from ml.core.types import ArchitectureName
from ml.models.checkpoint import Checkpoint, load_checkpoint, load_int8
from ml.models.computation_guard import Guard
from ml.models.load_check import load_probe_photos
from ml.models.predictor import Predictor
from tests.support.int8_version import make_int8_version
from tests.unit.models.training.pictures import POLICY


@pytest.mark.parametrize("architecture", get_args(ArchitectureName))
def test_int8_variant_follows_its_version_and_passes_the_guard(
    architecture: ArchitectureName, tmp_path: Path
) -> None:
    card = make_int8_version(
        tmp_path, temperature=1.0, pass_confidence=0.7, architecture=architecture
    )
    assert card.int8 is not None
    network = load_int8(tmp_path, card.int8)
    assert b"FakeQuantize" in network.graph
    checkpoint = Checkpoint(load_checkpoint(tmp_path).state, card, network)
    photos = load_probe_photos(tmp_path)
    reference, int8 = (
        Predictor(checkpoint, device=torch.device("cpu"), batch_size=8, computation=computation)
        for computation in (REFERENCE, Computation("openvino", "int8", card.int8.variant_hash))
    )
    expected, found = (each.logits(photos.pixels) for each in (reference, int8))
    # Untrained weights suffer more from int8 than trained ones.
    assert np.corrcoef(found[:, 0], expected[:, 0])[0, 1] > 0.9
    assert Guard(POLICY, photos, reference).find_objection(int8) is None
