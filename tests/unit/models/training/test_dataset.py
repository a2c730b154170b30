import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.core.errors import TrainingError
from ml.models.training.dataset import Dataset, open_dataset, open_photos
from ml.models.training.image_folder import Photo
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import prepare
from tests.unit.models.training.pictures import POLICY, SPEC


def _open(data: Path, tmp_path: Path) -> Dataset:
    with open_dataset(
        data, policy=POLICY, spec=SPEC, limits=DecodeLimits(), scratch=tmp_path
    ) as dataset:
        return dataset


def test_open_dataset_reads_classes_targets_and_categories(data: Path, tmp_path: Path) -> None:
    dataset = _open(data, tmp_path)
    assert dataset.classes == ("normal", "violate")
    assert dataset.targets.tolist() == [0] * 20 + [1] * 20
    assert dataset.categories == ["normal"] * 20 + ["violate/qr"] * 10 + ["violate/weapon"] * 10


def test_dataset_groups_equal_bytes_and_near_duplicates(data: Path, tmp_path: Path) -> None:
    shutil.copy(data / "normal" / "000.png", data / "normal" / "copy.png")
    blocks = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    image = Image.fromarray(blocks).resize((256, 256))
    image.save(data / "normal" / "large.png")
    image.resize((200, 200)).save(data / "normal" / "small.jpg", quality=90)
    for name in ("blank1.png", "blank2.png"):  # PDQ has no opinion on these
        Image.new("RGB", (50, 50), "white").save(data / "normal" / name)
    dataset = _open(data, tmp_path)
    group = {
        s.file.path.name: g
        for s, g in zip(dataset.photos, dataset.groups, strict=True)
        if s.file.label == "normal"
    }
    assert group["copy.png"] == group["000.png"]
    assert group["small.jpg"] == group["large.png"]
    assert group["blank1.png"] == group["blank2.png"]
    assert len(set(group.values())) == len(group) - 3


def test_open_dataset_skips_equal_bytes_in_two_classes(data: Path, tmp_path: Path) -> None:
    shutil.copy(data / "normal" / "000.png", data / "violate" / "qr" / "other.png")
    dataset = _open(data, tmp_path)
    assert len(dataset.photos) == 39
    assert [(r.name, r.reason) for r in dataset.skipped] == [
        ("normal/000.png", "contradiction"),
        ("violate/qr/other.png", "contradiction"),
    ]


def test_dataset_hash_changes_with_the_photos_but_not_with_their_names(
    data: Path, tmp_path: Path
) -> None:
    first = _open(data, tmp_path).hash
    (data / "normal" / "000.png").rename(data / "normal" / "renamed.png")
    assert _open(data, tmp_path).hash == first
    (data / "normal" / "renamed.png").unlink()
    assert _open(data, tmp_path).hash != first


def test_open_dataset_with_too_few_usable_photos_reports_the_skipped_files(
    data: Path, tmp_path: Path
) -> None:
    for number in range(11):
        (data / "normal" / f"{number:03}.png").write_bytes(b"broken")
    with pytest.raises(TrainingError, match=r"`normal` has 9 .* at least 10 .*11 not_an_image"):
        _open(data, tmp_path)


def test_dataset_load_prepared_equals_the_preprocessing_of_the_nightly_run(
    data: Path, tmp_path: Path
) -> None:
    with open_dataset(
        data, policy=POLICY, spec=SPEC, limits=DecodeLimits(), scratch=tmp_path
    ) as dataset:
        batch = dataset.load_prepared([0, 39])
        with Image.open(dataset.photos[39].file.path) as image:
            expected = prepare(image.convert("RGB"), SPEC)
    assert batch.shape == (2, 3, 32, 32)
    assert (batch[1].numpy() == expected).all()


def test_open_photos_reads_a_list_of_files(data: Path, tmp_path: Path) -> None:
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
        assert [(r.name, r.reason) for r in dataset.skipped] == [("normal/gone", "unreadable")]
        assert dataset.load(1).shape[0] == 3
