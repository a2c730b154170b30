"""A restored backup has the same rows and objects; accounting, queue and replay work on it."""

import subprocess
from pathlib import Path

import pytest

from ml.core.errors import BackupError, StorageError
from ml.models import registry
from ml.moderation.nightly.reconcile import reconcile
from ml.moderation.nightly.replay import replay
from ml.operations.backup.backup import restore_backup, take_backup
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
def deployment(own: Shop) -> Shop:
    """A nightly run with all outcomes, a label with its photo, and a champion."""
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


def test_restored_database_and_bucket_are_the_same(deployment: Shop, tmp_path: Path) -> None:
    parts = {"settings": deployment.settings, "connections": deployment.connections}
    before = _without_times(dump_database(deployment))
    account, judged = reconcile("night", **parts), replay("night", **parts)
    before = _without_times(dump_database(deployment))
    manifest = take_backup(tmp_path / "backup", deployment.connections)
    _wipe(deployment)
    assert dump_database(deployment) == {"bucket": []}
    assert restore_backup(tmp_path / "backup", deployment.connections) == manifest
    assert _without_times(dump_database(deployment)) == before
    assert manifest.champion == deployment.model_hash
    # The identity, the queue, the champion and a replay.
    assert reconcile("night", **parts) == account
    assert (account.listed, account.judged, account.quarantined) == (7, 6, 1)
    assert _claimed(deployment) == 3
    engine = deployment.connections.engine
    assert in_transaction(engine, registry.champion_hash) == deployment.model_hash
    assert replay("night", **parts) == judged
    assert judged.equal == 6


def _claimed(shop: Shop) -> int:
    parts = shop.connections
    claimed = in_transaction(
        parts.engine,
        lambda c: claim_tasks(
            c, reviewer="ann", count=9, lease_seconds=60, commerce=parts.commerce
        ),
    )
    return len(claimed)


def test_restored_database_still_protects_history(deployment: Shop, tmp_path: Path) -> None:
    take_backup(tmp_path / "backup", deployment.connections)
    _wipe(deployment)
    restore_backup(tmp_path / "backup", deployment.connections)
    with pytest.raises(Exception, match="its rows are history"):
        deployment.execute("delete from moderation.human_label")
    run_nightly(deployment, "next")  # sequences continue
    label_photos(deployment, [content_hash(photo(seed=7))], "violate", reviewer="bea")


def test_folder_is_private_and_its_checksums_hold(deployment: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    manifest = take_backup(folder, deployment.connections)
    assert folder.stat().st_mode & 0o777 == 0o700
    checked = subprocess.run(
        ["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=False
    )
    assert checked.returncode == 0
    assert len((folder / "SHA256SUMS").read_text().splitlines()) == manifest.objects + 1


def test_folder_that_is_not_empty_is_rejected(deployment: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackupError, match="is not empty"):
        take_backup(tmp_path, deployment.connections)
    with pytest.raises(BackupError, match="holds no complete backup"):
        restore_backup(tmp_path, deployment.connections)


def test_backup_without_a_named_object_is_not_complete(deployment: Shop, tmp_path: Path) -> None:
    deployment.connections.models.delete(f"labelled/{content_hash(photo(seed=7))}")
    with pytest.raises(BackupError, match="1 objects that the database names"):
        take_backup(tmp_path / "backup", deployment.connections)
    assert not (tmp_path / "backup" / "backup.json").exists()


def test_restore_overwrites_nothing(deployment: Shop, tmp_path: Path) -> None:
    take_backup(tmp_path / "backup", deployment.connections)
    before = dump_database(deployment)
    with pytest.raises(BackupError, match="nothing is written over"):
        restore_backup(tmp_path / "backup", deployment.connections)
    assert dump_database(deployment) == before


@pytest.mark.parametrize("file", ["schema.dump", "objects/labelled"])
def test_damaged_backup_restores_no_row(deployment: Shop, tmp_path: Path, file: str) -> None:
    folder = tmp_path / "backup"
    take_backup(folder, deployment.connections)
    path = folder / file
    path = path if path.is_file() else next(path.iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    _wipe(deployment)
    with pytest.raises(BackupError, match="is damaged"):
        restore_backup(folder, deployment.connections)
    assert dump_database(deployment).keys() == {"bucket"}


def test_killed_restore_can_be_run_again(deployment: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    take_backup(folder, deployment.connections)
    before = _without_times(dump_database(deployment))
    _wipe(deployment)
    kept = next((folder / "objects" / "labelled").iterdir())
    deployment.connections.models.put(f"labelled/{kept.name}", kept.read_bytes())
    restore_backup(folder, deployment.connections)
    assert _without_times(dump_database(deployment)) == before


def test_empty_schema_of_an_administrator_is_filled(deployment: Shop, tmp_path: Path) -> None:
    take_backup(tmp_path / "backup", deployment.connections)
    _wipe(deployment)
    deployment.execute("create schema moderation")
    restore_backup(tmp_path / "backup", deployment.connections)
    assert len(deployment.rows("select 1 from moderation.verdict")) == 6


def test_backup_of_another_revision_names_the_migration(deployment: Shop, tmp_path: Path) -> None:
    take_backup(tmp_path / "backup", deployment.connections)
    _wipe(deployment)
    restore_backup(tmp_path / "backup", deployment.connections)
    deployment.execute(
        "update moderation.alembic_version set version_num = '0000' "
        "where version_num = (select max(version_num) from moderation.alembic_version)"
    )
    with pytest.raises(StorageError, match="ml migrate"):
        take_backup(tmp_path / "later", deployment.connections)
