"""Policy section `retraining`: what it accepts, and what it says about the rest."""

from pathlib import Path

import pytest
import yaml

from ml.core.errors import PolicyError
from ml.core.settings import ROOT
from ml.policy.schema import Policy, load_policy

FILE = ROOT / "config" / "policy.yaml"


def _load(folder: Path, **distillation: object) -> Policy:
    raw = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    raw["retraining"]["distillation"] = distillation
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return load_policy(path)


def test_distillation_is_off_by_default_and_the_file_shows_the_defaults(tmp_path: Path) -> None:
    shown = load_policy(FILE).retraining.distillation
    assert not shown.enabled
    assert _load(tmp_path).retraining.distillation == shown


def test_distillation_does_not_change_the_version_of_the_policy(tmp_path: Path) -> None:
    assert _load(tmp_path, enabled=True, epochs=3).version == load_policy(FILE).version


@pytest.mark.parametrize(
    ("name", "value"),
    [("photos", 0), ("photos", 50_001), ("photo_days", 0), ("epochs", 0), ("x", 1)],
)
def test_invalid_distillation_is_named(name: str, value: object, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=rf"retraining\.distillation\.{name}"):
        _load(tmp_path, **{name: value})
