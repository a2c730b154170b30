"""Near duplicates of decided photos: exact at the limit, and never an approval."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from ml.core.types import DecidedPhoto, ListedHash
from ml.vision.images.fingerprint import content_hash, perceptual_hash
from ml.vision.screens.duplicate_index import DuplicateIndex
from ml.vision.screens.near_duplicates import screen_duplicates
from tests.support.hamming import hamming
from tests.unit.vision.images.pictures import photo

RNG = np.random.default_rng(5)


def random_hash() -> str:
    return RNG.bytes(32).hex()


def turned(pdq: str, bits: int) -> str:
    """The hash with `bits` random bits flipped."""
    flat = np.unpackbits(np.frombuffer(bytes.fromhex(pdq), dtype=np.uint8))
    flat[RNG.choice(256, bits, replace=False)] ^= 1
    return np.packbits(flat).tobytes().hex()


def decided(pdq: str, *, blocked: bool = True, quality: int = 90, name: str = "a") -> DecidedPhoto:
    return DecidedPhoto(name * 64, pdq, quality, blocked)


@pytest.mark.parametrize(("bits", "fired"), [(0, True), (30, True), (31, True), (32, False)])
def test_duplicates_fire_up_to_31_bits(bits: int, *, fired: bool) -> None:
    pdq = random_hash()
    outcome = screen_duplicates(turned(pdq, bits), 90, DuplicateIndex([decided(pdq)]))
    assert outcome.fired is fired
    assert outcome.value == (float(bits) if fired else None)


def test_duplicate_index_finds_every_match() -> None:
    bank = [DecidedPhoto(f"{n:064x}", random_hash(), 90, blocked=n % 2 == 0) for n in range(2000)]
    asked = [turned(bank[n].pdq, n % 45) for n in range(300)]
    index = DuplicateIndex(bank)
    for pdq in asked:
        expected = {(d.content_sha256, hamming(d.pdq, pdq)) for d in bank}
        found = {(m.content_sha256, m.distance) for m in index.find_near(pdq)}
        assert found == {(name, bits) for name, bits in expected if bits <= 31}


def test_duplicate_of_a_passed_photo_is_evidence_only() -> None:
    pdq = random_hash()
    outcome = screen_duplicates(pdq, 90, DuplicateIndex([decided(pdq, blocked=False)]))
    assert outcome.fired is False
    assert outcome.reason is None
    assert outcome.evidence == {"passed": [{"content_sha256": "a" * 64, "distance": 0}]}


def test_blocked_duplicate_fires_with_the_nearest_first() -> None:
    pdq = random_hash()
    bank = [
        decided(turned(pdq, 9), name="a"),
        decided(turned(pdq, 4), name="b"),
        decided(pdq, blocked=False, name="c"),
    ]
    outcome = screen_duplicates(pdq, 90, DuplicateIndex(bank))
    assert (outcome.fired, outcome.reason, outcome.value) == (True, "near_duplicate_blocked", 4.0)
    assert [m["content_sha256"][0] for m in outcome.evidence["blocked"]] == ["b", "a"]
    assert "passed" in outcome.evidence


@pytest.mark.parametrize(("bank_quality", "asked_quality"), [(49, 90), (90, 49)])
def test_low_quality_hashes_are_ignored(bank_quality: int, asked_quality: int) -> None:
    pdq = random_hash()
    bank = DuplicateIndex([decided(pdq, quality=bank_quality)])
    assert screen_duplicates(pdq, asked_quality, bank).fired is False


def test_empty_index_is_clear_and_broken_hash_is_unknown() -> None:
    assert screen_duplicates(random_hash(), 90, DuplicateIndex([])).fired is False
    assert screen_duplicates("", 90, DuplicateIndex([])).fired is None


def test_smaller_copy_of_a_blocked_photo_fires() -> None:
    original = photo(640, 480, seed=3)
    pdq, quality = perceptual_hash(original)
    bank = DuplicateIndex([decided(pdq, quality=quality)])
    copy = original.resize((320, 240), Image.Resampling.BICUBIC)
    assert screen_duplicates(*perceptual_hash(copy), bank).fired is True
    assert screen_duplicates(*perceptual_hash(photo(640, 480, seed=4)), bank).fired is False


def test_duplicate_index_is_thread_safe() -> None:
    bank = [DecidedPhoto(f"{n:064x}", random_hash(), 90, blocked=True) for n in range(500)]
    index = DuplicateIndex(bank)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda d: index.find_near(d.pdq)[0].content_sha256, bank))
    assert found == [d.content_sha256 for d in bank]


def test_mirrored_copy_of_a_blocked_photo_fires_and_of_a_passed_one_does_not() -> None:
    asked = perceptual_hash(photo().transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    for blocked in (True, False):
        index = DuplicateIndex([decided(perceptual_hash(photo())[0], blocked=blocked)])
        outcome = screen_duplicates(*asked, index)
        assert outcome.fired is blocked
        found = outcome.evidence.get("blocked", [{}])
        assert isinstance(found, list)
        assert found[0] == ({**found[0], "turned": "mirrored"} if blocked else {})


def test_hash_of_an_outside_list_fires_with_its_name() -> None:
    pdq = random_hash()
    index = DuplicateIndex([], [ListedHash("pdq", turned(pdq, 20), "theirs")])
    outcome = screen_duplicates(pdq, 90, index)
    assert (outcome.fired, outcome.reason, outcome.value) == (True, "blocklist:theirs", 20.0)
    assert outcome.evidence == {"blocked": [{"source": "theirs", "distance": 20}]}


@pytest.mark.parametrize("kind", ["md5", "sha256"])
def test_bytes_on_an_outside_list_are_found(kind: str) -> None:
    data = b"some bytes"
    listed = ListedHash(kind, hashlib.new(kind, data).hexdigest(), "theirs")
    index = DuplicateIndex([], [listed])
    assert index.find_listed(content_hash(data), data) == "theirs"
    assert index.find_listed(content_hash(b"others"), b"others") is None
    # Whatever its PDQ hash, which may be of too low a quality to be compared.
    outcome = screen_duplicates(random_hash(), 0, index, listed="theirs")
    assert (outcome.fired, outcome.reason) == (True, "blocklist:theirs")
