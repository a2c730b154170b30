from collections import Counter

import pytest

from ml.errors import SettingsError
from stack.catalogue.catalogue import categories, render_catalogue
from stack.catalogue.photo import VIOLATIONS
from stack.catalogue.render import render_photo


def test_one_in_five_violates_evenly_over_the_categories() -> None:
    counts = Counter(categories(1, 1000))
    assert counts["normal"] == 800
    assert {counts[name] for name in VIOLATIONS} == {40}


def test_categories_are_mixed_and_follow_the_seed() -> None:
    names = categories(1, 1000)
    assert names == categories(1, 1000)
    assert names != categories(2, 1000)
    assert 20 <= sum(name != "normal" for name in names[:200]) <= 60


@pytest.mark.parametrize(("share", "normal"), [(0.0, 10), (0.5, 5), (1.0, 0)])
def test_share_is_kept(share: float, normal: int) -> None:
    assert categories(1, 10, share).count("normal") == normal


@pytest.mark.parametrize(("photos", "share"), [(-1, 0.2), (10, -0.1), (10, 1.1)])
def test_impossible_request_is_refused(photos: int, share: float) -> None:
    with pytest.raises(SettingsError, match="share from 0 to 1"):
        categories(1, photos, share)


def test_pool_yields_in_order_what_rendering_alone_gives() -> None:
    photos = list(render_catalogue(5, 4, 0.5, workers=2))
    assert [photo.name for photo in photos] == [f"photo_{n:06d}.jpg" for n in range(4)]
    assert [photo.category for photo in photos] == categories(5, 4, 0.5)
    assert photos[3] == render_photo(5, 3, photos[3].category)


def test_no_photos_is_an_empty_catalogue() -> None:
    assert list(render_catalogue(5, 0)) == []
