"""`python -m ml labels`, as an operator types it."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ml.cli.main import app
from ml.core.errors import LabelExportError, LabelImportError
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def test_import_takes_valid_lines_and_reports_the_others(
    shell: CliRunner, shop: Shop, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(photo())
    file = tmp_path / "labels.csv"
    # Text that looks like rich's markup is printed unchanged.
    bad = "".join(f"a.jpg,[/b]{n}\n" for n in range(25))
    file.write_text("path,label\na.jpg,normal\n" + bad, encoding="utf-8")
    done = shell.invoke(app, ["labels", "import", str(file)])
    assert isinstance(done.exception, LabelImportError)
    assert "25 lines were rejected, all others imported" in str(done.exception)
    assert "1 imported, 0 already known, 25 rejected" in done.output
    assert "[/b]19" in done.output
    assert "[/b]20" not in done.output
    with (tmp_path / "labels.csv.rejected.csv").open(encoding="utf-8", newline="") as report:
        rows = list(csv.DictReader(report))
    assert [row["line"] for row in rows] == [str(n) for n in range(3, 28)]
    assert rows[0]["reason"].startswith("unknown_class: '[/b]0'")
    assert shop.rows("select count(*) from moderation.human_label") == [(1,)]


def test_import_without_errors_removes_an_earlier_report(shell: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(photo())
    file, report = tmp_path / "labels.csv", tmp_path / "labels.csv.rejected.csv"
    file.write_text("path,label\na.jpg,normal\n", encoding="utf-8")
    report.write_text("line,reason\n", encoding="utf-8")
    for said in (
        "1 imported, 0 already known, 0 rejected",
        "0 imported, 1 already known, 0 rejected",
    ):
        done = shell.invoke(app, ["labels", "import", str(file)])
        assert done.exit_code == 0, done.output
        assert said in done.output
    assert not report.exists()


def test_missing_label_file_is_an_import_error(shell: CliRunner, tmp_path: Path) -> None:
    done = shell.invoke(app, ["labels", "import", str(tmp_path / "none.csv")])
    assert isinstance(done.exception, LabelImportError)


def test_export_writes_labels_and_photos(shell: CliRunner, shop: Shop, tmp_path: Path) -> None:
    content = archive_photo(shop, photo())
    label_photos(shop, [content], "normal")
    out = tmp_path / "out"
    arguments = ["labels", "export", str(out), "--format", "image-folder"]
    done = shell.invoke(app, [*arguments, "--as-of", "2026-10-11T00:00:00Z"])
    assert done.exit_code == 0, done.output
    assert "1 exported to" in done.output
    assert "0 photos missing" in done.output
    assert (out / "photos" / "normal" / f"{content}.jpg").read_bytes() == photo()


def test_export_names_the_formats(shell: CliRunner, tmp_path: Path) -> None:
    done = shell.invoke(app, ["labels", "export", str(tmp_path / "out"), "--format", "yolo"])
    assert isinstance(done.exception, LabelExportError)
    assert "known are image-folder, csv, parquet, coco, label-studio" in str(done.exception)
