from pathlib import Path

import pytest

from tests.unit.training.pictures import folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """20 red `normal` and 20 blue `violate` photos."""
    return folder(tmp_path / "data")
