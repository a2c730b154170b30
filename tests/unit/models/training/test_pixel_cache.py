from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ml.core.errors import QuarantineReason
from ml.models.training.image_folder import Photo
from ml.models.training.pixel_cache import PixelFile, cache_photos, resize_short_side
from ml.vision.images.decode import DecodeLimits, decode
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from ml.vision.images.preprocess import prepare
from tests.unit.models.training.pictures import SPEC, noise

_LIMITS = DecodeLimits()


def _photos(folder: Path, *sizes: tuple[int, int]) -> list[Photo]:
    photos = []
    for number, size in enumerate(sizes):
        path = folder / f"{number}.png"
        noise(number, 0, size).save(path)
        photos.append(Photo(path, path.name, "normal"))
    return photos


@pytest.mark.parametrize("size", [(60, 48), (48, 61), (40, 40), (37, 400), (33, 900), (2000, 100)])
def test_cached_photo_prepares_like_the_original(size: tuple[int, int], tmp_path: Path) -> None:
    pixels = PixelFile(tmp_path)
    (scanned,), rejected = cache_photos(_photos(tmp_path, size), pixels, spec=SPEC, limits=_LIMITS)
    assert not rejected
    data = (tmp_path / "0.png").read_bytes()
    original = decode(data, limits=_LIMITS, short_side=SPEC.resize).image
    kept = Image.fromarray(pixels.array(scanned))
    assert min(kept.size) == SPEC.resize
    assert max(kept.size) == min(400, 40 * max(size) // min(size))  # the whole aspect, to 10:1
    assert np.array_equal(prepare(kept, SPEC), prepare(original, SPEC))
    pixels.close()


def test_cache_photos_preserves_the_order_and_stores_fingerprints(tmp_path: Path) -> None:
    sizes = [(50 + n % 7, 45 + n % 5) for n in range(150)]  # more than two chunks
    photos = _photos(tmp_path, *sizes)
    pixels, ticks = PixelFile(tmp_path), []
    scanned, _ = cache_photos(photos, pixels, spec=SPEC, limits=_LIMITS, on_decoded=ticks.append)
    assert [s.file for s in scanned] == photos
    assert ticks == list(range(1, 151))
    for number in (0, 70, 149):
        image = noise(number, 0, sizes[number])
        kept = pixels.tensor(scanned[number]).permute(1, 2, 0).numpy()
        assert np.array_equal(kept, resize_short_side(image, SPEC))
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
