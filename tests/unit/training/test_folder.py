from pathlib import Path

import pytest

from ml.errors import TrainingError
from ml.training.folder import contradictions, data_hash, list_photos
from tests.unit.training.pictures import POLICY


def test_every_file_of_a_class_is_listed_in_order_with_its_category(data: Path) -> None:
    deep = data / "violate" / "qr" / "2024" / "05"
    deep.mkdir(parents=True)
    (deep / "a.jpg").write_bytes(b"anything")
    (data / "violate" / "top.txt").write_bytes(b"anything")
    photos, beside = list_photos(data, POLICY)
    assert not beside
    assert len(photos) == 42
    assert [p.name for p in photos] == sorted(p.name for p in photos)
    found = {p.name: (p.label, p.category) for p in photos}
    assert found["normal/000.png"] == ("normal", "normal")
    assert found["violate/qr/001.png"] == ("violate", "violate/qr")
    assert found["violate/qr/2024/05/a.jpg"] == ("violate", "violate/qr")
    assert found["violate/top.txt"] == ("violate", "violate")


def test_hidden_files_are_not_photos_and_files_without_a_class_are_reported(data: Path) -> None:
    (data / ".DS_Store").touch()
    (data / "normal" / ".thumbs").mkdir()
    (data / "normal" / ".thumbs" / "a.jpg").touch()
    (data / "stray.jpg").touch()
    photos, beside = list_photos(data, POLICY)
    assert len(photos) == 40
    assert [(r.name, r.reason) for r in beside] == [("stray.jpg", "no_class")]


def test_folders_that_are_not_the_policys_classes_are_named(data: Path) -> None:
    (data / "violate").rename(data / "violation")
    with pytest.raises(TrainingError) as raised:
        list_photos(data, POLICY)
    assert "missing: violate" in str(raised.value)
    assert "unknown to the policy: violation" in str(raised.value)
    assert "rename" in str(raised.value)


def test_an_empty_class_is_named(data: Path) -> None:
    for path in (data / "normal").iterdir():
        path.unlink()
    with pytest.raises(TrainingError, match="no file for normal"):
        list_photos(data, POLICY)


def test_an_absent_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no folder"):
        list_photos(tmp_path / "gone", POLICY)


def test_the_same_bytes_in_two_classes_contradict_but_not_twice_in_one() -> None:
    assert contradictions(["a", "b", "a", "a"], ["1", "1", "2", "2"]) == {"1"}


def test_the_data_hash_depends_on_content_and_class_only() -> None:
    first = data_hash(["a", "b"], ["1", "2"])
    assert first == data_hash(["b", "a"], ["2", "1"])
    assert first != data_hash(["b", "a"], ["1", "2"])
    assert first != data_hash(["a", "b", "b"], ["1", "2", "2"])
    # printf "1 a\n2 b\n" | sha256sum
    assert first == "6bdf6e37dc327165fa4db779b911b98b6eba38852a9cd4a97cdd6be810a88357"
