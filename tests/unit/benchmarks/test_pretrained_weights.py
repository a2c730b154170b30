import csv
from pathlib import Path

import numpy as np

from benchmarks.pretrained_weights_cells import (
    LABEL_COUNTS,
    REPEATS,
    STARTS,
    TEACHER,
    Cell,
    Results,
    list_cells,
)
from benchmarks.pretrained_weights_photos import (
    DIRECTIONS,
    list_photos,
    open_dataset,
    transfers,
)
from ml.vision.images.preprocess import ARTICLE
from tests.support.photos import photo

SOURCES = {
    ("normal", "normal"): ("x/clothing", "x/GroceryStoreDataset"),
    ("violate", "ad"): ("overlay on clothing", "overlay on GroceryStoreDataset"),
    ("violate", "qr"): ("zxing",),
    ("violate", "text"): ("mattermost",),
}
OF_EACH = 6


def _manifest(data: Path) -> None:
    rows = []
    for (label, category), sources in SOURCES.items():
        for source in sources:
            for number in range(OF_EACH):
                path = f"photos/{label}/{category}/{len(rows):03}.jpg"
                rows.append({"path": path, "label": label, "category": category, "source": source})
                (data / path).parent.mkdir(parents=True, exist_ok=True)
                (data / path).write_bytes(photo(seed=1000 * number + len(rows)))
    rows.append({"path": "odd/a.jpg", "label": "", "category": "odd", "source": "x"})
    _write_rows(data / "manifest.csv", rows)
    wide = []
    for theme in ("weapons", "furniture", "animals"):
        for number in range(OF_EACH):
            file = f"{theme}{number}.jpg"
            wide.append({"file": file, "theme": theme})
            (data / "unlabelled_wide").mkdir(exist_ok=True)
            (data / "unlabelled_wide" / file).write_bytes(photo(seed=77_000 + len(wide)))
    _write_rows(data / "unlabelled_wide.csv", wide)


def _write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_domains_share_no_source_and_label_pool_is_not_tested(tmp_path: Path) -> None:
    _manifest(tmp_path)
    photos = list_photos(tmp_path)
    assert len(photos) == 8 * OF_EACH
    domain_of = {item.name: domain for item, domain in photos}
    spec = ARTICLE.model_copy(update={"resize": 32, "crop": 32})
    with open_dataset(photos, spec, tmp_path) as dataset:
        found = transfers(dataset, domain_of)
        assert [transfer.direction for transfer in found] == list(DIRECTIONS)
        for transfer in found:
            names = [dataset.photos[i].file.name for i in transfer.source]
            assert {domain_of[name] for name in names} == set(transfer.direction.sources)
            target = [*transfer.label_pool, *transfer.test]
            names = [dataset.photos[i].file.name for i in target]
            assert {domain_of[name] for name in names} == {transfer.direction.target}
            assert (
                len(set(target))
                == len(target)
                == (2 if "left" in transfer.direction.target else 3) * OF_EACH
            )
            labelled = transfer.draw_labels(4, np.random.default_rng(1))
            assert len(labelled) == 4
            assert set(labelled) <= set(transfer.label_pool)


def test_left_out_themes_are_a_domain_only_where_their_table_exists(tmp_path: Path) -> None:
    _manifest(tmp_path)
    (tmp_path / "unlabelled_wide.csv").unlink()
    assert {domain for _, domain in list_photos(tmp_path)} == {"clothing", "groceries"}


def test_results_are_saved_by_cell(tmp_path: Path) -> None:
    kept = Results(tmp_path / "results" / "areas.json")
    kept.save(Cell("bundled", 100, 0, 1), 0.75)
    kept.save(Cell("bundled", 100, 1, 0), 0.25)
    again = Results(tmp_path / "results" / "areas.json")
    assert sorted(again.of("bundled", 100)) == [0.25, 0.75]
    assert again.of("bundled", 100, 0) == [0.75]
    assert again.of("bundled", 500) == []


def test_every_start_has_every_cell_once_for_which_there_are_labels() -> None:
    cells = list(list_cells(STARTS, [600, 2000]))
    points = 2 * len(LABEL_COUNTS) - 1
    assert len(set(cells)) == len(cells) == (len(STARTS) + 1) * points * REPEATS
    assert {cell.start for cell in cells} == {*STARTS, TEACHER}
    assert {cell.direction for cell in cells if cell.labels == 2000} == {1}
