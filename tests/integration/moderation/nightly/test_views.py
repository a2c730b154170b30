"""A nightly run judges what buyers see of a photo: frames, backgrounds, parts, and its colors."""

from pathlib import Path
from typing import Any

import pytest

from ml.moderation.nightly.replay import replay
from tests.integration.moderation.nightly.screened import person_decides, task_of, with_policy
from tests.support import views
from tests.support.nightly_run import dump_results, run_nightly
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

# What a buyer would see dark, and what the worst view then is.
DARK_SOMEWHERE = {
    "first.gif": (views.with_dark_frame("GIF", at=0), {"frame": 0}),
    "hidden.gif": (views.with_dark_frame("GIF", at=7), {"frame": 7}),
    "last.webp": (views.with_dark_frame("WEBP", at=11), {"frame": 11}),
    "hidden.png": (views.with_dark_frame("PNG", at=4), {"frame": 4}),
    "clear.png": (views.mostly_transparent(), {"background": "black"}),
    "strip.png": (views.strip_with_dark_end(), {"part": 5}),
}
DARK_COLORS = {"gamma.png": views.dark_by_gamma(), "profile.jpg": views.dark_by_profile()}
UNJUDGED = {
    "unjudged_frames": views.many_frames(),
    "unjudged_strip": views.long_strip(),
    "unjudged_color": views.of_unknown_colors(),
}


def found(shop: Shop, key: str) -> tuple[str, list[str], dict[str, Any]]:
    [row] = shop.rows(
        "select v.decision, v.reasons, coalesce(v.screens, '{}') from moderation.verdict v "
        "join moderation.image i using (content_sha256) where i.object_key = :key",
        key=key,
    )
    return row  # type: ignore[return-value]  # the types of the columns


@pytest.fixture
def night(shop: Shop) -> Shop:
    for name, (data, _) in DARK_SOMEWHERE.items():
        shop.upload(name, data)
    for name, data in {**DARK_COLORS, **UNJUDGED}.items():
        shop.upload(name, data)
    shop.upload("bright.gif", views.bright_only("GIF"))
    shop.upload("bright.jpg", photo(BRIGHT))
    run_nightly(shop)
    return shop


def key(shop: Shop, name: str) -> str:
    return f"{shop.settings.photo_prefix}{name}"


def test_photo_is_judged_by_its_worst_view(night: Shop) -> None:
    for name, (_, expected) in DARK_SOMEWHERE.items():
        decision, reasons, screens = found(night, key(night, name))
        assert (decision, reasons) == ("review", ["violation:violate"]), name
        evidence = screens["views"]["evidence"]
        worst = evidence["views"][evidence["worst"]]
        assert {part: worst[part] for part in expected} == expected, name
        assert screens["views"]["state"] == "clear"
    for name in DARK_COLORS:
        assert found(night, key(night, name))[1] == ["violation:violate"], name
    for name in ("bright.gif", "bright.jpg"):
        assert night.status(key(night, name)) == "pass"
    assert "views" not in found(night, key(night, "bright.jpg"))[2]


def test_photo_of_which_not_all_was_judged_goes_to_review(night: Shop) -> None:
    for reason in UNJUDGED:
        decision, reasons, screens = found(night, key(night, reason))
        assert (decision, reasons) == ("review", [reason])
        assert (screens["views"]["state"], screens["views"]["reason"]) == ("fired", reason)
        assert task_of(night, key(night, reason))[1] == [reason]


def test_run_is_replayed_and_repeated_exactly(night: Shop) -> None:
    result = replay("night", settings=night.settings, connections=night.connections)
    photos = len(DARK_SOMEWHERE) + len(DARK_COLORS) + len(UNJUDGED) + 2
    assert (result.photos, result.equal, result.largest_difference) == (photos, photos, 0.0)
    before = dump_results(night)
    run_nightly(night, "again")
    assert dump_results(night) == before


def test_screens_see_every_view_and_name_it(shop: Shop, tmp_path: Path) -> None:
    screened = with_policy(shop, tmp_path, sharpness={"threshold": 0.0})
    name = screened.upload("sharp.gif", views.bright_only("GIF"))
    run_nightly(screened)
    decision, reasons, screens = found(screened, name)
    assert (decision, reasons) == ("pass", ["confident_normal"])
    assert screens["sharpness"]["evidence"]["view"] in range(5)


def test_label_of_an_animation_counts_for_the_same_bytes(shop: Shop, tmp_path: Path) -> None:
    screened = with_policy(shop, tmp_path, duplicates={})
    data = DARK_SOMEWHERE["hidden.gif"][0]
    task_id = task_of(screened, _judged(screened, "seen.gif", data, "night"))[0]
    assert isinstance(task_id, int)
    person_decides(screened, task_id, "violate")
    assert screened.status(_judged(screened, "copy.gif", data, "next")) == "block"


def _judged(shop: Shop, name: str, data: bytes, run_id: str) -> str:
    uploaded = shop.upload(name, data)
    run_nightly(shop, run_id)
    return uploaded
