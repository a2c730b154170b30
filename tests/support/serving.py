"""The prediction service of a shop, run by uvicorn in a thread, and requests to it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from fastapi import FastAPI

from devtools.embedded.ports import free_ports
from ml.core.settings import Settings
from ml.moderation.serving.app import make_server
from ml.moderation.serving.service import Service
from ml.storage.api_keys import ApiKeyScope, create_key
from ml.storage.database import in_transaction
from tests.support.servers import Shop

SECONDS = 600.0  # any timeout; the machine may be busy
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class RunningService:
    """A running service at `url`, and an API key with all scopes."""

    shop: Shop
    url: str
    port: int
    token: str
    server: uvicorn.Server

    @property
    def service(self) -> Service:
        """The service object, for tests that block a part of it."""
        app: FastAPI = self.server.config.app  # type: ignore[assignment]  # it is the one we made
        service: Service = app.state.service
        return service

    def client(self, token: str | None = None) -> httpx.Client:
        """Return a client with an API key."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=SECONDS, trust_env=False)

    def predict(self, *photos: bytes, keys: tuple[str, ...] = ()) -> httpx.Response:
        """Send one request."""
        with self.client() as client:
            return client.post("/predict", files=multipart_files(*photos, keys=keys))

    def metric(self, line: str) -> float:
        """Return the value of a line of /metrics; 0 if it is missing."""
        with self.client() as client:
            text = client.get("/metrics").text
        found = [row for row in text.splitlines() if row.startswith(f"{line} ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    def wait_for(self, version: str) -> None:
        """Wait until a version is loaded."""
        deadline = time.monotonic() + SECONDS
        while self.metric_version() != version:
            assert time.monotonic() < deadline, f"{version} was not loaded"
            time.sleep(POLL_SECONDS)

    def metric_version(self) -> str:
        """Return the model hash in /metrics."""
        with self.client() as client:
            text = client.get("/metrics").text
        [line] = [r for r in text.splitlines() if r.startswith("moderation_serve_version_info{")]
        return line.partition('model="')[2].partition('"')[0]


def multipart_files(
    *photos: bytes, keys: tuple[str, ...] = ()
) -> list[tuple[str, tuple[str | None, bytes | str]]]:
    """Return multipart fields for httpx."""
    files: list[tuple[str, tuple[str | None, bytes | str]]] = [
        ("image", (f"{number}.jpg", data)) for number, data in enumerate(photos)
    ]
    return files + [("key", (None, key)) for key in keys]


def new_key(shop: Shop, name: str, *rights: ApiKeyScope, **limits: int) -> str:
    """Create an API key and return its token."""
    return in_transaction(shop.connections.engine, lambda c: create_key(c, name, rights, **limits))


def service_settings(shop: Shop, **update: object) -> Settings:
    """Return the shop's settings for a service that polls often."""
    quick = {"serve_port": free_ports(1)[0], "serve_poll_seconds": POLL_SECONDS}
    generous = {"serve_request_timeout_seconds": SECONDS, "serve_requests_per_minute": 1_000_000}
    changed = shop.settings.model_copy(update={**quick, **generous, **update})
    return Settings.model_validate(changed.model_dump())


@contextmanager
def serving(shop: Shop, *, ready: bool = True, **update: object) -> Iterator[RunningService]:
    """Serve a shop with some settings changed until the block ends."""
    settings = service_settings(shop, **update)
    token = new_key(shop, "tests", ApiKeyScope.PREDICT, ApiKeyScope.METRICS)
    server = make_server(settings, shop.connections)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{settings.serve_port}"
    try:
        _wait(url, "/readyz" if ready else "/healthz")
        yield RunningService(shop, url, settings.serve_port, token, server)
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        shop.execute("delete from moderation.api_key where name = 'tests'")


def _wait(url: str, path: str) -> None:
    deadline = time.monotonic() + SECONDS
    said = ""
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{url}{path}", timeout=SECONDS, trust_env=False)
            said = answer.text
            if answer.status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"{path} did not become 200: {said}")
