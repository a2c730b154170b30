from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.core.errors import QuarantineReason, TrainingError
from ml.models.training.image_folder import (
    Photo,
    PixelFile,
    cache_photos,
    data_hash,
    find_contradictions,
    list_photos,
)
from ml.vision.images.decode import decode
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from ml.vision.images.open_photo import DecodeLimits
from ml.vision.images.preprocess import prepare, resize
from tests.unit.models.training.pictures import POLICY, SPEC, noise

_LIMITS = DecodeLimits()


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


def _photos(folder: Path, *sizes: tuple[int, int]) -> list[Photo]:
    photos = []
    for number, size in enumerate(sizes):
        path = folder / f"{number}.png"
        noise(number, 0, size).save(path)
        photos.append(Photo(path, path.name, "normal"))
    return photos


@pytest.mark.parametrize("size", [(60, 48), (48, 61), (40, 40), (37, 111), (300, 100)])
def test_cached_photo_prepares_like_the_original(size: tuple[int, int], tmp_path: Path) -> None:
    pixels = PixelFile(tmp_path)
    (scanned,), rejected = cache_photos(_photos(tmp_path, size), pixels, spec=SPEC, limits=_LIMITS)
    assert not rejected
    data = (tmp_path / "0.png").read_bytes()
    original = decode(data, limits=_LIMITS, short_side=SPEC.resize).image
    kept = Image.fromarray(pixels.array(scanned))
    assert min(kept.size) == SPEC.resize
    assert max(kept.size) == 40 * max(size) // min(size)
    assert np.array_equal(prepare(kept, SPEC), prepare(original, SPEC))
    pixels.close()


@pytest.mark.parametrize("size", [(60, 48), (48, 61), (40, 40), (37, 111)])
@pytest.mark.parametrize("crop", [32, 40])
def test_squashed_cached_photo_is_a_square_that_prepares_like_the_original(
    size: tuple[int, int], crop: int, tmp_path: Path
) -> None:
    spec = SPEC.model_copy(update={"fit": "squash", "crop": crop})
    pixels = PixelFile(tmp_path)
    (scanned,), _ = cache_photos(_photos(tmp_path, size), pixels, spec=spec, limits=_LIMITS)
    data = (tmp_path / "0.png").read_bytes()
    original = decode(data, limits=_LIMITS, short_side=spec.resize).image
    kept = Image.fromarray(pixels.array(scanned))
    assert kept.size == (spec.resize, spec.resize)
    assert np.array_equal(prepare(kept, spec), prepare(original, spec))
    pixels.close()


def test_cache_photos_preserves_the_order_and_stores_fingerprints(tmp_path: Path) -> None:
    sizes = [(50 + n % 7, 45 + n % 5) for n in range(150)]  # more than are decoded ahead
    photos = _photos(tmp_path, *sizes)
    pixels, ticks = PixelFile(tmp_path), []

    def record(done: int, total: int) -> None:
        ticks.append((done, total))

    scanned, _ = cache_photos(photos, pixels, spec=SPEC, limits=_LIMITS, on_decoded=record)
    assert [s.file for s in scanned] == photos
    assert ticks == [(number, 150) for number in range(1, 151)]
    for number in (0, 70, 149):
        image = noise(number, 0, sizes[number])
        kept = pixels.tensor(scanned[number]).permute(1, 2, 0).numpy()
        assert np.array_equal(kept, np.asarray(resize(image, SPEC)))
        assert scanned[number].content_hash == content_hash(photos[number].path.read_bytes())
        actual = (scanned[number].perceptual_hash, scanned[number].quality)
        assert actual == perceptual_hash(image)
    pixels.close()


def test_cache_photos_reports_undecodable_and_unreadable_files_with_their_reason(
    tmp_path: Path,
) -> None:
    photos = _photos(tmp_path, (60, 48))
    for name, data in (("text.jpg", b"no photo"), ("empty.png", b"")):
        (tmp_path / name).write_bytes(data)
        photos.append(Photo(tmp_path / name, name, "normal"))
    photos.append(Photo(tmp_path / "gone.png", "gone.png", "normal"))
    pixels = PixelFile(tmp_path)
    scanned, rejected = cache_photos(photos, pixels, spec=SPEC, limits=_LIMITS)
    assert [s.file.name for s in scanned] == ["0.png"]
    assert [(r.name, r.reason) for r in rejected] == [
        ("text.jpg", QuarantineReason.NOT_AN_IMAGE.value),
        ("empty.png", QuarantineReason.EMPTY.value),
        ("gone.png", "unreadable"),
    ]
    pixels.close()


@pytest.mark.parametrize("kind", ["animation", "transparent", "strip"])
def test_photo_of_several_views_is_left_out(kind: str, tmp_path: Path) -> None:
    """Its label may be about any of them."""
    picture = noise(0, 0, (60, 48) if kind != "strip" else (37, 112))
    if kind == "transparent":
        picture.putalpha(100)
    others = [noise(1, 0, (60, 48))] if kind == "animation" else []
    picture.save(tmp_path / "a.png", save_all=bool(others), append_images=others)
    photos = [Photo(tmp_path / "a.png", "a.png", "normal")]
    pixels = PixelFile(tmp_path)
    scanned, rejected = cache_photos(photos, pixels, spec=SPEC, limits=_LIMITS)
    assert (scanned, [each.reason for each in rejected]) == ([], ["several_views"])
    pixels.close()


def test_cache_photos_does_not_read_all_of_a_file_over_the_size_limit(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.truncate(2**40)  # a terabyte of nothing, without a byte on the disk
    pixels = PixelFile(tmp_path)
    photos = [Photo(path, path.name, "normal")]
    _, (rejected,) = cache_photos(photos, pixels, spec=SPEC, limits=_LIMITS)
    assert rejected.reason == QuarantineReason.TOO_MANY_BYTES.value
    pixels.close()


def test_pixel_file_has_no_name_in_its_folder(tmp_path: Path) -> None:
    pixels = PixelFile(tmp_path)
    pixels.append(np.zeros((4, 4, 3), dtype=np.uint8))
    assert not list(tmp_path.iterdir())
    pixels.close()
