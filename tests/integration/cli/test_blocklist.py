"""`python -m ml blocklist`, as an operator types it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ml.cli.main import app
from ml.core.errors import ImageRejected, LabelImportError, SettingsError
from ml.vision.images.fingerprint import content_hash
from tests.support.nightly_run import run_nightly
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

BLOCKLIST = "select content_sha256, added_by, reason from moderation.blocklist_photo"


def _add(shell: CliRunner, *arguments: str) -> Result:
    return shell.invoke(app, ["blocklist", "add", "--reason", "nude", *arguments])


def test_add_by_hash_archives_a_scored_photo(shell: CliRunner, shop: Shop) -> None:
    data = photo()
    shop.upload("a.jpg", data)
    run_nightly(shop)
    for said in ("added", "already on the blocklist"):
        done = _add(shell, content_hash(data).upper(), "--by", "ann")
        assert done.exit_code == 0, done.output
        assert said in " ".join(done.output.split())  # the console wraps
    assert shop.rows(BLOCKLIST) == [(content_hash(data), "ann", "nude")]
    assert shop.connections.models.get(f"labelled/{content_hash(data)}") == data


def test_add_by_file_archives_the_photo(shell: CliRunner, shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "bad.jpg"
    file.write_bytes(photo(seed=3))
    assert _add(shell, "--path", str(file)).exit_code == 0
    assert _add(shell, content_hash(photo(seed=3)), "--path", str(file)).exit_code == 0
    assert shop.rows(BLOCKLIST) == [(content_hash(photo(seed=3)), "command line", "nude")]
    assert shop.connections.models.get(f"labelled/{content_hash(photo(seed=3))}") == photo(seed=3)


def test_add_rejects_what_it_cannot_archive(shell: CliRunner, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "other.jpg").write_bytes(photo(seed=4))
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    unseen = _add(shell, "0" * 64)
    assert isinstance(unseen.exception, LabelImportError)
    assert "--path" in str(unseen.exception)
    other = _add(shell, "0" * 64, "--path", str(tmp_path / "other.jpg"))
    assert isinstance(other.exception, LabelImportError)
    broken = _add(shell, "--path", str(tmp_path / "broken.jpg"))
    assert isinstance(broken.exception, ImageRejected)
    assert _add(shell).exit_code == 2
    assert _add(shell, "12ab").exit_code == 2
    assert shop.rows(BLOCKLIST) == []
    assert shop.rows("select 1 from moderation.archived_photo") == []


LISTED = "select kind, hash, source, added_by from moderation.blocklist_hash order by kind, hash"


def _import(shell: CliRunner, file: Path, *arguments: str) -> Result:
    return shell.invoke(app, ["blocklist", "import", str(file), "--source", "ncmec", *arguments])


def _said(result: Result) -> str:
    return " ".join(result.output.split())  # the console wraps


def test_a_list_is_imported_once_and_removed(shell: CliRunner, shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    rows = ["id,pdq,quality,md5,sha256", f"1,{'AB' * 32},90,,", f"2,,,{'0' * 32},{'c' * 64}"]
    file.write_text("\n".join([*rows, f"3,{'0' * 64},49,,", ""]))
    dry = _import(shell, file, "--dry-run")
    assert "3 hashes would be imported, 0 already known, 1 of low quality" in _said(dry)
    assert shop.rows(LISTED) == []
    for said in ("3 hashes imported, 0 already known", "0 hashes imported, 3 already known"):
        done = _import(shell, file, "--by", "ann")
        assert done.exit_code == 0, done.output
        assert said in _said(done)
    assert shop.rows(LISTED) == [
        ("md5", "0" * 32, "ncmec", "ann"),
        ("pdq", "ab" * 32, "ncmec", "ann"),
        ("sha256", "c" * 64, "ncmec", "ann"),
    ]
    listed = shell.invoke(app, ["blocklist", "list"])
    assert [word for word in ("ncmec", "1") if word not in listed.output] == []
    removed = shell.invoke(app, ["blocklist", "remove", "ncmec", "--by", "eve"])
    assert "3 hashes removed" in _said(removed)
    assert shop.rows(LISTED) == []
    assert shop.rows(
        "select actor, action, target, detail from moderation.activity "
        "where target like 'blocklist:%' order by activity_id"
    ) == [
        ("ann", "import_hashes", "blocklist:ncmec", {"hashes": 3}),
        ("eve", "remove_hashes", "blocklist:ncmec", {"hashes": 3}),
    ]
    again = shell.invoke(app, ["blocklist", "remove", "ncmec"])
    assert isinstance(again.exception, SettingsError)


def test_lines_of_a_list_that_are_wrong_are_named(
    shell: CliRunner, shop: Shop, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    wrong = ["12ab,", ",", f"{'0' * 64},101", f"{'0' * 64},much", f"{'0' * 64}", f"{'z' * 64},90"]
    file.write_text("\n".join(["pdq,quality", *wrong, f"{'d' * 64},90", ""]))
    done = _import(shell, file)
    assert isinstance(done.exception, LabelImportError)
    report = (tmp_path / "list.csv.rejected.csv").read_text(encoding="utf-8").splitlines()
    assert [line.partition(",")[0] for line in report] == ["line", "2", "3", "4", "5", "6", "7"]
    assert [row[1] for row in shop.rows(LISTED)] == ["d" * 64]


def test_a_list_needs_a_known_column_and_a_plain_name(
    shell: CliRunner, shop: Shop, tmp_path: Path
) -> None:
    file = tmp_path / "list.csv"
    file.write_text(f"hash\n{'d' * 64}\n")
    assert isinstance(_import(shell, file).exception, LabelImportError)
    file.write_text(f"sha256\n{'d' * 64}\n")
    odd = shell.invoke(app, ["blocklist", "import", str(file), "--source", "a: b"])
    assert isinstance(odd.exception, LabelImportError)
    assert shop.rows(LISTED) == []
