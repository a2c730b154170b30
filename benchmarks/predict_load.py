"""Load on `/predict`: a service process, clients in threads, and the reply to each request."""

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from pydantic import SecretStr

from benchmarks.setup import BenchShop
from devtools.embedded.ports import free_ports
from ml.core.errors import ServiceError
from ml.core.settings import PREFIX, ROOT
from ml.storage.api_keys import ApiKeyScope, create_key
from ml.storage.database import in_transaction

_PASSED_SETTINGS = (
    "database_url", "s3_endpoint_url", "s3_access_key", "s3_secret_key", "data_dir", "policy_file",
    "batch_size", "decode_workers",
)  # fmt: skip
_BOUNDARY = "predict-benchmark"
_START_SECONDS = 600.0
_ANSWER_SECONDS = 600.0
_MAX_IDLE_SECONDS = 3.0  # of a connection: the service closes one after 5


@dataclass(frozen=True)
class Reply:
    """The reply to one request: status (0: connection lost), seconds, version and scores."""

    photo: int
    status: int
    seconds: float
    version: str | None = None
    scores: dict[str, float] | None = None


@dataclass
class LoadResult:
    """All replies of a run and its wall time."""

    replies: list[Reply] = field(default_factory=list)
    wall_seconds: float = 0.0

    @property
    def statuses(self) -> dict[int, int]:
        """Number of replies by status."""
        return dict(sorted(Counter(reply.status for reply in self.replies).items()))

    @property
    def answered(self) -> list[Reply]:
        """The replies with a verdict."""
        return [reply for reply in self.replies if reply.status == 200]

    @property
    def images_per_second(self) -> float:
        """Photos answered per second of wall time."""
        return len(self.answered) / self.wall_seconds

    def percentile(self, share: float) -> float:
        """Return the latency in seconds at a quantile (0..1) of the answered requests."""
        ordered = sorted(reply.seconds for reply in self.answered)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(frozen=True)
class ServingProcess:
    """A process that serves `/predict`."""

    port: int
    tokens: tuple[str, ...]
    process: psutil.Process

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds used so far."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    @property
    def peak_mebibytes(self) -> float:
        """The kernel's high-water mark of its memory (proc(5), VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields["VmHWM"].split()[0]) / 2**10

    def send(self, connection: http.client.HTTPConnection, photo: int, body: bytes) -> Reply:
        """Send one request; a broken connection gives status 0."""
        token = self.tokens[photo % len(self.tokens)]
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        }
        start = time.monotonic()
        try:
            connection.request("POST", "/predict", body, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, http.client.HTTPException):
            connection.close()
            return Reply(photo, 0, time.monotonic() - start)
        seconds = time.monotonic() - start
        if response.status != 200:
            return Reply(photo, response.status, seconds)
        return Reply(photo, 200, seconds, answer["model_version"], answer["scores"])


def multipart(data: bytes) -> bytes:
    """Return the request body of a photo."""
    head = (
        f"--{_BOUNDARY}\r\nContent-Disposition: form-data; "
        'name="image"; filename="photo.jpg"\r\n\r\n'
    )
    return head.encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()


@contextmanager
def run_service(shop: BenchShop, **settings: object) -> Iterator[ServingProcess]:
    """Run the service in its own process until the block ends.

    Raises:
        ServiceError: it did not become ready; carries the end of its log.
    """
    [port] = free_ports(1)
    tokens = tuple(_create_api_key(shop, f"bench {n}") for n in range(4))
    log = shop.folder / "serve.log"
    with log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "ml", "serve", "--port", str(port)],
            env=_environment(shop, settings), cwd=ROOT, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        _wait_until_ready(port, child, log)
        yield ServingProcess(port, tokens, psutil.Process(child.pid))
    finally:
        child.terminate()
        child.wait(60)


def closed_loop(served: ServingProcess, bodies: Sequence[bytes], *, clients: int) -> LoadResult:
    """Send every photo once; each client sends its next photo after the reply to the last."""
    numbers = iter(range(len(bodies)))
    lock = threading.Lock()

    def take() -> int | None:
        with lock:
            return next(numbers, None)

    def client(_number: int) -> list[Reply]:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=_ANSWER_SECONDS)
        replies = []
        while (photo := take()) is not None:
            replies.append(served.send(connection, photo, bodies[photo]))
        connection.close()
        return replies

    return _run_clients(client, clients)


def open_loop(
    served: ServingProcess, bodies: Sequence[bytes], *, rate: float, seconds: float, clients: int
) -> LoadResult:
    """Send `rate` requests per second regardless of replies, as far as the clients can."""
    begin = time.monotonic()

    def client(number: int) -> list[Reply]:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=_ANSWER_SECONDS)
        replies, turn = [], number
        while (due := begin + turn / rate) < begin + seconds:
            wait = max(0.0, due - time.monotonic())
            if wait > _MAX_IDLE_SECONDS:
                connection.close()
            time.sleep(wait)
            if time.monotonic() > begin + seconds:
                break
            photo = turn % len(bodies)
            replies.append(served.send(connection, photo, bodies[photo]))
            turn += clients
        connection.close()
        return replies

    return _run_clients(client, clients)


def _run_clients(client: Callable[[int], list[Reply]], clients: int) -> LoadResult:
    start = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        parts = list(pool.map(client, range(clients)))
    return LoadResult([reply for part in parts for reply in part], time.monotonic() - start)


def _create_api_key(shop: BenchShop, name: str) -> str:
    limits = {"requests_per_minute": 1_000_000, "in_flight": 10_000}
    return in_transaction(
        shop.connections.engine,
        lambda c: create_key(c, f"{name} {time.time_ns()}", [ApiKeyScope.PREDICT], **limits),
    )


def _environment(shop: BenchShop, settings: dict[str, object]) -> dict[str, str]:
    values = {name: getattr(shop.settings, name) for name in _PASSED_SETTINGS} | settings
    return os.environ | {
        f"{PREFIX}{name.upper()}": str(v.get_secret_value() if isinstance(v, SecretStr) else v)
        for name, v in values.items()
    }


def _wait_until_ready(port: int, child: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            url = f"http://127.0.0.1:{port}/readyz"
            if httpx.get(url, timeout=60, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    output = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise ServiceError(f"the service did not become ready: {output}")
