"""A nightly run in int8: the variant's scores, temperature and threshold, from run to replay."""

from dataclasses import replace
from pathlib import Path

import pytest

from ml.core.errors import ComputationUnavailable, ModelHashMismatch
from ml.models import registry
from ml.models.checkpoint import INT8
from ml.moderation.nightly.preflight import preflight
from ml.moderation.nightly.replay import replay
from ml.moderation.nightly.score_shard import score_shard
from ml.storage import audit_runs
from ml.storage.database import in_transaction
from tests.support.int8_version import make_int8_version
from tests.support.nightly_run import run_nightly, start_run
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo
from tests.support.servers import Shop
from tests.support.serving import serving

pytestmark = pytest.mark.integration

PHOTOS = 11


@pytest.fixture(scope="module")
def int8_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("int8")
    make_int8_version(folder, temperature=2.0, pass_confidence=0.65)
    return folder


@pytest.fixture
def int8_shop(shop: Shop, int8_folder: Path) -> Shop:
    """A shop with photos, whose champion has an int8 variant that the settings ask for."""
    for i in range(PHOTOS):
        shop.upload(f"{i:02}.jpg", photo((BRIGHT, DARK, MIDDLE)[i % 3], seed=i))
    parts = shop.connections
    version = registry.register(int8_folder, engine=parts.engine, store=parts.models)
    registry.promote(version, engine=parts.engine, by="test", reason="test")
    settings = shop.settings.model_copy(update={"inference": "openvino", "number_type": "int8"})
    return replace(shop, settings=settings, model_hash=version)


def test_run_predict_and_replay_use_the_variant_with_its_threshold(int8_shop: Shop) -> None:
    shop = int8_shop
    run_nightly(shop)
    run = in_transaction(shop.connections.engine, audit_runs.load, "night")
    assert run.fallback is None
    assert run.computation
    assert run.computation.variant
    found = shop.rows(
        "select distinct pass_confidence, runtime_versions ->> 'variant', "
        "runtime_versions ->> 'number_type' from moderation.verdict"
    )
    assert found == [(0.65, run.computation.variant, "int8")]
    expected = shop.rows(
        "select object_key, decision, scores from moderation.audit_result order by 1"
    )
    with serving(shop) as served:
        said = served.predict(keys=tuple(str(key) for key, *_ in expected)).json()["photos"]
    assert [(p["name"], p["decision"], p["scores"]) for p in said] == expected
    elsewhere = shop.settings.model_copy(update={"number_type": "auto", "inference": "auto"})
    result = replay("night", settings=elsewhere, connections=shop.connections)
    assert (result.compared, result.equal, result.runtime_differs) == (PHOTOS, PHOTOS, {})


def test_machine_whose_settings_forbid_the_variant_fails_the_shard(int8_shop: Shop) -> None:
    [shard] = start_run(int8_shop)
    float32 = int8_shop.settings.model_copy(update={"number_type": "float32"})
    with pytest.raises(ComputationUnavailable, match=r"MODERATION_NUMBER_TYPE is float32"):
        score_shard(shard, settings=float32, connections=int8_shop.connections)


def test_variant_tampered_with_in_the_bucket_is_refused(int8_shop: Shop) -> None:
    store, parts = int8_shop.connections.models, {"connections": int8_shop.connections}
    key = f"models/{int8_shop.model_hash}/{INT8[1]}"
    intact = store.get(key)
    store.put(key, intact[:-1] + bytes([intact[-1] ^ 1]))
    try:
        with pytest.raises(ModelHashMismatch, match="int8 variant"):
            preflight("night", int8_shop.window, settings=int8_shop.settings, **parts)
        # Its weights are intact: what the message proposes works.
        float32 = int8_shop.settings.model_copy(update={"number_type": "float32"})
        run = preflight("night", int8_shop.window, settings=float32, **parts)
        assert str(run.computation) == "openvino float32"
    finally:
        store.put(key, intact)
