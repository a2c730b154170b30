"""A real uvicorn over a shop, in a thread of its own, and what tests send it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from fastapi import FastAPI

from ml.embedded.ports import free_ports
from ml.serving.server import make_server
from ml.serving.service import Service
from ml.settings import Settings
from ml.storage.api_keys import Right, create_key
from ml.storage.database import in_transaction
from tests.support.servers import Shop

SECONDS = 600.0  # until anything at all; the machine may be busy
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Served:
    """A service that answers at `url`, and a key that may do everything."""

    shop: Shop
    url: str
    port: int
    token: str
    server: uvicorn.Server

    @property
    def service(self) -> Service:
        """What answers, for tests that hold a part of it up."""
        app: FastAPI = self.server.config.app  # type: ignore[assignment]  # it is the one we made
        service: Service = app.state.service
        return service

    def client(self, token: str | None = None) -> httpx.Client:
        """A client with a key."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=SECONDS, trust_env=False)

    def predict(self, *photos: bytes, keys: tuple[str, ...] = ()) -> httpx.Response:
        """One request."""
        with self.client() as client:
            return client.post("/predict", files=parts(*photos, keys=keys))

    def metric(self, line: str) -> float:
        """The figure of a line of /metrics, 0 where it is not there yet."""
        with self.client() as client:
            text = client.get("/metrics").text
        found = [row for row in text.splitlines() if row.startswith(f"{line} ")]
        return float(found[0].rpartition(" ")[2]) if found else 0.0

    def wait_for(self, version: str) -> None:
        """Until a version answers."""
        deadline = time.monotonic() + SECONDS
        while self.metric_version() != version:
            assert time.monotonic() < deadline, f"{version} was not loaded"
            time.sleep(POLL_SECONDS)

    def metric_version(self) -> str:
        """The model hash that /metrics names."""
        with self.client() as client:
            text = client.get("/metrics").text
        [line] = [r for r in text.splitlines() if r.startswith("moderation_serve_version_info{")]
        return line.partition('model="')[2].partition('"')[0]


def parts(
    *photos: bytes, keys: tuple[str, ...] = ()
) -> list[tuple[str, tuple[str | None, bytes | str]]]:
    """Multipart fields as httpx takes them."""
    files: list[tuple[str, tuple[str | None, bytes | str]]] = [
        ("image", (f"{number}.jpg", data)) for number, data in enumerate(photos)
    ]
    return files + [("key", (None, key)) for key in keys]


def new_key(shop: Shop, name: str, *rights: Right, **limits: int) -> str:
    """A key as it is shown once."""
    return in_transaction(shop.connections.engine, lambda c: create_key(c, name, rights, **limits))


def settings_of(shop: Shop, **update: object) -> Settings:
    """The shop's settings for a service that polls often."""
    quick = {"serve_port": free_ports(1)[0], "serve_poll_seconds": POLL_SECONDS}
    generous = {"serve_answer_seconds": SECONDS, "serve_requests_per_minute": 1_000_000}
    changed = shop.settings.model_copy(update={**quick, **generous, **update})
    return Settings.model_validate(changed.model_dump())


@contextmanager
def serving(shop: Shop, *, ready: bool = True, **update: object) -> Iterator[Served]:
    """Serve a shop with some settings changed; everything is stopped at the end."""
    settings = settings_of(shop, **update)
    token = new_key(shop, "tests", Right.PREDICT, Right.METRICS)
    server = make_server(settings, shop.connections)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{settings.serve_port}"
    try:
        _wait(url, "/readyz" if ready else "/healthz")
        yield Served(shop, url, settings.serve_port, token, server)
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
