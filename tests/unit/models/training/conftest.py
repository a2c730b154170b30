from collections.abc import Iterator
from pathlib import Path

import pytest

from ml.models.training.dataset import Dataset, open_dataset
from ml.vision.images.open_photo import DecodeLimits
from tests.unit.models.training.pictures import POLICY, SPEC, folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """20 red `normal` and 20 blue `violate` photos."""
    return folder(tmp_path / "data")


@pytest.fixture
def dataset(data: Path, tmp_path: Path) -> Iterator[Dataset]:
    """The same, opened."""
    with open_dataset(
        data, policy=POLICY, spec=SPEC, limits=DecodeLimits(), scratch=tmp_path
    ) as opened:
        yield opened
