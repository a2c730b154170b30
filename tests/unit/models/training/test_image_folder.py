from pathlib import Path

import pytest

from ml.core.errors import TrainingError
from ml.models.training.image_folder import data_hash, find_contradictions, list_photos
from tests.unit.models.training.pictures import POLICY


def test_list_photos_returns_every_file_in_order_with_its_category(data: Path) -> None:
    deep = data / "violate" / "qr" / "2024" / "05"
    deep.mkdir(parents=True)
    (deep / "a.jpg").write_bytes(b"anything")
    (data / "violate" / "top.txt").write_bytes(b"anything")
    photos, stray = list_photos(data, POLICY)
    assert not stray
    assert len(photos) == 42
    assert [p.name for p in photos] == sorted(p.name for p in photos)
    actual = {p.name: (p.label, p.category) for p in photos}
    assert actual["normal/000.png"] == ("normal", "normal")
    assert actual["violate/qr/001.png"] == ("violate", "violate/qr")
    assert actual["violate/qr/2024/05/a.jpg"] == ("violate", "violate/qr")
    assert actual["violate/top.txt"] == ("violate", "violate")


def test_list_photos_ignores_hidden_files_and_reports_stray_files(data: Path) -> None:
    (data / ".DS_Store").touch()
    (data / "normal" / ".thumbs").mkdir()
    (data / "normal" / ".thumbs" / "a.jpg").touch()
    (data / "stray.jpg").touch()
    photos, stray = list_photos(data, POLICY)
    assert len(photos) == 40
    assert [(r.name, r.reason) for r in stray] == [("stray.jpg", "no_class")]


def test_list_photos_names_folders_that_are_not_classes_of_the_policy(data: Path) -> None:
    (data / "violate").rename(data / "violation")
    with pytest.raises(TrainingError) as raised:
        list_photos(data, POLICY)
    assert "missing: violate" in str(raised.value)
    assert "unknown to the policy: violation" in str(raised.value)
    assert "rename" in str(raised.value)


def test_list_photos_names_an_empty_class(data: Path) -> None:
    for path in (data / "normal").iterdir():
        path.unlink()
    with pytest.raises(TrainingError, match="no file for normal"):
        list_photos(data, POLICY)


def test_list_photos_rejects_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no folder"):
        list_photos(tmp_path / "gone", POLICY)


def test_find_contradictions_returns_bytes_in_two_classes_only() -> None:
    assert find_contradictions(["a", "b", "a", "a"], ["1", "1", "2", "2"]) == {"1"}


def test_data_hash_depends_only_on_contents_and_classes() -> None:
    first = data_hash(["a", "b"], ["1", "2"])
    assert first == data_hash(["b", "a"], ["2", "1"])
    assert first != data_hash(["b", "a"], ["1", "2"])
    assert first != data_hash(["a", "b", "b"], ["1", "2", "2"])
    # printf "1 a\n2 b\n" | sha256sum
    assert first == "6bdf6e37dc327165fa4db779b911b98b6eba38852a9cd4a97cdd6be810a88357"
