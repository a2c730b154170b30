"""Which photos of the ledger a list takes: a sample, each once, none that must be left out."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml.core.errors import TrainingError
from ml.core.manifest import PhotoList
from ml.core.window import Window
from ml.learning.pretraining import photo_list
from ml.learning.pretraining.photo_list import list_photos, read_list
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

WINDOW = Window(datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC))
WITHIN = datetime(2026, 9, 15, tzinfo=UTC)


def _content(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _pdq(name: str) -> str:
    """Hashes of different names differ in half of the bits."""
    return _content(f"pdq of {name}")


def _add(shop: Shop, name: str, **changes: object) -> str:
    """A judged object of the ledger; returns its content."""
    values = {
        "key": f"{name}.jpg", "size": 1000, "at": WITHIN, "state": "judged",
        "content": _content(name), "pdq": _pdq(name), "quality": 100,
    } | changes  # fmt: skip
    shop.execute(
        "insert into moderation.image (object_key, etag, size_bytes, uploaded_at, state, "
        "content_sha256, pdq, pdq_quality) "
        "values (:key, 'e', :size, :at, :state, :content, :pdq, :quality)",
        **values,
    )
    return str(values["content"])


def _list(shop: Shop, *, max_photos: int = 100, window: Window = WINDOW) -> PhotoList:
    return list_photos(
        window, max_photos=max_photos, settings=shop.settings, connections=shop.connections
    )


def _contents(listed: PhotoList) -> list[str]:
    return [photo.content_sha256 for photo in listed.photos]


def test_list_has_judged_photos_of_the_window_each_once(shop: Shop) -> None:
    taken = [_add(shop, name) for name in ("a", "b", "c")]
    _add(shop, "copy of a", content=_content("a"), at=WITHIN + timedelta(hours=1))
    _add(shop, "before", at=WINDOW.start - timedelta(seconds=1))
    _add(shop, "after", at=WINDOW.end)
    _add(shop, "broken", state="quarantined")
    _add(shop, "unseen", state="listed", content=None, pdq=None, quality=None)
    _add(shop, "large", size=shop.settings.max_image_bytes + 1)
    listed = _list(shop)
    assert _contents(listed) == sorted(taken)
    assert {p.object_key for p in listed.photos} == {"copy of a.jpg", "b.jpg", "c.jpg"}


def test_list_leaves_out_near_duplicates_but_not_photos_of_low_quality(shop: Shop) -> None:
    _add(shop, "a", pdq="0" * 64)
    _add(shop, "like a", pdq="0" * 63 + "1")
    for name in ("blank", "blank, too"):
        _add(shop, name, pdq="f" * 64, quality=0)
    found = _contents(_list(shop))
    assert {_content("blank"), _content("blank, too")} < set(found)
    assert len(found) == 3


def test_list_leaves_out_golden_photos_and_those_that_look_like_them(shop: Shop) -> None:
    for name in ("golden", "ordinary"):
        _add(shop, name)
    _add(shop, "like golden", pdq=_pdq("golden"))
    shop.execute(
        "insert into moderation.golden_set (golden_hash, name, photos, added) values "
        "('g', 'golden-2026-09', 1, 1)"
    )
    _archive(shop, "golden")
    shop.execute(
        "insert into moderation.golden_photo values ('g', :content, 'normal')",
        content=_content("golden"),
    )
    assert _contents(_list(shop)) == [_content("ordinary")]


def test_list_leaves_out_photos_whose_archived_copy_expired(shop: Shop) -> None:
    for name in ("expired", "archived"):
        _add(shop, name)
        _archive(shop, name)
    shop.execute(
        "update moderation.archived_photo set deleted_at = now() where content_sha256 = :content",
        content=_content("expired"),
    )
    assert _contents(_list(shop)) == [_content("archived")]


def _archive(shop: Shop, name: str) -> None:
    shop.execute(
        "insert into moderation.archived_photo (content_sha256, object_key, size_bytes, width, "
        "height, pdq, pdq_quality) values (:content, 'k', 1, 1, 1, :pdq, 100)",
        content=_content(name),
        pdq=_pdq(name),
    )


@pytest.fixture
def many(shop: Shop) -> set[str]:
    return {_add(shop, str(number)) for number in range(60)}


def test_sample_is_bounded_repeatable_and_another_for_another_window(
    many: set[str], shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_list, "PAGE", 7)
    first = _list(shop, max_photos=20)
    assert len(first.photos) == 20
    assert set(_contents(first)) < many
    assert _list(shop, max_photos=20).list_hash == first.list_hash
    longer = Window(WINDOW.start, WINDOW.end + timedelta(days=1))
    assert _contents(_list(shop, max_photos=20, window=longer)) != _contents(first)
    assert set(_contents(_list(shop))) == many


def test_list_stays_short_rather_than_reading_the_whole_ledger(
    many: set[str], shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(photo_list, "PAGE", 5)
    monkeypatch.setattr(photo_list, "MAX_OBJECTS_PER_PHOTO", 2)
    shop.execute("update moderation.image set state = 'quarantined'")
    assert many
    assert _list(shop, max_photos=10).photos == ()


def test_read_list_gives_the_list_and_rejects_other_files(shop: Shop, tmp_path: Path) -> None:
    _add(shop, "a")
    listed, path = _list(shop), tmp_path / "list.json"
    path.write_text(listed.to_json())
    assert read_list(path) == listed
    path.write_text("{}")
    with pytest.raises(TrainingError, match="list-photos"):
        read_list(path)
