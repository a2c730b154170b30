"""Exports of labels, opened by the tools that they are for."""

import csv
import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from pycocotools.coco import COCO  # type: ignore[import-untyped]  # ships no types
from torchvision.datasets import CocoDetection, ImageFolder  # type: ignore[import-untyped]  # as above

from ml.core.errors import LabelExportError
from ml.learning.labels import export_labels as exports
from ml.learning.labels.export_labels import ExportRequest, ExportResult, Format, export_labels
from ml.learning.labels.import_csv import import_labels
from ml.models.training.image_folder import list_photos
from ml.policy.schema import load_policy
from ml.storage.database import in_transaction
from ml.storage.labels import NewLabel, add_labels
from tests.support.labelled_photos import DECIDED, archive_photo, label_photos
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

LATER = DECIDED + timedelta(days=1)
END = DECIDED + timedelta(days=10)


def _export(shop: Shop, folder: Path, name: Format, **options: object) -> ExportResult:
    request = ExportRequest(name, **{"end": END} | options)  # type: ignore[arg-type]  # handed through
    return export_labels(
        folder,
        request,
        settings=shop.settings,
        connections=shop.connections,
        policy=load_policy(shop.settings.policy_file),
    )


def _add(shop: Shop, content: str, label: str, reviewer: str, category: str | None) -> None:
    row = NewLabel(content, label, reviewer, "violation", LATER, category=category)
    in_transaction(shop.connections.engine, lambda c: add_labels(c, [row]))


@pytest.fixture
def contents(shop: Shop) -> list[str]:
    """Hashes of two bright photos, normal, and a dark one with a violation, sorted by class."""
    bright = [archive_photo(shop, photo(BRIGHT, seed=n), key=f"../../{n}.jpg") for n in (1, 2)]
    dark = archive_photo(shop, photo(DARK, seed=3))
    label_photos(shop, bright, "normal")
    _add(shop, dark, "violate", "bob", "qr")
    return [*bright, dark]


def _files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_image_folder_is_what_training_and_torchvision_read(
    shop: Shop, contents: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = _export(shop, out, Format.IMAGE_FOLDER)
    assert (result.exported, result.missing, result.name) == (3, 0, "photos")
    listed, stray = list_photos(out / "photos", load_policy(shop.settings.policy_file))
    assert {(p.path.stem, p.category) for p in listed} == {
        (contents[0], "normal"),
        (contents[1], "normal"),
        (contents[2], "violate/qr"),
    }
    assert stray == []
    pictures = ImageFolder(out / "photos")
    assert pictures.classes == ["normal", "violate"]
    assert sorted(pictures.targets) == [0, 0, 1]


def test_keys_and_categories_lead_to_no_file_outside(shop: Shop, tmp_path: Path) -> None:
    content = archive_photo(shop, photo(DARK), key="../../../escaped.jpg")
    _add(shop, content, "violate", "bob", "../../escaped")
    out = tmp_path / "a" / "b" / "out"
    assert _export(shop, out, Format.IMAGE_FOLDER).exported == 1
    assert [p for p in tmp_path.rglob("*") if "escaped" in p.name] == []
    assert (out / "photos" / "violate" / f"{content}.jpg").is_file()


def test_repeated_export_gives_the_same_bytes_and_reads_no_photo_again(
    shop: Shop, contents: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    _export(shop, out, Format.COCO)
    before = _files(out)
    damaged = next((out / "photos").glob(f"{contents[0]}.*"))
    damaged.write_bytes(b"cut")
    intact = next((out / "photos").glob(f"{contents[1]}.*"))
    written = intact.stat()[stat.ST_INO]
    _export(shop, out, Format.COCO, end=None)  # the window is that of the folder
    assert _files(out) == before
    assert intact.stat()[stat.ST_INO] == written
    with pytest.raises(LabelExportError, match="another export"):
        _export(shop, out, Format.COCO, end=END + timedelta(days=1))
    with pytest.raises(LabelExportError, match="another export"):
        _export(shop, out, Format.CSV)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "thesis.txt").touch()
    with pytest.raises(LabelExportError, match="something else"):
        _export(shop, tmp_path / "own", Format.CSV)


def test_changed_label_moves_the_photo(shop: Shop, contents: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    _export(shop, out, Format.IMAGE_FOLDER)
    label_photos(shop, contents[:1], "violate", at=LATER)
    _export(shop, out, Format.IMAGE_FOLDER)
    found = sorted(p.relative_to(out).as_posix() for p in out.rglob(f"{contents[0]}*"))
    assert found == [f"photos/violate/{contents[0]}.jpg"]


def test_missing_photos_are_rows_of_a_report(
    shop: Shop, contents: list[str], tmp_path: Path
) -> None:
    purged, lost = contents[:2]
    shop.execute(
        "update moderation.archived_photo set deleted_at = now() where content_sha256 = :c",
        c=purged,
    )
    shop.connections.models.delete(f"labelled/{lost}")
    label_photos(shop, ["f" * 64], "normal")
    label_photos(shop, [contents[2]], "spam", at=END - timedelta(days=1), reviewer="bob")
    result = _export(shop, tmp_path / "out", Format.IMAGE_FOLDER)
    assert (result.exported, result.missing) == (0, 4)
    with (tmp_path / "out" / "missing.csv").open(encoding="utf-8", newline="") as report:
        reasons = {row["content_sha256"]: row["reason"] for row in csv.DictReader(report)}
    assert reasons == {
        purged: "purged",
        lost: "object_absent",
        "f" * 64: "never_archived",
        contents[2]: "unknown_class",
    }


@pytest.mark.parametrize("name", [Format.CSV, Format.PARQUET])
def test_pandas_reads_the_decisions(
    shop: Shop, contents: list[str], tmp_path: Path, name: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "_PAGE", 2)
    label_photos(shop, contents[:1], "normal", reviewer="carol", at=LATER)
    result = _export(shop, tmp_path / "out", name)
    path = tmp_path / "out" / result.name
    table = pd.read_csv(path) if name is Format.CSV else pd.read_parquet(path)
    assert len(table) == result.exported == 4
    assert list(table["content_sha256"]) == sorted(table["content_sha256"])
    assert set(table["reviewer"]) == {"reviewer-1", "reviewer-2", "reviewer-3"}
    assert set(table["photo"]) == {"archived"}
    violation = table[table["content_sha256"] == contents[2]].iloc[0]
    assert (violation["label"], violation["category"]) == ("violate", "qr")
    assert pd.Timestamp(violation["decided_at"]) == pd.Timestamp(LATER)


def test_names_of_reviewers_are_exported_on_request_only(
    shop: Shop, contents: list[str], tmp_path: Path
) -> None:
    assert contents
    _export(shop, tmp_path / "out", Format.CSV)
    assert all(b"bob" not in data for data in _files(tmp_path / "out").values())
    _export(shop, tmp_path / "names", Format.CSV, reviewer_names=True)
    table = pd.read_csv(tmp_path / "names" / "labels.csv")
    assert set(table["reviewer"]) == {"ann", "bob"}


def test_window_takes_labels_from_start_until_end(
    shop: Shop, contents: list[str], tmp_path: Path
) -> None:
    _export(shop, tmp_path / "late", Format.CSV, start=LATER)
    _export(shop, tmp_path / "early", Format.CSV, end=LATER)
    late, early = (pd.read_csv(tmp_path / n / "labels.csv") for n in ("late", "early"))
    assert list(late["content_sha256"]) == contents[2:]
    assert sorted(early["content_sha256"]) == sorted(contents[:2])
    with pytest.raises(LabelExportError, match="swap the times"):
        _export(shop, tmp_path / "x", Format.CSV, start=END)


def test_empty_window_gives_an_empty_table(shop: Shop, tmp_path: Path) -> None:
    for name in (Format.CSV, Format.PARQUET, Format.COCO, Format.LABEL_STUDIO):
        assert _export(shop, tmp_path / name, name).exported == 0


def test_pycocotools_and_torchvision_read_the_coco_export(
    shop: Shop, contents: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    _export(shop, out, Format.COCO)
    coco = COCO(out / "labels.json")
    names = {category["id"]: category["name"] for category in coco.loadCats(coco.getCatIds())}
    (violation,) = coco.loadAnns(coco.getAnnIds(catIds=coco.getCatIds(["violate"])))
    (image,) = coco.loadImgs([violation["image_id"]])
    assert image["content_sha256"] == contents[2]
    assert violation["attributes"]["category"] == "qr"
    dataset = CocoDetection(out / "photos", out / "labels.json")
    found = [names[target[0]["category_id"]] for _, target in dataset]
    assert sorted(found) == ["normal", "normal", "violate"]
    with Image.open(out / "photos" / image["file_name"]) as picture:
        assert picture.size == (image["width"], image["height"])


def test_annotations_of_exported_tasks_are_imported_once(
    shop: Shop, contents: list[str], tmp_path: Path
) -> None:
    """As Label Studio does it: predictions stay, somebody submits annotations."""
    out = tmp_path / "out"
    _export(shop, out, Format.LABEL_STUDIO)
    tasks = json.loads((out / "tasks.json").read_bytes())
    assert len(tasks) == 3
    path = tmp_path / "annotated.json"
    policy = load_policy(shop.settings.policy_file)

    def run() -> tuple[int, int, list[str]]:
        result = import_labels(
            path, settings=shop.settings, connections=shop.connections, policy=policy
        )
        return result.imported, result.known, [error.reason for error in result.rejected]

    path.write_text(json.dumps(tasks), encoding="utf-8")
    assert run() == (0, 0, [])  # predictions are no labels
    at = datetime(2026, 10, 20, tzinfo=UTC).isoformat()
    for task in tasks:
        task["annotations"] = [
            {"completed_by": 7, "updated_at": at, "result": task["predictions"][0]["result"]}
        ]
    tasks[0]["annotations"][0]["result"][0]["value"]["choices"] = ["spam"]
    path.write_text(json.dumps(tasks), encoding="utf-8")
    imported, known, rejected = run()
    assert (imported, known) == (2, 0)
    assert rejected[0].startswith("unknown_class: 'spam'")
    assert run()[:2] == (0, 2)
    rows = shop.rows(
        "select content_sha256, label from moderation.human_label "
        "where reviewer = 'label-studio:7' and decided_at = :at",
        at=at,
    )
    assert dict(rows).keys() < set(contents)
