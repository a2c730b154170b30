"""What a spreadsheet would run is a text in the CSV file."""

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from ml.learning.labels.export_tables import CSV, PARQUET, TableWriter
from ml.learning.labels.exported_label import Pseudonyms
from ml.storage.labelled_contents import Decision

FORMULA = '=HYPERLINK("https://elsewhere.example")'


def _write(folder: Path, *, parquet: bool) -> pd.DataFrame:
    decision = Decision(
        content_sha256="a" * 64,
        label="normal",
        category=FORMULA,
        reviewer="ann",
        decided_at=datetime(2026, 11, 1, tzinfo=UTC),
        route="uncertain",
        sampling_rate=1.0,
        label_id=1,
        object_key="reviews/1.jpg",
        width=8,
        height=8,
        purged=False,
    )
    writer = TableWriter(folder, Pseudonyms(keep_names=False), parquet=parquet)
    writer.write([[decision]])
    writer.close()
    return pd.read_parquet(folder / PARQUET) if parquet else pd.read_csv(folder / CSV)


@pytest.mark.parametrize(("parquet", "category"), [(False, f"'{FORMULA}"), (True, FORMULA)])
def test_formula_is_a_text(tmp_path: Path, parquet: bool, category: str) -> None:
    (row,) = _write(tmp_path, parquet=parquet).to_dict("records")
    assert (row["category"], row["object_key"]) == (category, "reviews/1.jpg")
