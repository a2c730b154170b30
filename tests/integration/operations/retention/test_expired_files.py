import base64
from pathlib import Path

import pytest

from ml.core.errors import StorageUnavailable
from ml.learning.retrain.evaluate import evaluate_candidate
from ml.learning.retrain.gate import gate_candidate
from ml.operations.retention.purge import Purged
from ml.storage import pretrained_weights
from ml.storage.database import in_transaction
from ml.storage.object_store import ObjectStore
from ml.storage.pretrained_weights import RegisteredWeights
from tests.support.backdated_rows import purge, purge_plan
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.retraining import GoldenSpec, RetrainingRun
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

FINISHED = ("logits.safetensors", "result.json", "weights.safetensors")


@pytest.fixture
def trained(own: Shop) -> Shop:
    """A finished training, an abandoned one, and a file of something else."""
    store = own.connections.models
    for name in FINISHED:
        store.put(f"training/{'a' * 64}/{name}", b"12345")
    store.put(f"training/{'b' * 64}/epoch.safetensors", b"1234567")
    store.put("snapshots/x.json", b"{}")
    return own


def _keys(shop: Shop, prefix: str = "") -> list[str]:
    pages = shop.connections.models.list_pages(prefix)
    return [file.key for page in pages for file in page]


def test_only_files_of_old_trainings_are_deleted(trained: Shop) -> None:
    before = _keys(trained)
    purged = purge(trained, "training_artifacts", purge_plan(training_artifact_days=60, ahead=61))
    deleted = set(before) - set(_keys(trained))
    assert {key.split("/")[0] for key in deleted} == {"training"}
    assert purged == Purged("training_artifacts", 60, 4, 22)
    assert _keys(trained, "training/") == []


def test_running_training_is_kept(trained: Shop) -> None:
    assert (
        purge(trained, "training_artifacts", purge_plan(training_artifact_days=60, ahead=59)).items
        == 0
    )


def test_weights_that_the_next_retraining_run_compares_are_kept(trained: Shop) -> None:
    engine, store = trained.connections.engine, trained.connections.models
    for number in (1, 2):  # the newer one last
        key = f"training/distillation-{number}/x.safetensors"
        store.put(key, b"123")
        weights = RegisteredWeights(str(number) * 64, key, {}, f"run {number}")
        in_transaction(engine, pretrained_weights.register, weights)
    purge(trained, "training_artifacts", purge_plan(training_artifact_days=60, ahead=61))
    assert _keys(trained, "training/") == ["training/distillation-2/x.safetensors"]


def test_training_is_not_complete_after_interrupted_purge(
    trained: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = ObjectStore.delete, []

    def broken(self: ObjectStore, key: str) -> None:
        calls.append(key)
        if len(calls) == 2:
            raise StorageUnavailable("test")
        whole(self, key)

    planned = purge_plan(training_artifact_days=60, ahead=61)
    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "delete", broken)
        with pytest.raises(StorageUnavailable):
            purge(trained, "training_artifacts", planned)
    assert f"training/{'a' * 64}/result.json" not in _keys(trained)
    # The retry counts what the first attempt deleted, too.
    assert purge(trained, "training_artifacts", planned) == Purged("training_artifacts", 60, 4, 22)
    assert _keys(trained, "training/") == []


def test_trainings_are_kept_without_days_in_policy(trained: Shop) -> None:
    assert purge(trained, "training_artifacts", purge_plan(ahead=1000)) == Purged(
        "training_artifacts", None
    )


@pytest.fixture
def reported(own: Shop, tmp_path: Path) -> Shop:
    """The report of a candidate that contradicts its champion on every photo."""
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


def test_thumbnails_are_removed_from_bucket_and_page_and_figures_are_kept(reported: Shop) -> None:
    before = _files(reported)
    pictures = _pictures(before)
    assert len(pictures) == 6
    assert all(base64.b64encode(data) in _page(before) for data in pictures.values())
    purged = purge(reported, "report_photos", purge_plan(report_photo_days=180, ahead=181))
    after = _files(reported)
    assert before.keys() - after.keys() == pictures.keys()
    assert b"data:image/jpeg" not in _page(after)
    assert _page(after).count(b"data:image/gif") == 6
    assert purged == Purged("report_photos", 180, 6, sum(map(len, pictures.values())))
    # Plots, figures and everything else are unchanged.
    same = {key: data for key, data in after.items() if not key.endswith("report.html")}
    assert same.items() <= before.items()
    assert _page(after).count(b"data:image/png") == _page(before).count(b"data:image/png") > 0


def test_repeated_purge_of_report_changes_nothing(reported: Shop) -> None:
    planned = purge_plan(report_photo_days=180, ahead=181)
    first = purge(reported, "report_photos", planned)
    after = _files(reported)
    assert purge(reported, "report_photos", planned) == first
    assert _files(reported) == after


def test_purge_killed_after_its_deletions_counts_them(
    reported: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ObjectStore.delete_many
    pictures = _pictures(_files(reported))
    planned = purge_plan(report_photo_days=180, ahead=181)

    def killed(self: ObjectStore, keys: list[str]) -> None:
        whole(self, keys)
        raise StorageUnavailable("test")

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStore, "delete_many", killed)
        with pytest.raises(StorageUnavailable):
            purge(reported, "report_photos", planned)
    assert purge(reported, "report_photos", planned).items == len(pictures) == 6


def test_recent_thumbnails_are_kept_and_all_without_days(reported: Shop) -> None:
    before = _files(reported)
    purge(reported, "report_photos", purge_plan(report_photo_days=180, ahead=179))
    assert purge(reported, "report_photos", purge_plan(ahead=999)).days is None
    assert _files(reported) == before
