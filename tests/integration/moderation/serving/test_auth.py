"""Closed by default: each route without a key, with a wrong or revoked key, without the right."""

import time
from collections.abc import Callable

import httpx
import pytest

from ml.storage.api_keys import ApiKeyScope, revoke_key
from ml.storage.database import in_transaction
from tests.support.photos import photo
from tests.support.servers import Shop
from tests.support.serving import SECONDS, RunningService, multipart_files, new_key, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

CLOSED = {"/predict": "POST", "/metrics": "GET", "/openapi.json": "GET"}


def call(served: RunningService, path: str, token: str | None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    files = multipart_files(photo()) if path == "/predict" else None
    return httpx.request(
        CLOSED[path], f"{served.url}{path}", headers=headers, files=files,
        timeout=SECONDS, trust_env=False,
    )  # fmt: skip


def readiness(served: RunningService) -> httpx.Response:
    return httpx.get(f"{served.url}/readyz", trust_env=False, timeout=SECONDS)


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_every_route_has_an_access_test(served: RunningService) -> None:
    with served.client() as client:
        described = set(client.get("/openapi.json").json()["paths"])
    assert described == {*CLOSED, "/healthz", "/readyz"}


@pytest.mark.parametrize("path", CLOSED)
def test_request_without_a_known_key_is_401(served: RunningService, path: str) -> None:
    for token in (None, "mod_" + "0" * 12 + "_" + "x" * 43, served.token[:-1] + "~"):
        answer = call(served, path, token)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json()["error"]["reason"] in ("key_missing", "key_unknown")


@pytest.mark.parametrize("path", CLOSED)
def test_request_without_the_right_is_403(served: RunningService, path: str) -> None:
    right = ApiKeyScope.PREDICT if path == "/metrics" else ApiKeyScope.METRICS
    token = new_key(served.shop, f"other right {path}", right)
    until(lambda: call(served, path, token).status_code != 401)
    answer = call(served, path, token)
    assert answer.status_code == 403
    assert answer.json()["error"]["reason"] == "right_missing"


def test_new_key_is_accepted_and_revoked_key_is_403(served: RunningService) -> None:
    engine = served.shop.connections.engine
    token = new_key(served.shop, "short-lived", ApiKeyScope.PREDICT)
    until(lambda: call(served, "/predict", token).status_code == 200)
    assert in_transaction(engine, lambda c: revoke_key(c, "short-lived"))
    until(lambda: call(served, "/predict", token).status_code == 403)
    assert call(served, "/predict", token).json()["error"]["reason"] == "key_revoked"


def test_database_does_not_contain_the_secret(served: RunningService) -> None:
    secret = served.token[17:]
    [[found]] = served.shop.rows("select string_agg(k::text, '') from moderation.api_key k")
    assert secret not in str(found)
    assert served.token[4:16] in str(found)


def test_key_over_its_rate_is_429_with_retry_after(served: RunningService) -> None:
    token = new_key(served.shop, "slow", ApiKeyScope.PREDICT, requests_per_minute=6)
    until(lambda: call(served, "/openapi.json", token).status_code == 200)
    assert call(served, "/predict", token).status_code == 200
    refused = call(served, "/predict", token)
    assert refused.status_code == 429
    assert refused.json()["error"]["reason"] == "too_many_requests"
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert call(served, "/predict", served.token).status_code == 200  # keys do not share limits


def test_health_needs_no_key_and_reveals_little(served: RunningService) -> None:
    alive = httpx.get(f"{served.url}/healthz", trust_env=False, timeout=SECONDS)
    ready = readiness(served)
    assert alive.json() == {"status": "alive"}
    assert ready.json() == {
        "ready": True,
        "loaded": True,
        "computation": "torch float32",
        "checks": dict.fromkeys(("champion", "database", "models", "photos"), "ok"),
    }


def test_service_without_a_champion_is_alive_and_not_ready(shop: Shop) -> None:
    shop.execute("delete from moderation.champion")
    with serving(shop, ready=False) as served:
        until(lambda: call(served, "/metrics", served.token).status_code == 200)
        until(lambda: "champion" in readiness(served).json()["checks"])
        ready, answer = readiness(served), served.predict(photo())
    assert ready.status_code == answer.status_code == 503
    assert ready.json()["checks"]["champion"] == "none"
    assert answer.json()["error"]["reason"] == "not_ready"
    assert int(answer.headers["Retry-After"]) >= 1
