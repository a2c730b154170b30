"""Load on `/predict`: a served process, clients in threads, and what became of each request."""

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
from ml.embedded.ports import free_ports
from ml.errors import ServiceError
from ml.settings import PREFIX, ROOT
from ml.storage.api_keys import Right, create_key
from ml.storage.database import in_transaction

_HANDED_ON = (
    "database_url", "s3_endpoint_url", "s3_access_key", "s3_secret_key", "data_dir", "policy_file",
    "batch_images", "decode_threads",
)  # fmt: skip
_BOUNDARY = "predict-benchmark"
_START_SECONDS = 600.0
_ANSWER_SECONDS = 600.0


@dataclass(frozen=True)
class Reply:
    """One request's end: status, seconds, and what the answer said."""

    photo: int
    status: int
    seconds: float
    version: str | None = None
    scores: dict[str, float] | None = None


@dataclass
class Load:
    """All replies of a run and its wall time."""

    replies: list[Reply] = field(default_factory=list)
    wall_seconds: float = 0.0

    @property
    def statuses(self) -> dict[int, int]:
        """How often each status came."""
        return dict(sorted(Counter(reply.status for reply in self.replies).items()))

    @property
    def answered(self) -> list[Reply]:
        """The replies with a verdict."""
        return [reply for reply in self.replies if reply.status == 200]

    @property
    def images_per_second(self) -> float:
        """Photos answered a second of wall time."""
        return len(self.answered) / self.wall_seconds

    def percentile(self, share: float) -> float:
        """Seconds within which this share of the answered requests came back."""
        ordered = sorted(reply.seconds for reply in self.answered)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


@dataclass(frozen=True)
class Serving:
    """A process that serves the shop."""

    port: int
    tokens: tuple[str, ...]
    process: psutil.Process

    @property
    def cpu_seconds(self) -> float:
        """Processor seconds it has used."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    @property
    def peak_mebibytes(self) -> float:
        """The kernel's high-water mark of its memory (proc(5), VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        fields = dict(line.split(":", 1) for line in status.splitlines())
        return int(fields["VmHWM"].split()[0]) / 2**10

    def send(self, connection: http.client.HTTPConnection, photo: int, body: bytes) -> Reply:
        """One request; a connection that broke is one that the service lost."""
        token = self.tokens[photo % len(self.tokens)]
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": f"multipart/form-data; boundary={_BOUNDARY}",
        }
        start = time.monotonic()
        try:
            connection.request("POST", "/predict", body, headers)
            response = connection.getresponse()
            said = json.loads(response.read())
        except (OSError, http.client.HTTPException):
            connection.close()
            return Reply(photo, 0, time.monotonic() - start)
        seconds = time.monotonic() - start
        if response.status != 200:
            return Reply(photo, response.status, seconds)
        return Reply(photo, 200, seconds, said["model_version"], said["scores"])


def multipart(data: bytes) -> bytes:
    """A photo as the body of a request."""
    head = (
        f"--{_BOUNDARY}\r\nContent-Disposition: form-data; "
        'name="image"; filename="photo.jpg"\r\n\r\n'
    )
    return head.encode() + data + f"\r\n--{_BOUNDARY}--\r\n".encode()


@contextmanager
def serving(shop: BenchShop, **settings: object) -> Iterator[Serving]:
    """Serve in a process of its own, until the block ends.

    Raises:
        ServiceError: it did not become ready; carries its last words.
    """
    [port] = free_ports(1)
    tokens = tuple(_key(shop, f"bench {n}") for n in range(4))
    log = shop.folder / "serve.log"
    with log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "ml", "serve", "--port", str(port)],
            env=_environment(shop, settings), cwd=ROOT, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        _wait(port, child, log)
        yield Serving(port, tokens, psutil.Process(child.pid))
    finally:
        child.terminate()
        child.wait(60)


def closed_loop(served: Serving, bodies: Sequence[bytes], *, clients: int) -> Load:
    """Each client sends its next photo when the last one is answered; every photo once."""
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

    return _together(client, clients)


def open_loop(
    served: Serving, bodies: Sequence[bytes], *, rate: float, seconds: float, clients: int
) -> Load:
    """Send `rate` requests a second, whatever becomes of them, as far as the clients can."""
    begin = time.monotonic()

    def client(number: int) -> list[Reply]:
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=_ANSWER_SECONDS)
        replies, turn = [], number
        while (due := begin + turn / rate) < begin + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            if time.monotonic() > begin + seconds:
                break
            photo = turn % len(bodies)
            replies.append(served.send(connection, photo, bodies[photo]))
            turn += clients
        connection.close()
        return replies

    return _together(client, clients)


def _together(client: Callable[[int], list[Reply]], clients: int) -> Load:
    start = time.monotonic()
    with ThreadPoolExecutor(clients) as pool:
        parts = list(pool.map(client, range(clients)))
    return Load([reply for part in parts for reply in part], time.monotonic() - start)


def _key(shop: BenchShop, name: str) -> str:
    limits = {"requests_per_minute": 1_000_000, "in_flight": 10_000}
    return in_transaction(
        shop.connections.engine,
        lambda c: create_key(c, f"{name} {time.time_ns()}", [Right.PREDICT], **limits),
    )


def _environment(shop: BenchShop, settings: dict[str, object]) -> dict[str, str]:
    values = {name: getattr(shop.settings, name) for name in _HANDED_ON} | settings
    return os.environ | {
        f"{PREFIX}{name.upper()}": str(v.get_secret_value() if isinstance(v, SecretStr) else v)
        for name, v in values.items()
    }


def _wait(port: int, child: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and child.poll() is None:
        try:
            url = f"http://127.0.0.1:{port}/readyz"
            if httpx.get(url, timeout=60, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    words = log.read_text(encoding="utf-8", errors="replace")[-2000:]
    raise ServiceError(f"the service did not become ready: {words}")
