"""A recipe of a distillation for a dozen small photos."""

from pathlib import Path

import yaml

from ml.models.distillation.recipe import RECIPE


def small_recipe(folder: Path, **changes: object) -> Path:
    """Write one and return its path."""
    raw = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    raw["augmentation"]["sizes"] = [32]
    small = {"photo_side": 40, "teacher_side": 32, "batch": 4, "epochs": 1, "validation_photos": 2}
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**raw, **small, **changes}))
    return path
