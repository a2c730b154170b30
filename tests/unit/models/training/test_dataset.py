import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ml.core.errors import TrainingError
from ml.models.training.dataset import Dataset, open_dataset, open_photos, split
from ml.models.training.image_folder import Photo
from ml.vision.images.decode import DecodeLimits
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


@settings(deadline=None, max_examples=40)
@given(
    groups=st.lists(st.integers(0, 60), min_size=60, max_size=150),
    seed=st.integers(0, 2**31),
    share=st.sampled_from([0.1, 0.2, 0.5]),
)
def test_split_assigns_each_photo_once_and_divides_no_group(
    groups: list[int], seed: int, share: float
) -> None:
    groups = [*groups, *range(100, 140)]  # enough unlike photos of both classes
    labels = ["violate" if g % 4 == 0 else "normal" for g in groups]
    train, validation = split(labels, labels, groups, share=share, seed=seed)
    assert sorted([*train, *validation]) == list(range(len(groups)))
    assert not {groups[i] for i in train} & {groups[i] for i in validation}
    for side in (train, validation):
        assert {labels[i] for i in side} == {"normal", "violate"}


def test_split_preserves_the_shares_of_classes_and_categories() -> None:
    labels = ["normal"] * 800 + ["violate"] * 200
    categories = [""] * 800 + ["qr"] * 150 + ["weapon"] * 50
    _, validation = split(labels, categories, list(range(1000)), share=0.2, seed=0)
    actual = Counter((labels[i], categories[i]) for i in validation)
    assert actual == {("normal", ""): 160, ("violate", "qr"): 30, ("violate", "weapon"): 10}


def test_split_merges_a_rare_category_into_its_class() -> None:
    labels = ["normal"] * 80 + ["violate"] * 20
    categories = [""] * 80 + ["qr"] * 18 + ["odd", "one"]
    _, validation = split(labels, categories, list(range(100)), share=0.2, seed=0)
    assert Counter(labels[i] for i in validation) == {"normal": 16, "violate": 4}


def test_split_is_determined_by_the_seed() -> None:
    labels = ["normal", "violate"] * 50
    first, again, other = (
        split(labels, labels, list(range(100)), share=0.2, seed=s)[1] for s in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_split_rejects_a_class_with_too_few_distinct_photos() -> None:
    labels = ["normal"] * 50 + ["violate"] * 50
    groups = [*range(50), *([99] * 46), 100, 101, 102, 103]
    split(labels, labels, groups, share=0.2, seed=0)  # 5 unlike ones are just enough
    with pytest.raises(TrainingError, match=r"`violate` has 4 photos.*at least 5"):
        split(labels, labels, [min(g, 102) for g in groups], share=0.2, seed=0)
