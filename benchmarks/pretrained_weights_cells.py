"""Cells of the benchmark of pretrained weights: what is compared, the results, and their table."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.pretrained_weights_photos import DIRECTIONS

LABEL_COUNTS = (0, 100, 500, 2000)
REPEATS = 3
TEACHER = "teacher"


class Start(NamedTuple):
    """Initial weights, as the setting; and the preset, which has its own learning rate."""

    weights: str
    preset: str


FROM_SCRATCH, BUNDLED = "from scratch", "bundled"
STARTS = {
    FROM_SCRATCH: Start("none", "fast_scratch"),
    BUNDLED: Start("bundled", "fast"),
    f"{BUNDLED}, frozen": Start("bundled", "linear_probe"),
}

console = Console(width=None if Console().is_terminal else 120)


@dataclass(frozen=True)
class Cell:
    """One training and its test."""

    start: str
    labels: int
    direction: int
    repeat: int

    @property
    def key(self) -> str:
        """Key among the results."""
        return f"{self.start}|{self.labels}|{self.direction}|{self.repeat}"


class Results:
    """The measured AUC of each cell, in a JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.aucs: dict[str, float] = json.loads(path.read_text()) if path.is_file() else {}

    def save(self, cell: Cell, auc: float) -> None:
        """Add the AUC of a cell."""
        self.aucs[cell.key] = auc
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self.aucs, indent=1))

    def of(self, start: str, labels: int, direction: int | None = None) -> list[float]:
        """Return the AUCs of initial weights at a number of labels, of one or all directions."""
        directions = range(len(DIRECTIONS)) if direction is None else (direction,)
        cells = (Cell(start, labels, each, n) for each in directions for n in range(REPEATS))
        return [self.aucs[cell.key] for cell in cells if cell.key in self.aucs]


def list_cells(starts: Iterable[str], label_pools: Sequence[int]) -> Iterator[Cell]:
    """Yield all initial weights of one point before the next, so that partial results compare."""
    for repeat in range(REPEATS):
        for labels in reversed(LABEL_COUNTS):
            for direction, pool in enumerate(label_pools):
                if labels <= pool:
                    for start in (TEACHER, *starts):
                        yield Cell(start, labels, direction, repeat)


def print_table(store: Results, starts: list[str], epochs: int) -> None:
    """Print the mean and deviation by labels and direction."""
    title = f"area under the ROC curve, {epochs} epochs"
    table = Table("labels of the target domain", *starts, "gap closed", title=title)
    for labels in LABEL_COUNTS:
        cells = (_format_auc(store.of(start, labels)) for start in starts)
        table.add_row(str(labels), *cells, _gap_closed(store, labels))
        for number, direction in enumerate(DIRECTIONS):
            cells = (_format_auc(store.of(start, labels, number)) for start in starts)
            table.add_row(f"  of {direction.target}", *cells, "")
    console.print(table)


def _format_auc(aucs: list[float]) -> str:
    if not aucs:
        return "-"
    return f"{np.mean(aucs):.3f} ± {np.std(aucs):.3f} (n {len(aucs)})"


def _gap_closed(store: Results, labels: int) -> str:
    """Return the share of the gap between scratch and teacher that the bundled weights close."""
    scratch, shipped, teacher = (
        float(np.mean(aucs)) if (aucs := store.of(start, labels)) else np.nan
        for start in (FROM_SCRATCH, BUNDLED, TEACHER)
    )
    return f"{(shipped - scratch) / (teacher - scratch):.0%}" if scratch < teacher else "-"


def card_figures(store: Results, epochs: int) -> dict[str, object]:
    """Return the figures for the card: mean and deviation by initial weights and labels."""
    rows = {
        start: {
            str(labels): {
                "mean": round(float(np.mean(aucs)), 4),
                "deviation": round(float(np.std(aucs)), 4),
                "trainings": len(aucs),
            }
            for labels in LABEL_COUNTS
            if (aucs := store.of(start, labels))
        }
        for start in (*STARTS, TEACHER)
    }
    return {
        "protocol": "benchmarks/pretrained_weights.py",
        "measure": "area under the ROC curve on a source that training never saw",
        "presets": {name: start.preset for name, start in STARTS.items()},
        "epochs": epochs,
        "by_start_and_labels": rows,
    }
