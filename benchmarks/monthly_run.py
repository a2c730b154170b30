"""`python -m benchmarks.monthly_run`: the whole monthly run on labels of an unseen domain.

Domains, labels and test photos are those of `benchmarks.pretrained_weights`. A first model is
trained on photos of other domains and promoted. Then 0, 100, 500 or 2,000 labels of the new domain
are imported into a shop on real servers, and the steps of `retrain_model` run on them: snapshot,
label errors, training, calibration, evaluation, gates. The candidate ranks the test photos,
whatever the gates decide; without labels the first model does.

Each result is saved when it is measured; the command resumes after an interruption.
"""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.calibration import images_per_second
from benchmarks.monthly_run_shop import (
    add_labels,
    open_shop,
    promote_first_model,
    run_month,
    train_first_model,
)
from benchmarks.pretrained_weights_cells import LABEL_COUNTS, TEACHER, Cell, Start, list_cells
from benchmarks.pretrained_weights_photos import (
    CLASSES,
    DIRECTIONS,
    Ints,
    Transfer,
    list_photos,
    open_dataset,
    transfers,
)
from benchmarks.ranking_measures import measure_ranking
from ml.core.settings import ROOT, Settings
from ml.learning.retrain.scoring import load_predictor
from ml.models.predictor import Predictor
from ml.models.training.dataset import Dataset
from ml.models.training.preset import load_preset

FIRST_PHOTOS, FIRST_EPOCHS = 300, 3
_BATCH = 64

console = Console(width=None if Console().is_terminal else 120)


def main(
    data: Annotated[Path, typer.Option(help="Folder with photos/ and manifest.csv.")],
    weights: Annotated[
        list[str] | None, typer.Option(help="As MODERATION_PRETRAINED_WEIGHTS; repeatable.")
    ] = None,
    preset: Annotated[str, typer.Option(help="Of the monthly run.")] = "monthly",
    results: Annotated[Path | None, typer.Option(help="File of the measured results.")] = None,
) -> None:
    """Measure the missing results, and print the table."""
    console.print(f"ResNet18, 224 px, float32, all cores: {images_per_second():.1f} images/s")
    starts = {name: Start(name, preset) for name in weights or ["bundled"]}
    path = results or ROOT / ".data" / "benchmarks" / "monthly_run.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    photos, spec = list_photos(data), load_preset(preset).preprocessing
    with (
        tempfile.TemporaryDirectory(prefix="moderation-monthly-run-") as scratch,
        open_dataset(photos, spec, Path(scratch)) as dataset,
    ):
        all_transfers = transfers(dataset, {photo.name: domain for photo, domain in photos})
        for cell in list_cells(starts, [len(each.label_pool) for each in all_transfers]):
            if cell.start == TEACHER or cell.key in found:
                continue
            shop = _Shop(dataset, all_transfers[cell.direction], cell, Path(scratch))
            found[cell.key] = shop.measure(starts[cell.start])
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found, indent=1))
            console.print(cell.key, found[cell.key])
    _print_table(found, list(starts))


class _Shop:
    """One cell: the photos of a transfer, as a shop that labels some of them."""

    def __init__(self, dataset: Dataset, transfer: Transfer, cell: Cell, scratch: Path) -> None:
        self._dataset, self._transfer, self._cell = dataset, transfer, cell
        self._scratch = scratch
        self._rng = np.random.default_rng((cell.direction, cell.labels, cell.repeat))

    def measure(self, start: Start) -> dict[str, Any]:
        """Return the measures of the candidate, and what the run says about itself."""
        version = self._first_version(start)
        with (
            tempfile.TemporaryDirectory(dir=self._scratch) as folder,
            open_shop(Path(folder), weights=start.weights) as (settings, connections),
        ):
            first = promote_first_model(version, connections)
            if not self._cell.labels:
                return self._rank(load_predictor(first, settings=settings, connections=connections))
            labels = self._transfer.draw_labels(self._cell.labels, self._rng)
            photos = [self._dataset.photos[i].file for i in labels]
            add_labels(photos, settings, connections)
            month = run_month(settings, connections, preset=start.preset, seed=self._cell.repeat)
            facts = {"photos": month.photos, "decision": month.decision, "failed": month.failed}
            return self._rank(month.candidate) | {"seconds": month.seconds} | facts

    def _first_version(self, start: Start) -> Path:
        """Train the first model, unless an earlier cell did; the folder of its version."""
        cell = self._cell
        name = f"{start.weights.replace('/', '_')}-{cell.direction}-{cell.repeat}"
        out = self._scratch / "first" / name
        if not (out / "version" / "card.json").is_file():
            rng = np.random.default_rng((cell.direction, cell.repeat))
            chosen = rng.permutation(self._transfer.source)[:FIRST_PHOTOS]
            train_first_model(
                [self._dataset.photos[i].file for i in chosen],
                out,
                weights=start.weights,
                epochs=FIRST_EPOCHS,
                seed=cell.repeat,
                policy_file=Settings().policy_file,
            )
        return out / "version"

    def _rank(self, predictor: Predictor) -> dict[str, Any]:
        test = self._transfer.test
        scores = np.concatenate(
            [self._violation_scores(predictor, part) for part in _parts(test, _BATCH)]
        )
        is_violation = self._dataset.targets.numpy()[test] == CLASSES.index("violate")
        return dict(measure_ranking(is_violation, scores))

    def _violation_scores(self, predictor: Predictor, indices: Ints) -> np.ndarray[Any, Any]:
        pixels = list(self._dataset.load_prepared(indices.tolist()).numpy())
        return np.array([scores["violate"] for scores in predictor.scores(pixels)])


def _parts(indices: Ints, size: int) -> list[Ints]:
    return np.array_split(indices, range(size, len(indices), size))


def _print_table(found: dict[str, Any], starts: list[str]) -> None:
    """Print area · recall · leak, the mean over repeats, by labels and direction."""
    table = Table("labels", "domain", *starts, title="area · recall · leak · seconds")
    for labels in LABEL_COUNTS:
        for number, direction in enumerate(DIRECTIONS):
            rows = {start: _of(found, start, labels, number) for start in starts}
            if any(rows.values()):
                cells = (_format(rows[start]) for start in starts)
                table.add_row(str(labels), direction.target, *cells)
    console.print(table)


def _of(found: dict[str, Any], start: str, labels: int, direction: int) -> list[dict[str, Any]]:
    prefix = f"{start}|{labels}|{direction}|"
    return [result for key, result in found.items() if key.startswith(prefix)]


def _format(results: list[dict[str, Any]]) -> str:
    if not results:
        return "-"
    mean = {
        name: float(np.mean([result.get(name, 0.0) for result in results]))
        for name in ("area", "recall", "leak", "seconds")
    }
    promoted = sum(result.get("decision") == "promote" for result in results)
    return (
        f"{mean['area']:.3f} · {mean['recall']:.2f} · {mean['leak']:.2%} · {mean['seconds']:.0f} s"
        f" ({promoted} of {len(results)} promoted)"
    )


if __name__ == "__main__":
    typer.run(main)
