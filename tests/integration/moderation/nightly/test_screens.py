"""A nightly run with screens: photos on which one fires or fails go to review with the reason."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ml.moderation.nightly.replay import replay
from ml.moderation.pipeline.decode_pool import decode_pool
from ml.vision.images.fingerprint import content_hash
from tests.integration.moderation.nightly.screened import task_of, with_code, with_policy
from tests.support.labelled_photos import label_photos
from tests.support.nightly_run import dump_results, run_nightly
from tests.support.photos import BRIGHT, DARK, banner, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def verdict(shop: Shop, key: str) -> tuple[object, ...]:
    """Decision, reasons and screens."""
    [row] = shop.rows(
        "select v.decision, v.reasons, v.screens from moderation.verdict v "
        "join moderation.image i using (content_sha256) where i.object_key = :key",
        key=key,
    )
    return row


def test_photo_with_a_code_goes_to_review_with_payload_and_box(shop: Shop, tmp_path: Path) -> None:
    screened = with_policy(shop, tmp_path, codes={"allowed": [r"https://shop\.example/.*"]})
    lure = screened.upload("lure.jpg", with_code("https://elsewhere.example/x"))
    ours = screened.upload("ours.jpg", with_code("https://shop.example/x"))
    plain = screened.upload("plain.jpg", photo(BRIGHT))
    report = run_nightly(screened)
    assert [screened.status(key) for key in (lure, ours, plain)] == ["review", "pass", "pass"]
    decision, reasons, screens = verdict(screened, lure)
    assert (decision, reasons) == ("review", ["code"])
    assert isinstance(screens, dict)
    found = screens["codes"]
    assert (found["state"], found["reason"]) == ("fired", "code")
    assert found["evidence"]["codes"][0]["payload"] == "https://elsewhere.example/x"
    assert len(found["evidence"]["codes"][0]["box"]) == 4
    assert task_of(screened, lure)[1] == ["code"]
    assert report["screens"] == {"codes": {"fired": 1, "clear": 2}}
    assert report["seconds"]["screen_codes"] >= 0


@pytest.fixture
def broken_reader(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Shop]]:
    """Makes a policy's shop, whose decode workers have a library for codes that raises."""
    (tmp_path / "sitecustomize.py").write_text(
        "import zxingcpp\n\n"
        "def read_barcodes(*_args, **_kwargs):\n    raise TimeoutError('the reader hangs')\n\n"
        "zxingcpp.read_barcodes = read_barcodes\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    own_workers = shop.settings.model_copy(update={"decode_seconds": 17.0})
    yield partial(with_policy, replace(shop, settings=own_workers), tmp_path)
    decode_pool(own_workers).close()


def test_failed_screen_passes_no_photo_and_the_shard_continues(
    broken_reader: Callable[..., Shop],
) -> None:
    screened = broken_reader(codes={}, sharpness={"threshold": 0})
    bright = screened.upload("bright.jpg", photo(BRIGHT))
    dark = screened.upload("dark.jpg", photo(DARK, seed=1))
    report = run_nightly(screened)
    assert verdict(screened, bright)[:2] == ("review", ["screen_failed:codes"])
    assert verdict(screened, dark)[1] == ["violation:violate", "screen_failed:codes"]
    assert report["screens"]["codes"] == {"unknown": 2}
    assert report["verdicts"]["pass"] == 0


def test_policy_may_pass_photos_on_which_a_screen_failed(
    broken_reader: Callable[..., Shop],
) -> None:
    screened = broken_reader(codes={"allow_when_failed": True})
    bright = screened.upload("bright.jpg", photo(BRIGHT))
    report = run_nightly(screened)
    assert report["screens"]["codes"] == {"unknown": 1}
    assert screened.status(bright) == "pass"


@pytest.mark.parametrize(("may_pass", "status"), [(True, "pass"), (False, "review")])
def test_photo_skipped_by_the_ocr_budget_follows_the_policy(
    shop: Shop, tmp_path: Path, *, may_pass: bool, status: str
) -> None:
    keys = {"budget_share": 0.0, "min_text_likelihood": 0.0, "allow_when_skipped": may_pass}
    screened = with_policy(shop, tmp_path, text=keys)
    bright = screened.upload("bright.jpg", photo(BRIGHT))
    report = run_nightly(screened)
    assert screened.status(bright) == status
    assert report["screens"] == {"text": {"not_run": 1}}


def test_text_is_read_of_photos_that_would_pass_and_of_no_others(
    shop: Shop, tmp_path: Path
) -> None:
    screened = with_policy(shop, tmp_path, codes={}, text={"budget_share": 1.0})
    lure = screened.upload("lure.jpg", banner("WeChat: lucky_mei77"))
    dark = screened.upload("dark.jpg", banner("WeChat: lucky_mei77", bright=False))
    plain = screened.upload("plain.jpg", photo(BRIGHT))
    report = run_nightly(screened)
    assert verdict(screened, lure)[:2] == ("review", ["contact:wechat"])
    decision, reasons, screens = verdict(screened, dark)
    assert (decision, reasons) == ("review", ["violation:violate"])
    assert isinstance(screens, dict)
    assert (screens["text"]["state"], screens["text"]["reason"]) == ("not_run", "not_needed")
    assert screened.status(plain) == "pass"
    assert report["screens"]["text"] == {"clear": 1, "fired": 1, "not_needed": 1}
    result = replay("night", settings=screened.settings, connections=screened.connections)
    assert (result.photos, result.equal) == (3, 3)


def test_reviewers_decision_counts_where_unread_text_does_not_pass(
    shop: Shop, tmp_path: Path
) -> None:
    keys = {"budget_share": 0.0, "allow_when_skipped": False}
    screened = with_policy(shop, tmp_path, text=keys, duplicates={})
    data, other = banner("SUNDAY CLUB"), banner("MONDAY CLUB", bright=False)
    decided, unread = screened.upload("decided.jpg", data), banner("FRIDAY CLUB")
    run_nightly(screened)
    assert verdict(screened, decided)[:2] == ("review", ["screen_not_run:text"])
    label_photos(screened, [content_hash(data)], "normal")
    again, new = screened.upload("again.jpg", data), screened.upload("new.jpg", unread)
    dark = screened.upload("dark.jpg", other)
    run_nightly(screened, "next")
    assert screened.status(again) == "pass"
    assert screened.status(new) == "review"
    assert verdict(screened, dark)[1] == ["violation:violate"]


def test_text_whose_worker_ends_sends_the_photo_to_review_and_harms_no_other(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nothing else in a decode worker uses this function.
    (tmp_path / "sitecustomize.py").write_text(
        "import os\n\nimport cv2\n\ncv2.contourArea = lambda _box: os.abort()\n", encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    own = shop.settings.model_copy(update={"decode_seconds": 17.75})
    screened = with_policy(replace(shop, settings=own), tmp_path, text={"budget_share": 1.0})
    lure = screened.upload("lure.jpg", banner("WeChat: lucky_mei77"))
    plain = [screened.upload(f"{n}.jpg", photo(BRIGHT, seed=n)) for n in range(8)]
    run_nightly(screened)
    decode_pool(own).close()
    assert verdict(screened, lure)[:2] == ("review", ["screen_failed:text"])
    assert {screened.status(key) for key in plain} == {"pass"}
    assert screened.rows("select * from moderation.quarantine") == []


def test_screen_with_action_evidence_sends_no_photo_to_review(shop: Shop, tmp_path: Path) -> None:
    screened = with_policy(shop, tmp_path, sharpness={"threshold": 1e5, "action": "evidence"})
    key = screened.upload("bright.jpg", photo(BRIGHT))
    run_nightly(screened)
    decision, _, screens = verdict(screened, key)
    assert decision == "pass"
    assert isinstance(screens, dict)
    assert screens["sharpness"]["reason"] == "blurred"


def test_run_with_screens_is_idempotent_and_replays_exactly(shop: Shop, tmp_path: Path) -> None:
    screened = with_policy(shop, tmp_path, codes={}, sharpness={}, duplicates={})
    for n in range(6):
        screened.upload(f"{n}.jpg", photo((BRIGHT, DARK)[n % 2], seed=n, size=(900, 1700)))
    screened.upload("code.jpg", with_code("https://elsewhere.example/x", seed=9))
    run_nightly(screened)
    result = replay("night", settings=screened.settings, connections=screened.connections)
    assert (result.photos, result.equal, result.largest_difference) == (7, 7, 0.0)
    before = dump_results(screened)
    run_nightly(screened, "again")
    assert dump_results(screened) == before
