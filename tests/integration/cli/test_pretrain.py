"""`python -m ml pretrain` on the shop's own photos, as an operator types it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ml.cli.main import app
from ml.learning.pretraining.photo_list import read_list
from ml.models.bundled_weights import WEIGHTS, read_bundled_card
from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.recipes import small_recipe
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

PHOTOS = 12


def _done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def test_weights_are_distilled_on_a_list_of_the_shops_own_photos(
    shell: CliRunner, shop: Shop, tmp_path: Path
) -> None:
    keys = [shop.upload(f"{number}.jpg", photo(seed=number)) for number in range(PHOTOS)]
    run_nightly(shop)
    file, out = tmp_path / "list.json", tmp_path / "out"
    window = shop.window
    listing = ["--uploaded-from", window.start.isoformat()]
    listing += ["--uploaded-before", window.end.isoformat(), "--max-photos", "1000"]
    assert f"{PHOTOS} photos" in _done(
        shell.invoke(app, ["pretrain", "list-photos", str(file), *listing])
    )
    assert {p.object_key for p in read_list(file).photos} == set(keys)
    shop.connections.photos.delete(keys[0])
    command = ["pretrain", "distill", "--listed", str(file), "--from", "bundled"]
    options = ["--recipe", str(small_recipe(tmp_path)), "--out", str(out)]
    assert str(out / WEIGHTS) in _done(shell.invoke(app, [*command, *options]))
    card = read_bundled_card(out)
    assert card.made.start is not None
    assert card.made.start.kind == "bundled"
    bucket = shop.connections.photos.bucket
    assert [s.model_dump() for s in card.made.sources] == [
        {"source": f"bucket {bucket}", "licence": "the shop's own photos", "photos": PHOTOS - 1}
    ]


def test_distill_without_photos_says_how_to_name_some(shell: CliRunner, tmp_path: Path) -> None:
    result = shell.invoke(app, ["pretrain", "distill", "--out", str(tmp_path)])
    assert "--listed" in str(result.exception)
