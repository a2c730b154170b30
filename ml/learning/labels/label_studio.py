"""Read the JSON that Label Studio exports: annotations as lines of an import."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ml.core.errors import LabelImportError
from ml.learning.labels.csv_rows import CsvRow, LabelParser, RowError, check_text
from ml.learning.labels.export_documents import CATEGORY, LABEL

_MAX_BYTES = 256 * 1024**2  # the parsed file takes several times as much memory
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REVIEWER = "label-studio"


def read_tasks(
    file: Path, *, classes: Collection[str], now: datetime
) -> Iterator[CsvRow | RowError]:
    """Yield one row for each annotation that was submitted; its number is that of the task.

    Tasks without one, skipped ones and predictions are no labels. The photo is found by
    `content_sha256` of the task's data, which an export of ours wrote, or else by `object_key`.

    Raises:
        LabelImportError: the file as a whole: missing, too large, or no list of tasks.
    """
    parser = LabelParser(file, classes, now)
    for number, task in enumerate(_load_tasks(file), 1):
        for annotation in _annotations(task):
            try:
                fields = _fields(task, annotation)
                check_text(list(fields.values()))
                yield parser.line(number, fields)
            except LabelImportError as error:
                yield RowError(number, str(error))


def _load_tasks(file: Path) -> list[Any]:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise LabelImportError(
                f"{file} is over {_MAX_BYTES // 1024**2} MiB: export fewer tasks at a time"
            )
        tasks = json.loads(file.read_bytes())
    except OSError as error:
        raise LabelImportError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise LabelImportError(f"{file} is no JSON: {error}; export it again as JSON") from error
    if not isinstance(tasks, list):
        raise LabelImportError(f"{file} is no list of tasks; export from Label Studio as JSON")
    return tasks


def _annotations(task: object) -> list[Any]:
    """Each annotator's last submitted annotation of a task; None for what is no annotation."""
    # JSON-MIN, another export of Label Studio, has no `data`.
    found = task.get("annotations", []) if isinstance(task, dict) and "data" in task else None
    if not isinstance(found, list):
        return [None]
    submitted = [a for a in found if not (isinstance(a, dict) and a.get("was_cancelled"))]
    submitted.sort(key=lambda a: str(_time(a)) if isinstance(a, dict) else "")
    last = {_annotator(a): a for a in submitted if isinstance(a, dict)}
    return [*last.values(), *(None for a in submitted if not isinstance(a, dict))]


def _annotator(annotation: Mapping[str, Any]) -> str:
    return _reviewer(annotation.get("completed_by"))


def _fields(task: object, annotation: object) -> dict[str, str]:
    """The values of an annotation by the columns of a CSV file."""
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict) or not isinstance(annotation, dict):
        raise LabelImportError(
            "bad_line: no task of Label Studio with data and annotations: export as JSON, not as "
            "JSON-MIN"
        )
    return {
        **_photo(data),
        "label": _choice(annotation),
        "category": _category(annotation),
        "reviewer": _annotator(annotation),
        "decided_at": _time(annotation),
    }


def _photo(data: Mapping[str, Any]) -> dict[str, str]:
    content, key = data.get("content_sha256"), data.get("object_key")
    if isinstance(content, str) and _SHA256.fullmatch(content):
        return {"content_sha256": content}
    if content is None and isinstance(key, str) and key:
        return {"object_key": key}
    raise LabelImportError(
        "bad_line: the task's data names no photo: content_sha256 (64 hexadecimal digits) or "
        "object_key"
    )


def _values(annotation: Mapping[str, Any], kind: str) -> list[tuple[str, list[Any]]]:
    """Name and values of each result of a kind, such as `choices`."""
    results = annotation.get("result")
    found = []
    for result in results if isinstance(results, list) else []:
        value = result.get("value") if isinstance(result, dict) else None
        chosen = value.get(kind) if isinstance(value, dict) else None
        if isinstance(chosen, list):
            found.append((str(result.get("from_name")), chosen))
    return found


def _choice(annotation: Mapping[str, Any]) -> str:
    """The class: of the choices named `label`, or of the only ones."""
    found = _values(annotation, "choices")
    named = [values for name, values in found if name == LABEL] or [v for _, v in found]
    if len(named) != 1 or len(named[0]) != 1 or not isinstance(named[0][0], str):
        raise LabelImportError("bad_line: the annotation does not choose exactly one class")
    return named[0][0]


def _category(annotation: Mapping[str, Any]) -> str:
    """The category that the annotator wrote; what the task's data has is of somebody else."""
    texts = [values for name, values in _values(annotation, "text") if name == CATEGORY]
    return str(texts[0][0]) if texts and texts[0] else ""


def _reviewer(user: object) -> str:
    """The annotator by their number, which does not change, or else by e-mail address."""
    if isinstance(user, dict):
        user = user.get("id", user.get("email"))
    if isinstance(user, int) and not isinstance(user, bool):
        return f"{_REVIEWER}:{user}"
    name = user.strip() if isinstance(user, str) else ""
    return f"{_REVIEWER}:{name}" if name else _REVIEWER


def _time(annotation: Mapping[str, Any]) -> str:
    found = annotation.get("updated_at") or annotation.get("created_at")
    return found if isinstance(found, str) else ""
