import pytest
from PIL import Image

from ml.vision.images.decode import decode
from ml.vision.images.fingerprint import (
    MIN_QUALITY,
    NEAR_DUPLICATE_DISTANCE,
    TURNS,
    content_hash,
    perceptual_hash,
    turned_hashes,
)
from ml.vision.images.open_photo import DecodeLimits
from tests.support.hamming import hamming
from tests.unit.vision.images.pictures import encoded, photo


def test_content_hash_is_sha256() -> None:
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert content_hash(b"abc") == expected


def test_perceptual_hash_has_256_bits_and_a_quality_up_to_100() -> None:
    value, quality = perceptual_hash(photo())
    assert len(bytes.fromhex(value)) == 32
    assert value == value.lower()
    assert MIN_QUALITY < quality <= 100


@pytest.mark.parametrize("size", [(1600, 1200), (640, 480), (160, 120), (64, 48)])
def test_perceptual_hash_is_stable_across_scales(size: tuple[int, int]) -> None:
    reference, _ = perceptual_hash(photo(1600, 1200))
    resized = photo(1600, 1200).resize(size, Image.Resampling.BICUBIC)
    assert hamming(perceptual_hash(resized)[0], reference) <= NEAR_DUPLICATE_DISTANCE // 2


def test_reduced_decode_and_recompression_are_near_duplicates() -> None:
    original = encoded(photo(1600, 1200), "JPEG", quality=95)
    saved_again = encoded(photo(1600, 1200).resize((800, 600)), "JPEG", quality=40)
    full = decode(original, limits=DecodeLimits()).image
    reduced = decode(saved_again, limits=DecodeLimits(), short_side=100).image
    distance = hamming(perceptual_hash(full)[0], perceptual_hash(reduced)[0])
    assert distance <= NEAR_DUPLICATE_DISTANCE


def test_perceptual_hashes_of_other_photos_are_far_apart() -> None:
    hashes = [perceptual_hash(photo(seed=seed))[0] for seed in range(12)]
    pairs = [hamming(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]
    assert min(pairs) > NEAR_DUPLICATE_DISTANCE


def test_perceptual_hash_of_a_flat_picture_has_quality_zero() -> None:
    assert perceptual_hash(Image.new("RGB", (300, 200), (90, 120, 30)))[1] <= MIN_QUALITY


@pytest.mark.parametrize(
    ("transpose", "name"),
    [
        (Image.Transpose.FLIP_LEFT_RIGHT, "mirrored"),
        (Image.Transpose.FLIP_TOP_BOTTOM, "mirrored_turned"),
        (Image.Transpose.ROTATE_90, "turned"),
        (Image.Transpose.ROTATE_180, "turned"),
        (Image.Transpose.ROTATE_270, "turned"),
        (Image.Transpose.TRANSPOSE, "mirrored_turned"),
        (Image.Transpose.TRANSVERSE, "mirrored_turned"),
    ],
)
def test_hash_of_each_other_orientation_is_derived(transpose: Image.Transpose, name: str) -> None:
    for seed in range(5):
        picture = photo(seed=seed)
        asked, _ = perceptual_hash(picture.transpose(transpose))
        original, _ = perceptual_hash(picture)
        bits = [hamming(row.tobytes().hex(), original) for row in turned_hashes(asked)]
        nearest = min(range(7), key=bits.__getitem__)
        assert (TURNS[nearest], bits[nearest] <= NEAR_DUPLICATE_DISTANCE) == (name, True)
        assert sorted(bits)[1] > NEAR_DUPLICATE_DISTANCE
