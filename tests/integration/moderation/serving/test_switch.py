"""Change of the champion under load: no request is lost or uses two models."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from ml.models import registry
from tests.support.bucket_policy import allowed_under
from tests.support.photos import BRIGHT, DARK, MIDDLE, photo
from tests.support.policies import write_policy
from tests.support.proxied_shop import connections_through_proxy
from tests.support.servers import Shop
from tests.support.serving import POLL_SECONDS, RunningService, multipart_files, serving
from tests.support.versions import add_altered_version, add_version

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

CLIENTS, SWITCHES = 4, 4
PHOTOS = [photo(level, seed=9) for level in (BRIGHT, MIDDLE, DARK)]


def promote(shop: Shop, model_hash: str) -> None:
    registry.promote(model_hash, engine=shop.connections.engine, by="test", reason="switch")


def reference(served: RunningService, version: str) -> list[dict[str, float]]:
    """Scores of the photos by one model version."""
    said = served.predict(*PHOTOS).json()
    assert said["model_version"] == version
    return [p["scores"] for p in said["photos"]]


def test_model_switch_under_load_loses_and_mixes_no_request(shop: Shop, tmp_path: Path) -> None:
    other = add_version(shop, tmp_path / "other", seed=3, pass_confidence=0.7)
    stop = threading.Event()
    with serving(shop) as served:
        known = {shop.model_hash: reference(served, shop.model_hash)}
        promote(shop, other)
        served.wait_for(other)
        known[other] = reference(served, other)
        assert known[other] != known[shop.model_hash]

        def ask(_client: int) -> list[dict[str, object]]:
            said = []
            with served.client() as client:
                while not stop.is_set():
                    answer = client.post("/predict", files=multipart_files(*PHOTOS))
                    assert answer.status_code == 200, answer.text
                    said.append(answer.json())
            return said

        with ThreadPoolExecutor(CLIENTS) as pool:
            asking = [pool.submit(ask, n) for n in range(CLIENTS)]
            try:
                for n in range(SWITCHES):
                    wanted = (shop.model_hash, other)[n % 2]
                    promote(shop, wanted)
                    served.wait_for(wanted)
            finally:
                stop.set()
            answers = [answer for future in asking for answer in future.result()]
    versions = {str(answer["model_version"]) for answer in answers}
    assert versions == {shop.model_hash, other}
    for answer in answers:
        scores = [p["scores"] for p in answer["photos"]]  # type: ignore[attr-defined]  # JSON
        assert scores == known[str(answer["model_version"])]


def test_failed_load_keeps_the_old_model(shop: Shop, tmp_path: Path) -> None:
    broken = add_version(shop, tmp_path / "broken", seed=4)
    shop.connections.models.put(f"models/{broken}/weights.safetensors", b"no weights")
    with serving(shop) as served:
        promote(shop, broken)
        while served.metric('moderation_serve_switches_total{outcome="failed"}') == 0:
            assert served.predict(photo(DARK)).json()["model_version"] == shop.model_hash
        with served.client() as client:
            assert client.get("/readyz").status_code == 200
        promote(shop, shop.model_hash)
        assert served.predict(photo(DARK)).status_code == 200


def test_photo_bucket_is_well_with_rights_that_end_at_the_prefix(shop: Shop) -> None:
    with (
        connections_through_proxy(shop, allowed_under(shop.settings.photo_prefix)) as connections,
        serving(replace(shop, connections=connections), ready=False) as served,
    ):
        while "photos" not in served.service.watcher.checks:
            time.sleep(POLL_SECONDS)
        assert served.service.watcher.checks["photos"] == "ok"


@pytest.mark.parametrize("kind", ["nan", "constant", "missing"])
def test_version_without_usable_scores_is_not_loaded(
    shop: Shop, champion_folder: Path, tmp_path: Path, kind: str
) -> None:
    broken = add_altered_version(shop, champion_folder, tmp_path, spoil=kind)
    with serving(shop) as served:
        promote(shop, broken)
        while served.metric('moderation_serve_switches_total{outcome="failed"}') == 0:
            assert served.predict(photo(DARK)).json()["model_version"] == shop.model_hash
        said = served.predict(photo(DARK))
    assert (said.status_code, said.json()["model_version"]) == (200, shop.model_hash)


def test_changed_policy_is_loaded_and_broken_one_is_ignored(shop: Shop) -> None:
    import yaml  # noqa: PLC0415 - only this test needs it

    path = shop.settings.policy_file
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    with serving(shop) as served:
        before = served.predict(PHOTOS[0]).json()
        path.write_text("classes: 1", encoding="utf-8")
        while served.metric('moderation_serve_switches_total{outcome="failed"}') == 0:
            pass
        assert served.predict(PHOTOS[0]).json()["policy_version"] == before["policy_version"]
        with served.client() as client:
            assert client.get("/readyz").status_code == 200
        sharp = {"sharpness": {"enabled": True, "threshold": 1e5}}
        write_policy(path.parent, raw, screens=sharp)
        said = before
        while said["policy_version"] == before["policy_version"]:
            said = served.predict(PHOTOS[0]).json()
    assert before["decision"] == "pass"
    assert (said["decision"], said["reasons"]) == ("review", ["blurred"])
