from ml.learning.snapshot.splits import group_photos
from ml.storage.photo_archive import ArchivedPhoto
from ml.vision.images.fingerprint import MIN_QUALITY

ALL, NONE = "f" * 64, "0" * 64
NEAR_ALL = "f" * 60 + "0000"  # 16 bits from ALL
HALF = "f" * 32 + "0" * 32


def row(pdq: str, review: str | None, quality: int = 100) -> ArchivedPhoto:
    return ArchivedPhoto("c", "key", review, 1, 64, 64, pdq, quality)


def test_look_alikes_and_photos_of_one_review_are_one_group() -> None:
    rows = [row(ALL, "1"), row(NONE, "2"), row(NEAR_ALL, "3"), row(HALF, "2")]
    assert group_photos(rows) == [0, 1, 0, 1]


def test_a_chain_of_looks_and_reviews_joins() -> None:
    rows = [row(ALL, "1"), row(HALF, "2"), row(NEAR_ALL, "2"), row(NONE, None)]
    assert group_photos(rows) == [0, 0, 0, 1]


def test_photos_without_a_review_or_structure_are_not_tied_together() -> None:
    rows = [row(ALL, None, MIN_QUALITY), row(ALL, None, MIN_QUALITY), row(NONE, None)]
    assert group_photos(rows) == [0, 1, 2]


def test_no_photos_are_no_groups() -> None:
    assert group_photos([]) == []
