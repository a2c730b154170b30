"""A run computes in one way: recorded at its start, followed by its shards, and replayed."""

from dataclasses import replace

import pytest

from ml.core.computation import REFERENCE, Computation
from ml.core.errors import ComputationUnavailable
from ml.models import computation_choice
from ml.models.computation_guard import Guard
from ml.models.inference.openvino_backend import OpenVinoBackend
from ml.moderation.nightly.replay import ReplayResult, replay
from ml.moderation.nightly.score_shard import score_shard
from ml.storage import audit_runs
from ml.storage.database import in_transaction
from tests.support.nightly_run import finish_run, run_nightly, start_run
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo
from tests.support.servers import Shop
from tests.support.serving import serving

pytestmark = pytest.mark.integration

PHOTOS = 11
OPENVINO = Computation("openvino", "float32")
_VERDICTS = (
    "select object_key, decision, scores from moderation.audit_result where run_id = :run "
    "order by 1"
)


def _with(shop: Shop, **settings: object) -> Shop:
    return replace(shop, settings=shop.settings.model_copy(update=settings))


@pytest.fixture
def openvino_shop(shop: Shop) -> Shop:
    """A shop with photos whose operator fixed the backend."""
    for i in range(PHOTOS):
        shop.upload(f"{i:02}.jpg", photo((BRIGHT, DARK, MIDDLE)[i % 3], seed=i))
    return _with(shop, inference="openvino")


def _replay(shop: Shop) -> ReplayResult:
    return replay("night", settings=shop.settings, connections=shop.connections)


def test_run_verdicts_and_replay_record_and_use_the_same_computation(openvino_shop: Shop) -> None:
    shop = openvino_shop
    run_nightly(shop)
    run = in_transaction(shop.connections.engine, audit_runs.load, "night")
    assert (run.computation, run.fallback) == (OPENVINO, None)
    assert run.device.endswith("openvino float32")
    recorded = shop.rows("select distinct runtime_versions from moderation.verdict")
    [[versions]] = recorded
    assert isinstance(versions, dict)
    assert Computation.from_names(versions) == OPENVINO
    assert versions["openvino"]
    # The machine that replays would choose otherwise.
    result = _replay(_with(shop, inference="auto"))
    assert (result.compared, result.equal, result.runtime_differs) == (PHOTOS, PHOTOS, {})


def test_shards_and_replay_use_the_batch_size_of_the_run(openvino_shop: Shop) -> None:
    shop = openvino_shop
    [shard] = start_run(_with(shop, batch_size=5))
    score_shard(shard, settings=shop.settings, connections=shop.connections)  # of another machine
    finish_run(shop)
    sizes = shop.rows("select distinct runtime_versions ->> 'batch_size' from moderation.verdict")
    assert (shop.settings.batch_size, sizes) == (8, [("5",)])
    assert shop.rows("select batch_size from moderation.audit_run") == [(5,)]
    shop.upload("new.jpg", photo(BRIGHT, seed=99))
    run_nightly(shop, "again")  # judges the new photo alone, with the setting
    result = replay("again", settings=shop.settings, connections=shop.connections)
    assert (result.compared, result.equal, result.runtime_differs) == (PHOTOS + 1, PHOTOS + 1, {})


def test_run_of_a_release_that_recorded_no_batch_size_uses_the_setting(
    openvino_shop: Shop,
) -> None:
    [shard] = start_run(openvino_shop)
    openvino_shop.execute("update moderation.audit_run set batch_size = null")
    score_shard(shard, settings=openvino_shop.settings, connections=openvino_shop.connections)
    sizes = "select distinct runtime_versions ->> 'batch_size' from moderation.verdict"
    assert openvino_shop.rows(sizes) == [("8",)]


def test_resumed_shard_and_predict_give_the_scores_of_the_run(openvino_shop: Shop) -> None:
    shop = openvino_shop
    run_nightly(shop)
    expected = shop.rows(_VERDICTS, run="night")
    with serving(shop) as served:
        said = served.predict(keys=tuple(str(key) for key, *_ in expected)).json()["photos"]
    assert [(p["name"], p["decision"], p["scores"]) for p in said] == expected
    # Some verdicts are lost, and the shard runs again for these photos alone.
    shop.execute(
        "delete from moderation.verdict where content_sha256 in "
        "(select content_sha256 from moderation.image where object_key like '%/0_.jpg')"
    )
    run_nightly(shop, "again")
    assert shop.rows(_VERDICTS, run="again") == expected


def test_machine_that_cannot_follow_fails_the_shard_with_the_remedy(
    openvino_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = openvino_shop
    [shard] = start_run(shop)
    parts = {"connections": shop.connections}
    elsewhere = shop.settings.model_copy(update={"inference": "torch"})
    with pytest.raises(ComputationUnavailable, match=r"openvino float32.*MODERATION_INFERENCE"):
        score_shard(shard, settings=elsewhere, **parts)
    with monkeypatch.context() as patch:

        def fail(*_: object, **__: object) -> None:
            raise ComputationUnavailable("no such instructions")

        patch.setattr(OpenVinoBackend, "__init__", fail)
        with pytest.raises(ComputationUnavailable, match=r"no such instructions.*start a new run"):
            score_shard(shard, settings=shop.settings, **parts)
    assert shop.rows("select from moderation.verdict") == []
    # A machine that can follow finishes the shard.
    score_shard(shard, settings=shop.settings, **parts)
    assert finish_run(shop)["judged"] == PHOTOS


def test_run_whose_first_choice_is_refused_computes_with_torch_and_says_so(
    openvino_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = openvino_shop
    monkeypatch.setattr(computation_choice, "_choices", {})  # this process has chosen before
    intact = OpenVinoBackend.logits
    monkeypatch.setattr(OpenVinoBackend, "logits", lambda self, batch: -intact(self, batch))
    run_nightly(shop)
    run = in_transaction(shop.connections.engine, audit_runs.load, "night")
    assert run.computation == REFERENCE
    assert str(run.fallback).startswith("openvino float32: logits on the probe differ")
    [[stored]] = shop.rows("select report ->> 'fallback' from moderation.audit_run")
    assert stored == run.fallback
    assert _replay(shop).equal == PHOTOS


def test_predict_says_how_it_computes_and_what_it_does_not_use(
    openvino_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {}
    for refused in (False, True):
        monkeypatch.setattr(computation_choice, "_choices", {})
        if refused:
            monkeypatch.setattr(Guard, "find_objection", lambda *_: "other logits")
        with serving(openvino_shop) as served, served.client() as client:
            lines = client.get("/metrics").text.splitlines()
            [line] = [row for row in lines if row.startswith("moderation_serve_computation_info{")]
            said[client.get("/readyz").json()["computation"]] = line
    name = 'moderation_serve_computation_info{backend="%s",fallback="%s",number_type="float32"'
    assert said["openvino float32"].startswith(name % ("openvino", ""))
    assert said["torch float32"].startswith(name % ("torch", "openvino float32: other logits"))


def test_photos_that_an_earlier_run_judged_are_replayed_as_it_computed(openvino_shop: Shop) -> None:
    shop = openvino_shop
    run_nightly(_with(shop, inference="torch"), "first")
    shop.upload("new.jpg", photo(BRIGHT, seed=99))
    run_nightly(shop)
    result = _replay(shop)
    assert (result.compared, result.equal, result.runtime_differs) == (PHOTOS + 1, PHOTOS + 1, {})


def test_run_of_an_older_release_is_scored_and_replayed_with_torch(openvino_shop: Shop) -> None:
    shop = openvino_shop
    [shard] = start_run(shop)
    shop.execute("update moderation.audit_run set backend = null, number_type = null")
    score_shard(shard, settings=shop.settings, connections=shop.connections)
    finish_run(shop)
    shop.execute(
        "update moderation.verdict set runtime_versions = "
        "runtime_versions - 'backend' - 'number_type'"
    )
    result = _replay(shop)
    assert result.equal == PHOTOS
    assert result.runtime_differs["backend"] == ("unknown", "torch")
