from ml.core.manifest import LabelledPhoto, Split
from ml.learning.retrain.comparison import MAX_HELD_OUT, choose_of_groups, spread_evenly


def _photo(number: int, group: int) -> LabelledPhoto:
    return LabelledPhoto(
        content_sha256=f"{number:064x}", label="normal", category=None, route="violation",
        weight=1.0, group=group, new=True, part=Split.TRAIN, fold=0,
    )  # fmt: skip


def test_near_duplicates_are_compared_on_once() -> None:
    photos = [_photo(number, group) for number, group in enumerate([4, 0, 4, 4, 2, 0])]
    groups = {photo.content_sha256: photo.group for photo in photos}
    chosen = choose_of_groups(photos, groups)
    assert [photo.group for photo in chosen] == [4, 0, 2]
    assert choose_of_groups(photos, {}) == photos
    assert chosen == [photos[0], photos[1], photos[4]]


def test_many_photos_are_spread_evenly_and_few_all_taken() -> None:
    few, many = list(range(7)), list(range(3 * MAX_HELD_OUT))
    assert spread_evenly(few) == few
    assert spread_evenly([]) == []
    chosen = spread_evenly(many)
    assert len(chosen) == MAX_HELD_OUT
    assert (chosen[0], chosen[-1]) == (many[0], many[-1])
    assert chosen == sorted(set(chosen))
