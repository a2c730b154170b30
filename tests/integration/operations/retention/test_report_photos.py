import base64
from pathlib import Path

import pytest

from ml.learning.retrain.evaluate import evaluate_candidate
from ml.learning.retrain.gate import gate_candidate
from ml.operations.retention.purge import Purged
from ml.operations.retention.report_photos import purge_report_photos
from tests.support.backdated_rows import purge_plan
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.retraining import GoldenSpec, RetrainingRun
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


@pytest.fixture
def reported(own: Shop, tmp_path: Path) -> Shop:
    """A candidate that judges all otherwise than its champion, with its report."""
    month = RetrainingRun(own, tmp_path / "versions")
    candidate = month.register("candidate", seed=1)
    champion = month.register("champion", inverted=True)
    golden = [GoldenSpec(photo(BRIGHT, seed=n), "normal") for n in range(3)]
    golden += [GoldenSpec(photo(DARK, seed=n), "violate") for n in range(3)]
    month.begin(golden, candidate=candidate, champion=champion)
    parts = {"settings": own.settings, "connections": own.connections}
    evaluate_candidate(month.run_id, **parts)
    gate_candidate(month.run_id, connections=own.connections)
    return own


def _files(shop: Shop) -> dict[str, bytes]:
    store = shop.connections.models
    keys = [file.key for page in store.list_pages("evaluations/") for file in page]
    return {key: store.get(key) for key in keys}


def _pictures(files: dict[str, bytes]) -> dict[str, bytes]:
    return {key: data for key, data in files.items() if "/differences/" in key}


def _page(files: dict[str, bytes]) -> bytes:
    [page] = [data for key, data in files.items() if key.endswith("report.html")]
    return page


def test_the_pictures_go_from_bucket_and_page_and_the_figures_stay(reported: Shop) -> None:
    before = _files(reported)
    pictures = _pictures(before)
    assert len(pictures) == 6
    assert all(base64.b64encode(data) in _page(before) for data in pictures.values())
    purged = purge_report_photos(purge_plan(report_photo_days=180, ahead=181), reported.connections)
    after = _files(reported)
    assert before.keys() - after.keys() == pictures.keys()
    assert b"data:image/jpeg" not in _page(after)
    assert _page(after).count(b"data:image/gif") == 6
    assert purged == Purged("report_photos", 180, 6, sum(map(len, pictures.values())))
    # Plots, figures and everything else are what they were.
    same = {key: data for key, data in after.items() if not key.endswith("report.html")}
    assert same.items() <= before.items()
    assert _page(after).count(b"data:image/png") == _page(before).count(b"data:image/png") > 0


def test_again_changes_nothing(reported: Shop) -> None:
    planned = purge_plan(report_photo_days=180, ahead=181)
    first = purge_report_photos(planned, reported.connections)
    after = _files(reported)
    assert purge_report_photos(planned, reported.connections) == first
    assert _files(reported) == after


def test_they_stay_within_the_days_and_where_none_are_named(reported: Shop) -> None:
    before = _files(reported)
    purge_report_photos(purge_plan(report_photo_days=180, ahead=179), reported.connections)
    assert purge_report_photos(purge_plan(ahead=999), reported.connections).days is None
    assert _files(reported) == before
