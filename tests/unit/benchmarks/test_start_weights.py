import csv
from pathlib import Path

import numpy as np

from benchmarks.start_weights import LABELS, REPEATS, STARTS, TEACHER, Cell, Results, _cells
from benchmarks.start_weights_photos import directions, listed, opened
from ml.images.preprocess import ARTICLE
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
    with (data / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "label", "category", "source"])
        writer.writeheader()
        writer.writerows(rows)


def test_no_source_is_in_both_worlds_and_no_lender_is_asked(tmp_path: Path) -> None:
    _manifest(tmp_path)
    photos = listed(tmp_path)
    assert len(photos) == 6 * OF_EACH
    world_of = {item.name: world for item, world in photos}
    spec = ARTICLE.model_copy(update={"resize": 32, "crop": 32})
    with opened(photos, spec, tmp_path) as dataset:
        for way in directions(dataset, world_of):
            names = [dataset.scanned[i].photo.name for i in way.source]
            assert {world_of[name] for name in names} == {way.known.name}
            unseen = [*way.lenders, *way.asked]
            names = [dataset.scanned[i].photo.name for i in unseen]
            assert {world_of[name] for name in names} == {way.unseen.name}
            assert len(set(unseen)) == len(unseen) == 3 * OF_EACH
            lent = way.lent(4, np.random.default_rng(1))
            assert len(lent) == 4
            assert set(lent) <= set(way.lenders)


def test_measured_cells_are_kept_and_not_mixed_up(tmp_path: Path) -> None:
    kept = Results(tmp_path / "results" / "areas.json")
    kept.keep(Cell("shipped", 100, 0, 1), 0.75)
    kept.keep(Cell("shipped", 100, 1, 0), 0.25)
    again = Results(tmp_path / "results" / "areas.json")
    assert sorted(again.of("shipped", 100)) == [0.25, 0.75]
    assert again.of("shipped", 100, 0) == [0.75]
    assert again.of("shipped", 500) == []


def test_every_start_is_asked_everything_once() -> None:
    cells = list(_cells(STARTS))
    assert len(set(cells)) == len(cells) == (len(STARTS) + 1) * len(LABELS) * REPEATS * 2
    assert {cell.start for cell in cells} == {*STARTS, TEACHER}
