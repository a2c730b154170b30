import time

import numpy as np
import pytest

from ml.vision.images.duplicate_groups import near_duplicate_groups
from ml.vision.images.fingerprint import MIN_QUALITY
from tests.support.hamming import hamming

ZERO = "0" * 64


def with_bits(*bits: int) -> str:
    return f"{sum(1 << bit for bit in bits):064x}"


def first(n: int) -> str:
    """A hash whose lowest n bits are set."""
    return with_bits(*range(n))


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
    monkeypatch.setattr("ml.vision.images.duplicate_groups._BLOCK_BYTES", block_pairs * 64)
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
