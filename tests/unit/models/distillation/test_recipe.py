from pathlib import Path

import pytest
import yaml

from ml.core.errors import SettingsError
from ml.models.distillation.recipe import RECIPE, load_recipe


def _changed(folder: Path, **values: object) -> Path:
    raw = yaml.safe_load(RECIPE.read_text(encoding="utf-8"))
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump({**raw, **values}))
    return path


def test_load_recipe_reads_the_committed_recipe_whose_hash_identifies_it(tmp_path: Path) -> None:
    recipe = load_recipe()
    assert max(recipe.augmentation.sizes) <= recipe.teacher_side
    assert load_recipe(_changed(tmp_path)).hash == recipe.hash
    assert load_recipe(_changed(tmp_path, epochs=1)).hash != recipe.hash


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"teacher_side": 64}, "must not exceed"),
        ({"patience": 3}, "patience"),
        ({"mixed_share": 1.5}, "mixed_share"),
    ],
)
def test_load_recipe_rejects_invalid_values_and_names_them(
    values: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=message):
        load_recipe(_changed(tmp_path, **values))


def test_load_recipe_names_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"missing\.yaml"):
        load_recipe(tmp_path / "missing.yaml")
