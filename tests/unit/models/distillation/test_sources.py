from pathlib import Path

import pytest

from ml.core.errors import TrainingError
from ml.models.bundled_weights import BundledWeightsCard, read_bundled_card
from ml.models.distillation.sources import Origin, count_sources, read_manifests


def _write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_read_manifests_merges_files_and_knows_both_spellings(tmp_path: Path) -> None:
    first = _write(tmp_path / "a.csv", "file,source repository,licence,sha256", "1,x/y,CC0,aa")
    second = _write(tmp_path / "b.csv", "sha256,source,license", "bb,z,MIT")
    assert read_manifests([first, second]) == {"aa": Origin("x/y", "CC0"), "bb": Origin("z", "MIT")}


@pytest.mark.parametrize("lines", [(), ("sha256,source", "aa,x")])
def test_read_manifests_names_missing_columns(lines: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="licence"):
        read_manifests([_write(tmp_path / "a.csv", *lines)])


def test_read_manifests_names_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"missing\.csv"):
        read_manifests([tmp_path / "missing.csv"])


def test_count_sources_falls_back_to_the_folder() -> None:
    photos = [
        ("aa", "shop/1.jpg"),
        ("bb", "wide/2.jpg"),
        ("cc", "wide/3.jpg"),
        ("dd", "shop/4.jpg"),
    ]
    found = count_sources(photos, {"bb": Origin("x/y", "CC0")})
    assert [(s.source, s.licence, s.photos) for s in found] == [
        ("shop", "not stated", 2),
        ("wide", "not stated", 1),
        ("x/y", "CC0", 1),
    ]


def test_card_of_an_older_release_has_neither_start_nor_sources() -> None:
    older = read_bundled_card().model_dump(mode="json")
    del older["made"]["start"], older["made"]["sources"]
    made = BundledWeightsCard.model_validate(older).made
    assert (made.start, made.sources) == (None, ())
