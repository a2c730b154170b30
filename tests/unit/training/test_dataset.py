import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.errors import TrainingError
from ml.images.decode import DecodeLimits
from ml.images.preprocess import prepare
from ml.training.dataset import Dataset, open_dataset, open_photos
from ml.training.folder import Photo
from tests.unit.training.pictures import POLICY, SPEC


def _open(data: Path, tmp_path: Path) -> Dataset:
    with open_dataset(
        data, policy=POLICY, spec=SPEC, limits=DecodeLimits(), scratch=tmp_path
    ) as dataset:
        return dataset


def test_classes_targets_and_categories(data: Path, tmp_path: Path) -> None:
    dataset = _open(data, tmp_path)
    assert dataset.classes == ("normal", "violate")
    assert dataset.targets.tolist() == [0] * 20 + [1] * 20
    assert dataset.categories == ["normal"] * 20 + ["violate/qr"] * 10 + ["violate/weapon"] * 10


def test_equal_bytes_and_near_identical_photos_share_a_group(data: Path, tmp_path: Path) -> None:
    shutil.copy(data / "normal" / "000.png", data / "normal" / "copy.png")
    blocks = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize((256, 256))
    image.save(data / "normal" / "large.png")
    image.resize((200, 200)).save(data / "normal" / "small.jpg", quality=90)
    for name in ("blank1.png", "blank2.png"):  # PDQ has no opinion on these
        Image.new("RGB", (50, 50), "white").save(data / "normal" / name)
    dataset = _open(data, tmp_path)
    group = {
        s.photo.path.name: g
        for s, g in zip(dataset.scanned, dataset.groups, strict=True)
        if s.photo.label == "normal"
    }
    assert group["copy.png"] == group["000.png"]
    assert group["small.jpg"] == group["large.png"]
    assert group["blank1.png"] == group["blank2.png"]
    assert len(set(group.values())) == len(group) - 3


def test_the_same_bytes_in_two_classes_are_all_left_out(data: Path, tmp_path: Path) -> None:
    shutil.copy(data / "normal" / "000.png", data / "violate" / "qr" / "other.png")
    dataset = _open(data, tmp_path)
    assert len(dataset.scanned) == 39
    assert [(r.name, r.reason) for r in dataset.rejected] == [
        ("normal/000.png", "contradiction"),
        ("violate/qr/other.png", "contradiction"),
    ]


def test_the_hash_follows_the_photos(data: Path, tmp_path: Path) -> None:
    first = _open(data, tmp_path).hash
    (data / "normal" / "000.png").rename(data / "normal" / "renamed.png")
    assert _open(data, tmp_path).hash == first
    (data / "normal" / "renamed.png").unlink()
    assert _open(data, tmp_path).hash != first


def test_too_few_usable_photos_say_what_was_left_out(data: Path, tmp_path: Path) -> None:
    for number in range(11):
        (data / "normal" / f"{number:03}.png").write_bytes(b"broken")
    with pytest.raises(TrainingError, match=r"`normal` has 9 .* at least 10 .*11 not_an_image"):
        _open(data, tmp_path)


def test_validation_photos_are_prepared_as_the_audit_does(data: Path, tmp_path: Path) -> None:
    with open_dataset(
        data, policy=POLICY, spec=SPEC, limits=DecodeLimits(), scratch=tmp_path
    ) as dataset:
        batch = dataset.prepared([0, 39])
        with Image.open(dataset.scanned[39].photo.path) as image:
            expected = prepare(image.convert("RGB"), SPEC)
    assert batch.shape == (2, 3, 32, 32)
    assert (batch[1].numpy() == expected).all()


def test_a_list_of_photos_is_read_like_a_folder(data: Path, tmp_path: Path) -> None:
    files = sorted((data / "violate" / "qr").iterdir())[:2]
    photos = [Photo(file, f"violate/{number}", "violate") for number, file in enumerate(files)]
    photos.append(Photo(data / "gone.png", "normal/gone", "normal"))
    with open_photos(
        photos,
        [],
        classes=("violate", "normal"),
        spec=SPEC,
        limits=DecodeLimits(),
        scratch=tmp_path,
    ) as dataset:
        assert dataset.classes == ("normal", "violate")
        assert dataset.targets.tolist() == [1, 1]
        assert [(r.name, r.reason) for r in dataset.rejected] == [("normal/gone", "unreadable")]
        assert dataset.photo(1).shape[0] == 3
