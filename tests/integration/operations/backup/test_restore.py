"""Dump, wipe, restore: then identity, queue, champion and replay hold as before."""

import subprocess
from pathlib import Path

import pytest

from ml.core.errors import BackupError, StorageError
from ml.models import registry
from ml.moderation.nightly.reconcile import reconcile
from ml.moderation.nightly.replay import replay
from ml.operations.backup.create import take_backup
from ml.operations.backup.restore import restore_backup
from ml.review.queue import claim_tasks
from ml.storage.database import in_transaction
from ml.vision.images.fingerprint import content_hash
from tests.support.backdated_rows import dump_database
from tests.support.labelled_photos import archive_photo, label_photos
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@pytest.fixture
def lived(own: Shop) -> Shop:
    """A night with all outcomes, a label with its photo, and a champion."""
    for n in range(3):
        own.upload(f"bright{n}.jpg", photo(BRIGHT, seed=n))
        own.upload(f"dark{n}.jpg", photo(DARK, seed=n))
    own.upload("broken.jpg", b"no photo")
    run_nightly(own)
    label_photos(own, [archive_photo(own, photo(seed=7))], "normal")
    return own


def _wipe(shop: Shop) -> None:
    """Lose database and bucket."""
    shop.execute("drop schema moderation cascade")
    _empty(shop)


def _empty(shop: Shop) -> None:
    store = shop.connections.models
    store.delete_many([file.key for page in list(store.list_pages("")) for file in page])


def _without_times(state: dict[str, object]) -> dict[str, object]:
    """The bucket's own times are those of the restore."""
    bucket = state.pop("bucket")
    return state | {"bucket": [(key, etag) for key, etag, _ in bucket]}  # type: ignore[attr-defined]  # a list of triples


def test_after_a_restore_all_is_as_it_was(lived: Shop, tmp_path: Path) -> None:
    parts = {"settings": lived.settings, "connections": lived.connections}
    before = _without_times(dump_database(lived))
    account, judged = reconcile("night", **parts), replay("night", **parts)
    before = _without_times(dump_database(lived))
    manifest = take_backup(tmp_path / "backup", lived.connections)
    _wipe(lived)
    assert dump_database(lived) == {"bucket": []}
    assert restore_backup(tmp_path / "backup", lived.connections) == manifest
    assert _without_times(dump_database(lived)) == before
    assert manifest.champion == lived.model_hash
    # The identity, the queue, the champion and a replay.
    assert reconcile("night", **parts) == account
    assert (account.listed, account.judged, account.quarantined) == (7, 6, 1)
    assert _claimed(lived) == 3
    engine = lived.connections.engine
    assert in_transaction(engine, registry.champion_hash) == lived.model_hash
    assert replay("night", **parts) == judged
    assert judged.equal == 6


def _claimed(shop: Shop) -> int:
    parts = shop.connections
    given = in_transaction(
        parts.engine,
        lambda c: claim_tasks(
            c, reviewer="ann", count=9, lease_seconds=60, commerce=parts.commerce
        ),
    )
    return len(given)


def test_what_the_database_protects_is_still_protected(lived: Shop, tmp_path: Path) -> None:
    take_backup(tmp_path / "backup", lived.connections)
    _wipe(lived)
    restore_backup(tmp_path / "backup", lived.connections)
    with pytest.raises(Exception, match="its rows are history"):
        lived.execute("delete from moderation.human_label")
    run_nightly(lived, "next")  # numbers go on where they were, and nights go on
    label_photos(lived, [content_hash(photo(seed=7))], "violate", reviewer="bea")


def test_the_folder_is_private_and_checkable_by_anyone(lived: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    manifest = take_backup(folder, lived.connections)
    assert folder.stat().st_mode & 0o777 == 0o700
    checked = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=False
    )
    assert checked.returncode == 0
    assert len((folder / "SHA256SUMS").read_text().splitlines()) == manifest.objects + 1


def test_a_folder_that_holds_something_is_refused(lived: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackupError, match="is not empty"):
        take_backup(tmp_path, lived.connections)
    with pytest.raises(BackupError, match="holds no complete backup"):
        restore_backup(tmp_path, lived.connections)


def test_a_backup_without_what_the_database_names_is_none(lived: Shop, tmp_path: Path) -> None:
    lived.connections.models.delete(f"labelled/{content_hash(photo(seed=7))}")
    with pytest.raises(BackupError, match="1 objects that the database names"):
        take_backup(tmp_path / "backup", lived.connections)
    assert not (tmp_path / "backup" / "backup.json").exists()


def test_nothing_is_written_over(lived: Shop, tmp_path: Path) -> None:
    take_backup(tmp_path / "backup", lived.connections)
    before = dump_database(lived)
    with pytest.raises(BackupError, match="nothing is written over"):
        restore_backup(tmp_path / "backup", lived.connections)
    assert dump_database(lived) == before


@pytest.mark.parametrize("file", ["schema.dump", "objects/labelled"])
def test_a_damaged_backup_restores_no_row(lived: Shop, tmp_path: Path, file: str) -> None:
    folder = tmp_path / "backup"
    take_backup(folder, lived.connections)
    path = folder / file
    path = path if path.is_file() else next(path.iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    _wipe(lived)
    with pytest.raises(BackupError, match="is damaged"):
        restore_backup(folder, lived.connections)
    assert dump_database(lived).keys() == {"bucket"}


def test_a_killed_restore_can_be_run_again(lived: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    take_backup(folder, lived.connections)
    before = _without_times(dump_database(lived))
    _wipe(lived)
    kept = next((folder / "objects" / "labelled").iterdir())
    lived.connections.models.put(f"labelled/{kept.name}", kept.read_bytes())
    restore_backup(folder, lived.connections)
    assert _without_times(dump_database(lived)) == before


def test_a_schema_made_by_an_administrator_is_filled(lived: Shop, tmp_path: Path) -> None:
    take_backup(tmp_path / "backup", lived.connections)
    _wipe(lived)
    lived.execute("create schema moderation")
    restore_backup(tmp_path / "backup", lived.connections)
    assert len(lived.rows("select 1 from moderation.verdict")) == 6


def test_a_backup_of_another_revision_is_restored_and_says_what_comes_next(
    lived: Shop, tmp_path: Path
) -> None:
    take_backup(tmp_path / "backup", lived.connections)
    _wipe(lived)
    restore_backup(tmp_path / "backup", lived.connections)
    lived.execute(
        "update moderation.alembic_version set version_num = '0000' where version_num = '0001'"
    )
    with pytest.raises(StorageError, match="ml migrate"):
        take_backup(tmp_path / "later", lived.connections)
