"""`python -m ml blocklist`, as an operator types it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from ml.cli.main import app
from ml.core.errors import ImageRejected, LabelImportError
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
