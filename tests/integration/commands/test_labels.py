"""`python -m ml labels`, as an operator types it."""

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ml.commands.labels import app
from ml.errors import ImageRejected, LabelsRefused
from ml.images.fingerprint import content_hash
from tests.support.night import run_night
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

KNOWN_BAD = "select content_sha256, added_by, reason from moderation.known_bad"


@pytest.fixture
def shell(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The shop's settings in the environment."""
    settings = shop.settings
    for name in ("database_url", "s3_access_key", "s3_secret_key"):
        monkeypatch.setenv(f"MODERATION_{name.upper()}", getattr(settings, name).get_secret_value())
    monkeypatch.setenv("MODERATION_S3_ENDPOINT_URL", settings.s3_endpoint_url or "")
    monkeypatch.setenv("MODERATION_DATA_DIR", str(settings.data_dir))
    return CliRunner()


def _add(shell: CliRunner, *arguments: str) -> Result:
    return shell.invoke(app, ["known-bad", "add", "--reason", "nude", *arguments])


def test_import_takes_the_good_lines_and_reports_the_others(
    shell: CliRunner, shop: Shop, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(photo())
    file = tmp_path / "labels.csv"
    # What looks like rich's markup is the user's text.
    bad = "".join(f"a.jpg,[/b]{n}\n" for n in range(25))
    file.write_text("path,label\na.jpg,normal\n" + bad, encoding="utf-8")
    done = shell.invoke(app, ["import", str(file)])
    assert isinstance(done.exception, LabelsRefused)
    assert "25 lines were refused, all others were taken" in str(done.exception)
    assert "1 taken, 0 known, 25 refused" in done.output
    assert "[/b]19" in done.output
    assert "[/b]20" not in done.output
    with (tmp_path / "labels.csv.refused.csv").open(encoding="utf-8", newline="") as report:
        rows = list(csv.DictReader(report))
    assert [row["line"] for row in rows] == [str(n) for n in range(3, 28)]
    assert rows[0]["reason"].startswith("unknown_class: '[/b]0'")
    assert shop.rows("select count(*) from moderation.human_label") == [(1,)]


def test_a_clean_import_ends_well_and_clears_an_earlier_report(
    shell: CliRunner, tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(photo())
    file, report = tmp_path / "labels.csv", tmp_path / "labels.csv.refused.csv"
    file.write_text("path,label\na.jpg,normal\n", encoding="utf-8")
    report.write_text("line,reason\n", encoding="utf-8")
    for said in ("1 taken, 0 known, 0 refused", "0 taken, 1 known, 0 refused"):
        done = shell.invoke(app, ["import", str(file)])
        assert done.exit_code == 0, done.output
        assert said in done.output
    assert not report.exists()


def test_a_file_that_is_not_there_is_an_error_of_ours(shell: CliRunner, tmp_path: Path) -> None:
    done = shell.invoke(app, ["import", str(tmp_path / "none.csv")])
    assert isinstance(done.exception, LabelsRefused)


def test_a_judged_photo_becomes_known_bad_and_is_kept(shell: CliRunner, shop: Shop) -> None:
    data = photo()
    shop.upload("a.jpg", data)
    run_night(shop)
    for said in ("added", "was there already"):
        done = _add(shell, content_hash(data).upper(), "--by", "ann")
        assert done.exit_code == 0, done.output
        assert said in " ".join(done.output.split())  # the console wraps
    assert shop.rows(KNOWN_BAD) == [(content_hash(data), "ann", "nude")]
    assert shop.connections.models.get(f"labelled/{content_hash(data)}") == data


def test_a_photo_s_file_becomes_known_bad(shell: CliRunner, shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "bad.jpg"
    file.write_bytes(photo(seed=3))
    assert _add(shell, "--path", str(file)).exit_code == 0
    assert _add(shell, content_hash(photo(seed=3)), "--path", str(file)).exit_code == 0
    assert shop.rows(KNOWN_BAD) == [(content_hash(photo(seed=3)), "command line", "nude")]
    assert shop.connections.models.get(f"labelled/{content_hash(photo(seed=3))}") == photo(seed=3)


def test_what_cannot_be_known_bad_is_refused(shell: CliRunner, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "other.jpg").write_bytes(photo(seed=4))
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    unseen = _add(shell, "0" * 64)
    assert isinstance(unseen.exception, LabelsRefused)
    assert "--path" in str(unseen.exception)
    other = _add(shell, "0" * 64, "--path", str(tmp_path / "other.jpg"))
    assert isinstance(other.exception, LabelsRefused)
    broken = _add(shell, "--path", str(tmp_path / "broken.jpg"))
    assert isinstance(broken.exception, ImageRejected)
    assert _add(shell).exit_code == 2
    assert _add(shell, "12ab").exit_code == 2
    assert shop.rows(KNOWN_BAD) == []
    assert shop.rows("select 1 from moderation.labelled_photo") == []
