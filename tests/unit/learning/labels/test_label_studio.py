"""What the JSON of Label Studio becomes: rows of an import, or rejected annotations."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ml.core.errors import LabelImportError
from ml.learning.labels import label_studio
from ml.learning.labels.csv_rows import CsvRow, RowError
from ml.learning.labels.label_studio import read_tasks

NOW = datetime(2026, 11, 1, tzinfo=UTC)
AT = "2026-10-20T08:00:00Z"
CONTENT = "a" * 64


def _choices(*values: object, name: str = "label") -> dict[str, Any]:
    value = {"choices": list(values)}
    return {"from_name": name, "to_name": "image", "type": "choices", "value": value}


def _annotation(*results: object, **more: object) -> dict[str, Any]:
    return {"completed_by": 3, "created_at": AT, "result": list(results)} | more


def _task(*annotations: object, **data: object) -> dict[str, Any]:
    return {"data": {"content_sha256": CONTENT} | data, "annotations": list(annotations)}


def _read(folder: Path, tasks: object) -> list[CsvRow | RowError]:
    file = folder / "export.json"
    file.write_text(json.dumps(tasks), encoding="utf-8")
    return list(read_tasks(file, classes=("normal", "violate"), now=NOW))


def test_submitted_annotation_is_a_label(tmp_path: Path) -> None:
    category = {"from_name": "category", "type": "textarea", "value": {"text": ["qr"]}}
    (row,) = _read(tmp_path, [_task(_annotation(_choices("violate"), category))])
    assert isinstance(row, CsvRow)
    assert (row.content_sha256, row.object_key, row.path) == (CONTENT, None, None)
    assert (row.label, row.category, row.reviewer) == ("violate", "qr", "label-studio:3")
    assert row.decided_at == datetime(2026, 10, 20, 8, tzinfo=UTC)
    assert row.route == "import"


def test_predictions_and_skipped_tasks_are_no_labels(tmp_path: Path) -> None:
    skipped = _task(_annotation(was_cancelled=True))
    predicted = _task() | {"predictions": [_annotation(_choices("normal"))]}
    assert _read(tmp_path, [skipped, predicted]) == []


def test_task_without_our_hash_is_found_by_its_key(tmp_path: Path) -> None:
    task = _task(_annotation(_choices("normal", name="any")))
    task["data"] = {"object_key": "reviews/1.jpg"}
    (row,) = _read(tmp_path, [task])
    assert isinstance(row, CsvRow)
    assert row.object_key == "reviews/1.jpg"


@pytest.mark.parametrize(
    ("user", "reviewer"),
    [
        (5, "label-studio:5"),
        ({"id": 5, "email": "ann@shop.example"}, "label-studio:5"),
        ({"email": "ann@shop.example"}, "label-studio:ann@shop.example"),
        (None, "label-studio"),
    ],
)
def test_annotator_is_the_reviewer(tmp_path: Path, user: object, reviewer: str) -> None:
    (row,) = _read(tmp_path, [_task(_annotation(_choices("normal"), completed_by=user))])
    assert isinstance(row, CsvRow)
    assert row.reviewer == reviewer


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (_task(_annotation(_choices("spam"))), "unknown_class"),
        (_task(_annotation()), "bad_line: the annotation does not choose"),
        (_task(_annotation(_choices("normal", "violate"))), "bad_line: the annotation"),
        (_task(_annotation(_choices(1))), "bad_line: the annotation"),
        (_task(_annotation(_choices("normal")), content_sha256="../x"), "bad_line: the task's"),
        (_task(_annotation(_choices("normal"), created_at="yesterday")), "bad_time"),
        (_task(_annotation(_choices("normal"), created_at="2027-01-01T00:00:00Z")), "bad_time"),
        (_task(_annotation(_choices("normal\0"))), "bad_text"),
        (_task("x"), "bad_line: no task"),
        ("x", "bad_line: no task"),
        ({"annotations": 3}, "bad_line: no task"),
        ({"id": 1, "image": "x.jpg", "label": "normal"}, "bad_line: no task"),  # JSON-MIN
    ],
)
def test_invalid_annotation_is_rejected_with_its_task(
    tmp_path: Path, task: object, reason: str
) -> None:
    good = _task(_annotation(_choices("normal")))
    rejected, valid = _read(tmp_path, [task, good])
    assert isinstance(rejected, RowError)
    assert rejected.line == 1
    assert rejected.reason.startswith(reason)
    assert isinstance(valid, CsvRow)


def test_the_last_annotation_of_an_annotator_counts(tmp_path: Path) -> None:
    older = _annotation(_choices("violate"), completed_by=5, created_at="2026-10-20T00:00:00Z")
    newer = _annotation(_choices("normal"), completed_by=5, created_at="2026-10-25T00:00:00Z")
    (row,) = _read(tmp_path, [_task(newer, older)])
    assert isinstance(row, CsvRow)
    assert row.label == "normal"


@pytest.mark.parametrize(("text", "said"), [("{}", "no list of tasks"), ("[", "no JSON")])
def test_another_file_is_an_import_error(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(LabelImportError, match=said):
        list(read_tasks(file, classes=("normal",), now=NOW))


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_studio, "_MAX_BYTES", 3)
    with pytest.raises(LabelImportError, match="export fewer tasks at a time"):
        _read(tmp_path, [_task()])
