import pytest

from ml.core.errors import StorageUnavailable
from ml.operations.retention.purge import Purged
from ml.operations.retention.training_artifacts import purge_training_artifacts
from ml.storage.object_store import ObjectStore
from tests.support.backdated_rows import purge_plan
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

FINISHED = ("logits.safetensors", "result.json", "weights.safetensors")


@pytest.fixture
def trained(own: Shop) -> Shop:
    """A finished training, one that was given up, and files that are none."""
    store = own.connections.models
    for name in FINISHED:
        store.put(f"training/{'a' * 64}/{name}", b"12345")
    store.put(f"training/{'b' * 64}/epoch.safetensors", b"1234567")
    store.put("snapshots/x.json", b"{}")
    return own


def _keys(shop: Shop, prefix: str = "") -> list[str]:
    pages = shop.connections.models.list_pages(prefix)
    return [file.key for page in pages for file in page]


def test_files_of_old_trainings_go_and_nothing_else(trained: Shop) -> None:
    before = _keys(trained)
    purged = purge_training_artifacts(
        purge_plan(training_artifact_days=60, ahead=61), trained.connections
    )
    gone = set(before) - set(_keys(trained))
    assert {key.split("/")[0] for key in gone} == {"training"}
    assert purged == Purged("training_artifacts", 60, 4, 22)
    assert _keys(trained, "training/") == []


def test_a_training_that_still_writes_stays_whole(trained: Shop) -> None:
    assert (
        purge_training_artifacts(
            purge_plan(training_artifact_days=60, ahead=59), trained.connections
        ).items
        == 0
    )


def test_killed_in_the_middle_a_training_is_not_taken_for_complete(
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
            purge_training_artifacts(planned, trained.connections)
    assert f"training/{'a' * 64}/result.json" not in _keys(trained)
    purge_training_artifacts(planned, trained.connections)
    assert _keys(trained, "training/") == []


def test_none_goes_where_the_policy_names_no_days(trained: Shop) -> None:
    assert purge_training_artifacts(purge_plan(ahead=1000), trained.connections) == Purged(
        "training_artifacts", None
    )
