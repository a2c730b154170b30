import os
from collections.abc import Callable
from pathlib import Path
from threading import get_ident

import pytest
from structlog.testing import capture_logs

from ml.core.errors import (
    ModelError,
    ModelHashMismatch,
    NoChampion,
    ObjectNotFound,
    StorageFull,
)
from ml.models import registry
from ml.models.checkpoint import CARD, WEIGHTS
from ml.storage.database import connect, in_transaction
from tests.support.champion import make_champion
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def champion(shop: Shop) -> str:
    return in_transaction(shop.connections.engine, registry.champion_hash)


def history(shop: Shop) -> list[tuple[object, ...]]:
    return shop.rows(
        "select model_hash, previous_hash, promoted_by, reason from moderation.promotion "
        "order by promotion_id"
    )


def second_version(shop: Shop, folder: Path, seed: int) -> str:
    make_champion(folder, seed=seed)
    parts = shop.connections
    return registry.register(folder, engine=parts.engine, store=parts.models)


def promote(shop: Shop, model_hash: str) -> None:
    registry.promote(model_hash, engine=shop.connections.engine, by="ann", reason="better")


def test_promote_switches_the_champion_row_and_keeps_the_history(
    shop: Shop, tmp_path: Path
) -> None:
    second = second_version(shop, tmp_path / "second", seed=1)
    assert champion(shop) == shop.model_hash != second
    promote(shop, second)
    assert champion(shop) == second
    assert history(shop) == [
        (shop.model_hash, None, "test", "test"),
        (second, shop.model_hash, "ann", "better"),
    ]
    assert shop.rows("select count(*) from moderation.champion") == [(1,)]


def test_promote_twice_adds_one_entry_to_the_history(shop: Shop) -> None:
    promote(shop, shop.model_hash)
    assert len(history(shop)) == 1


def test_promote_returns_to_an_earlier_champion(shop: Shop, tmp_path: Path) -> None:
    second = second_version(shop, tmp_path / "second", seed=1)
    promote(shop, second)
    promote(shop, shop.model_hash)
    assert champion(shop) == shop.model_hash
    assert [row[:2] for row in history(shop)][-1] == (shop.model_hash, second)


def test_promote_rejects_an_unknown_version_and_changes_nothing(shop: Shop) -> None:
    with pytest.raises(ModelError, match="register it first"):
        promote(shop, "f" * 64)
    assert champion(shop) == shop.model_hash
    assert len(history(shop)) == 1


def test_register_twice_adds_one_row(shop: Shop, champion_folder: Path) -> None:
    parts = shop.connections
    again = registry.register(champion_folder, engine=parts.engine, store=parts.models)
    assert again == shop.model_hash
    assert shop.rows("select model_hash from moderation.model_version") == [(again,)]


def test_champion_hash_without_a_champion_names_the_command(database_url: str) -> None:
    engine = connect(database_url)
    with pytest.raises(NoChampion, match=r"python -m ml train .*--promote"):
        in_transaction(engine, registry.champion_hash)
    engine.dispose()


def test_fetch_reads_a_cached_version_without_the_bucket(shop: Shop, tmp_path: Path) -> None:
    store, cache = shop.connections.models, tmp_path / "cache"
    fetched = registry.fetch(shop.model_hash, store=store, cache=cache)
    assert fetched.card.model_hash == shop.model_hash
    files = sorted((cache / shop.model_hash).iterdir())
    assert [path.name for path in files] == [CARD, WEIGHTS]
    before = [path.stat().st_mtime_ns for path in files]
    registry.fetch(shop.model_hash, store=store, cache=cache)
    assert [path.stat().st_mtime_ns for path in files] == before


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: flip_last_byte(folder / WEIGHTS),
        lambda folder: (folder / WEIGHTS).unlink(),
        lambda folder: (folder / CARD).write_text("{}"),
        lambda folder: (folder / CARD).write_bytes(b"\xff\xfe\x00{"),
        lambda folder: (folder / CARD).write_bytes(b""),
        lambda folder: (folder / CARD).write_text("[" * 100_000),
        lambda folder: (folder / CARD).write_text(
            (folder / CARD).read_text().replace('"accuracy": 1.0', '"accuracy": NaN')
        ),
    ],
)
def test_fetch_replaces_a_damaged_cache_entry(
    spoil: Callable[[Path], object], shop: Shop, tmp_path: Path
) -> None:
    store, cache = shop.connections.models, tmp_path / "cache"
    wanted = registry.fetch(shop.model_hash, store=store, cache=cache)
    spoil(cache / shop.model_hash)
    with capture_logs() as logs:
        again = registry.fetch(shop.model_hash, store=store, cache=cache)
    assert again.card == wanted.card
    assert ["damaged" in line["event"] for line in logs] == [True]
    with capture_logs() as logs:
        registry.fetch(shop.model_hash, store=store, cache=cache)
    assert logs == []


def test_fetch_onto_a_full_disk_leaves_no_part_of_a_file(shop: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "cache" / shop.model_hash
    folder.mkdir(parents=True)
    for name in (WEIGHTS, CARD):  # a device on which every write fails for want of space
        (folder / f"{name}.{os.getpid()}.{get_ident()}.part").symlink_to("/dev/full")
    store, cache = shop.connections.models, tmp_path / "cache"
    with pytest.raises(StorageFull, match="free disk space"):
        registry.fetch(shop.model_hash, store=store, cache=cache)
    assert [path.name for path in folder.glob(f"{WEIGHTS}*")] == []
    (folder / f"{CARD}.{os.getpid()}.{get_ident()}.part").unlink()
    assert registry.fetch(shop.model_hash, store=store, cache=cache).card.classes


@pytest.mark.parametrize(("name", "seed"), [(WEIGHTS, 21), (CARD, 22)])
def test_a_version_tampered_with_in_the_bucket_is_refused(
    name: str, seed: int, shop: Shop, tmp_path: Path
) -> None:
    # Versions of their own: the bucket is shared with the other tests.
    version = second_version(shop, tmp_path / "version", seed)
    store, key = shop.connections.models, f"models/{version}/{name}"
    data = store.get(key)
    store.put(key, data[:-1] + b"\x00" if name == WEIGHTS else data.replace(b"0.7", b"0.5"))
    for _ in range(2):  # nor does the refused copy in the cache pass for the version later
        with pytest.raises(ModelHashMismatch):
            registry.fetch(version, store=store, cache=tmp_path / "cache")


def test_fetch_of_a_version_that_is_not_in_the_bucket_fails(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(ObjectNotFound):
        registry.fetch("e" * 64, store=shop.connections.models, cache=tmp_path)
