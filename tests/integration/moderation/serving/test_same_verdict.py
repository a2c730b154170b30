"""A photo has the same verdict and scores online and in a nightly run."""

from pathlib import Path

import pytest

from devtools.sample_photos.photo import CATEGORIES
from devtools.sample_photos.render import render_photo
from ml.moderation.nightly.replay import replay
from ml.vision.images.fingerprint import content_hash
from tests.integration.moderation.nightly.screened import person_decides, task_of, with_policy
from tests.integration.moderation.serving.photos import odd_photo
from tests.support import views
from tests.support.decided_photos import with_remembered_photos
from tests.support.nightly_run import delete_results, run_nightly
from tests.support.photos import BRIGHT, DARK, MIDDLE, banner, photo
from tests.support.servers import Shop
from tests.support.serving import serving
from tests.support.signal_models import brightness
from tests.support.signals import install_signal, with_signals

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

PHOTOS = 4


def contents() -> list[bytes]:
    """Rendered photos of all kinds, and plain ones over the full range of scores."""
    rendered = [render_photo(11, n, CATEGORIES[n % len(CATEGORIES)]).data for n in range(PHOTOS)]
    animation = views.with_dark_frame("GIF", at=7)
    of_views = [animation, views.mostly_transparent(), views.of_unknown_colors()]
    plain = [photo(level, seed=level) for level in range(DARK, BRIGHT + 1, 50)]
    lures = [banner("WeChat: lucky_mei77"), banner("WeChat: lucky_mei77", bright=False)]
    return [*rendered, *plain, *of_views, *lures]


def test_predict_gives_the_verdicts_of_the_nightly_run(shop: Shop, tmp_path: Path) -> None:
    all_read = {"budget_share": 1.0}
    screened = with_policy(shop, tmp_path, sharpness={}, codes={}, text=all_read, duplicates={})
    gloom = install_signal(shop, brightness(), dark=0.7)
    screened = with_signals(screened, tmp_path, gloom=gloom)
    photos = contents()
    for number, data in enumerate(photos):
        screened.upload(f"{number:03}.jpg", data)
    with serving(screened, serve_ocr_budget_seconds=3600.0, serve_max_images=32) as served:
        online = [served.predict(data).json() for data in photos]
        together = served.predict(*photos).json()
    run_nightly(screened)
    night = {
        row[0]: row[1:]
        for row in screened.rows(
            "select content_sha256, decision, reasons, scores, model_hash, policy_version, screens "
            "from moderation.verdict"
        )
    }
    assert len(night) == len(photos)
    for data, alone, beside in zip(photos, online, together["photos"], strict=True):
        decision, reasons, scores, model, policy, screens = night[content_hash(data)]
        assert (alone["model_version"], alone["policy_version"]) == (model, policy)
        states = {name: (o["state"], o["reason"]) for name, o in screens.items()}
        for answer in (alone["photos"][0], beside):
            assert answer["scores"] == scores
            told = {name: (o["state"], o["reason"]) for name, o in answer["screens"].items()}
            assert told == states
            assert (answer["decision"], answer["reasons"]) == (decision, reasons)
    assert {row[-1]["signal:gloom"]["state"] for row in night.values()} == {"fired", "clear"}  # type: ignore[index]  # an object
    texts = {(row[-1]["text"]["state"], row[-1]["text"]["reason"]) for row in night.values()}  # type: ignore[index]  # an object
    assert ("fired", "contact:wechat") in texts
    assert ("not_run", "not_needed") in texts
    assert ("not_run", "budget") not in texts


def test_predict_compares_with_decided_photos_as_the_nightly_run_does(
    shop: Shop, champion_folder: Path, tmp_path: Path
) -> None:
    ruled = with_remembered_photos(shop, champion_folder, tmp_path)
    levels = range(DARK, BRIGHT + 1, 25)
    keys = [ruled.upload(f"{level}.jpg", photo(level, seed=level)) for level in levels]
    columns = (
        "select content_sha256, decision, reasons, scores, screens, pass_confidence, "
        "runtime_versions from moderation.verdict order by 1"
    )
    with serving(ruled, serve_record_verdicts=True) as served:
        answers = [served.predict(keys=(key,)).json()["photos"][0] for key in keys]
    online = ruled.rows(columns)
    delete_results(ruled)
    run_nightly(ruled)
    assert online == ruled.rows(columns)
    assert len(online) == len(keys)
    states = {row[4]["similar_decisions"]["state"] for row in online}  # type: ignore[index]  # an object
    assert states == {"fired", "clear"}
    # A client sees the result, but not which photos reviewers decided on.
    assert answers[-1]["decision"] == "review"
    assert answers[-1]["reasons"] == ["similar_violation:violate"]
    assert answers[-1]["screens"] == {
        "similar_decisions": {"state": "fired", "reason": "similar_violation:violate"},
        "unfamiliar": {"state": "clear", "reason": None},
    }
    result = replay("night", settings=ruled.settings, connections=ruled.connections)
    assert result.equal == len(keys)


def test_predict_reuses_reviewers_decisions_on_the_same_bytes(shop: Shop, tmp_path: Path) -> None:
    screened = with_policy(shop, tmp_path, duplicates={})
    data = photo(MIDDLE, seed=5)
    key = screened.upload("asked.jpg", data)
    run_nightly(screened)
    task_id = task_of(screened, key)[0]
    assert isinstance(task_id, int)
    with serving(
        screened, serve_record_verdicts=True, serve_duplicates_refresh_seconds=0.2
    ) as served:
        before = served.predict(data).json()
        person_decides(screened, task_id, "violate")
        after = served.predict(data).json()
        copy = screened.upload("copy.jpg", data)
        by_key = served.predict(keys=(copy,)).json()
    assert before["decision"] == "review"
    assert (after["decision"], after["reasons"]) == ("block", ["human_decision:violate"])
    # The nightly run records the reviewer's decision itself: no online verdict may hide it.
    assert not by_key["photos"][0]["recorded"]
    run_nightly(screened, "next")
    assert screened.status(copy) == "block"


def test_rejected_photo_has_the_reason_of_the_nightly_run(shop: Shop) -> None:
    kinds = ("empty", "not_an_image", "truncated", "too_small", "animated", "too_many_pixels")
    for kind in kinds:
        shop.upload(f"{kind}.jpg", odd_photo(kind))
    with serving(shop) as served:
        online = {kind: served.predict(odd_photo(kind)).json() for kind in kinds}
    run_nightly(shop)
    rows = shop.rows("select object_key, reason, detail from moderation.quarantine")
    night = {str(key).rpartition("/")[2][:-4]: (reason, detail) for key, reason, detail in rows}
    for kind in kinds:
        told = online[kind]["error"]
        assert (told["reason"], told["detail"]) == night[kind]
