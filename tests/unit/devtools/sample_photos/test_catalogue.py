from collections import Counter

import pytest

from devtools.sample_photos.catalogue import categories, render_catalogue
from devtools.sample_photos.photo import VIOLATIONS
from devtools.sample_photos.render import render_photo
from ml.core.errors import SettingsError


def test_one_fifth_is_violating_evenly_over_the_categories() -> None:
    counts = Counter(categories(1, 1000))
    assert counts["normal"] == 800
    assert {counts[name] for name in VIOLATIONS} == {40}


def test_categories_are_shuffled_by_the_seed() -> None:
    names = categories(1, 1000)
    assert names == categories(1, 1000)
    assert names != categories(2, 1000)
    assert 20 <= sum(name != "normal" for name in names[:200]) <= 60


@pytest.mark.parametrize(("share", "normal"), [(0.0, 10), (0.5, 5), (1.0, 0)])
def test_violating_share_is_exact(share: float, normal: int) -> None:
    assert categories(1, 10, share).count("normal") == normal


@pytest.mark.parametrize(("photos", "share"), [(-1, 0.2), (10, -0.1), (10, 1.1)])
def test_invalid_count_or_share_is_rejected(photos: int, share: float) -> None:
    with pytest.raises(SettingsError, match="share from 0 to 1"):
        categories(1, photos, share)


@pytest.mark.slow
def test_process_pool_yields_the_same_photos_in_order() -> None:
    photos = list(render_catalogue(5, 4, 0.5, workers=2))
    assert [photo.name for photo in photos] == [f"photo_{n:06d}.jpg" for n in range(4)]
    assert [photo.category for photo in photos] == categories(5, 4, 0.5)
    assert photos[3] == render_photo(5, 3, photos[3].category)


def test_catalogue_of_zero_photos_is_empty() -> None:
    assert list(render_catalogue(5, 0)) == []
