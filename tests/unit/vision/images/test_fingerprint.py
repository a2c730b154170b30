import time

import numpy as np
import pytest
from PIL import Image

from ml.vision.images.decode import DecodeLimits, decode
from ml.vision.images.fingerprint import (
    MIN_QUALITY,
    NEAR_DUPLICATE_DISTANCE,
    content_hash,
    near_duplicate_groups,
    perceptual_hash,
)
from tests.support.hamming import hamming
from tests.unit.vision.images.pictures import encoded, photo

ZERO = "0" * 64


def with_bits(*bits: int) -> str:
    return f"{sum(1 << bit for bit in bits):064x}"


def first(n: int) -> str:
    """A hash whose lowest n bits are set."""
    return with_bits(*range(n))


def test_content_hash_is_sha256() -> None:
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
    assert content_hash(b"abc") == expected


# --- perceptual hash


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


# --- groups


def test_near_duplicate_groups_include_pairs_at_the_distance_only() -> None:
    assert near_duplicate_groups([ZERO, first(31)], [100, 100]) == [0, 0]
    assert near_duplicate_groups([ZERO, first(32)], [100, 100]) == [0, 1]
    assert near_duplicate_groups([ZERO, first(3)], [100, 100], distance=2) == [0, 1]


def test_near_duplicate_groups_join_chains_in_order() -> None:
    far = first(256)
    hashes = [far, ZERO, first(60), first(30), far]
    assert near_duplicate_groups(hashes, [100] * 5) == [0, 1, 1, 1, 0]


def test_near_duplicate_groups_separate_low_quality_hashes() -> None:
    qualities = [MIN_QUALITY, MIN_QUALITY, MIN_QUALITY + 1, MIN_QUALITY + 1]
    assert near_duplicate_groups([ZERO] * 4, qualities) == [0, 1, 2, 2]


def test_near_duplicate_groups_of_no_usable_hashes() -> None:
    assert near_duplicate_groups([], []) == []
    assert near_duplicate_groups([ZERO, ZERO], [0, 0]) == [0, 1]


@pytest.mark.parametrize("block_pairs", [1, 500, 10**6])
def test_near_duplicate_groups_do_not_depend_on_the_block_size(
    block_pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compare with a search through all pairs, with links across block borders."""
    rng = np.random.default_rng(3)
    centres = rng.integers(0, 256, (12, 32), dtype=np.uint8)
    hashes = []
    for _ in range(90):
        bits = np.unpackbits(centres[rng.integers(12)])
        bits[rng.choice(256, 14, replace=False)] ^= 1
        hashes.append(np.packbits(bits).tobytes().hex())
    monkeypatch.setattr("ml.vision.images.fingerprint._BLOCK_BYTES", block_pairs * 64)
    assert near_duplicate_groups(hashes, [100] * 90) == by_plain_search(hashes)


def by_plain_search(hashes: list[str]) -> list[int]:
    group = [-1] * len(hashes)
    for start in range(len(hashes)):
        if group[start] >= 0:
            continue
        todo, number = [start], max(group) + 1
        while todo:
            i = todo.pop()
            group[i] = number
            near = (j for j, h in enumerate(hashes) if hamming(h, hashes[i]) <= 31)
            todo += [j for j in near if group[j] < 0]
    return group


def test_near_duplicate_groups_of_20_000_hashes_take_seconds() -> None:
    """Measured 2.4 s on two cores; the limit allows for a busy machine."""
    rng = np.random.default_rng(0)
    hashes = [rng.bytes(32).hex() for _ in range(20_000)]
    hashes[19_999] = f"{int(hashes[0], 16) ^ 0b111:064x}"
    start = time.perf_counter()
    groups = near_duplicate_groups(hashes, [100] * 20_000)
    assert time.perf_counter() - start < 30
    assert groups[19_999] == groups[0]
    assert len(set(groups)) == 19_999
