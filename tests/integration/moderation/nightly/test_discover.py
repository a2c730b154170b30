"""Discovery commits page by page: killed anywhere and repeated, it ends as an unbroken one."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import NullPool, create_engine, text

from ml.core.settings import ROOT
from ml.moderation.nightly.discover import discover
from ml.moderation.nightly.preflight import preflight
from ml.storage.object_store import ObjectStore
from ml.storage.s3_responses import ListedObject
from tests.support.nightly_run import (
    delete_results,
    run_nightly,
    start_run,
    step_environment,
)
from tests.support.photos import photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

# Discovery in pages of two objects or commerce rows, killed before page LAST is committed.
_KILLED = """
import os, signal
from ml.core.concurrency import batched
from ml.moderation.nightly import steps
from ml.storage import run_images
from ml.storage.object_store import ObjectStore

pages, list_whole_pages, last = 0, ObjectStore.list_pages, int(os.environ["LAST"])

def list_pages(self, prefix):
    for page in list_whole_pages(self, prefix):
        yield from batched(page, 2)

def counted(work):
    def count(*args, **values):
        global pages
        result = work(*args, **values)
        pages += 1
        if pages == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return count

ObjectStore.list_pages, run_images.PAGE = list_pages, 2
run_images.Discovery.add_page = counted(run_images.Discovery.add_page)
run_images.Discovery.quarantine_absent = counted(run_images.Discovery.quarantine_absent)
steps.discover("night")
"""
_TABLES = {
    "audit_image": "object_key, etag, outcome",
    "image": "object_key, etag, state",
    "quarantine": "object_key, etag, reason",
    "audit_shard": "shard_index, first_key, last_key, images",
    "audit_run": "run_id, listed",
}
OBJECT_PAGES, ABSENT_PAGES = 3, 4


def _upload(shop: Shop) -> int:
    """Six photos, two of them without a commerce row, and three rows without a photo."""
    for number in range(6):
        shop.upload(f"{number}.jpg", photo(seed=number), row=number % 3 > 0)
    for number in range(3):
        shop.add_row(f"{shop.settings.photo_prefix}absent-{number}.jpg")
    return 9


def _dump(shop: Shop) -> dict[str, list[tuple[object, ...]]]:
    return {
        name: shop.rows(f"select {columns} from moderation.{name} order by 1, 2")  # noqa: S608 - names from above
        for name, columns in _TABLES.items()
    }


@pytest.mark.parametrize("last", [1, OBJECT_PAGES, OBJECT_PAGES + 1, OBJECT_PAGES + ABSENT_PAGES])
def test_discovery_killed_at_a_page_ends_as_an_unbroken_one(shop: Shop, last: int) -> None:
    images = _upload(shop)
    start_run(shop)
    unbroken = _dump(shop)
    assert len(unbroken["audit_image"]) == images
    delete_results(shop)
    preflight("night", shop.window, settings=shop.settings, connections=shop.connections)
    environment = step_environment(shop) | {"LAST": str(last)}
    killed = subprocess.run([sys.executable, "-c", _KILLED], cwd=ROOT, env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    written = len(shop.rows("select 1 from moderation.audit_image"))
    assert written == 2 * (last - 1) if last <= OBJECT_PAGES else 6 <= written < images
    discover("night", settings=shop.settings, connections=shop.connections)
    assert _dump(shop) == unbroken


def test_discovery_does_not_wait_for_locked_photos_that_are_settled(shop: Shop) -> None:
    shop.upload("settled.jpg", photo(seed=1))
    run_nightly(shop, "first")
    shop.upload("new.jpg", photo(seed=2))
    engine, end = shop.connections.engine, shop.window.end
    shop.execute(f"alter database {engine.url.database} set lock_timeout = '1s'")
    engine.dispose()  # the timeout is that of new connections
    with create_engine(engine.url, poolclass=NullPool).connect() as other:
        other.execute(text("select 1 from moderation.image for update"))
        window = replace(shop.window, start=end, end=end + timedelta(hours=1))
        assert [shard.images for shard in start_run(shop, "second", window)] == [1]


def test_key_listed_twice_on_a_page_and_on_two_pages_counts_once(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        shop.upload(f"{number}.jpg", photo(seed=number))
    list_pages = ObjectStore.list_pages

    def list_repeated(store: ObjectStore, prefix: str) -> Iterator[list[ListedObject]]:
        for page in list_pages(store, prefix):
            yield [*page, page[0]]
            yield page

    monkeypatch.setattr(ObjectStore, "list_pages", list_repeated)
    report = run_nightly(shop)
    assert (report["listed"], report["judged"]) == (3, 3)


def test_photo_replaced_while_it_is_listed_is_judged_as_it_is_now(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = shop.upload("photo.jpg", photo(seed=1))
    list_pages = ObjectStore.list_pages

    def list_twice(store: ObjectStore, prefix: str) -> Iterator[list[ListedObject]]:
        for page in list_pages(store, prefix):
            yield [replace(listed, etag="before") for listed in page]
            yield page

    monkeypatch.setattr(ObjectStore, "list_pages", list_twice)
    report = run_nightly(shop)
    assert (report["listed"], report["judged"]) == (1, 1)
    assert shop.status(key) == "pass"


def test_attempt_that_another_one_overtook_adds_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.upload("photo.jpg", photo(seed=1))
    parts = {"settings": shop.settings, "connections": shop.connections}
    list_pages = ObjectStore.list_pages

    def list_late(store: ObjectStore, prefix: str) -> Iterator[list[ListedObject]]:
        monkeypatch.setattr(ObjectStore, "list_pages", list_pages)
        discover("night", **parts)
        shop.upload("late.jpg", photo(seed=2))
        yield from list_pages(store, prefix)

    preflight("night", shop.window, **parts)
    monkeypatch.setattr(ObjectStore, "list_pages", list_late)
    assert [shard.images for shard in discover("night", **parts)] == [1]
    assert len(shop.rows("select 1 from moderation.audit_image")) == 1
