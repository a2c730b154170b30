"""SeaweedFS and Redis, started on this machine as docker-compose.yaml starts them."""

import json
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import redis
from pydantic import SecretStr

import create_storage
from devtools.embedded.ports import free_ports
from healthcheck import is_healthy
from make_secrets import generate_secrets, write_secrets
from ml.core.errors import StorageForbidden
from ml.core.s3_settings import S3Settings
from ml.storage.object_store import ObjectStore
from ml.storage.s3_client import s3_client
from tests.support.compose import MAIN, services
from tests.support.programs import NO_REDIS, require_program

pytestmark = pytest.mark.integration

SECONDS = 90.0


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    write_secrets(folder, generate_secrets({}))
    return folder


@contextmanager
def started(command: list[str], home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that is killed at the end."""
    with (home / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=home, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def command_of(name: str, **replaced: str) -> list[str]:
    """Return a service's command with local paths and ports."""
    command = services(MAIN)[name]["command"]
    for path, ours in replaced.items():
        command = [part.replace(path, ours) for part in command]
    return [str(part) for part in command]


@dataclass(frozen=True)
class Storage:
    """A running SeaweedFS and its secrets."""

    url: str
    port: int
    grpc_port: int
    pid: int
    secrets: Path

    def bucket(self, account: str, name: str) -> ObjectStore:
        """Return a bucket with the keys of an account; `nobody` has unknown keys."""
        accounts = json.loads((self.secrets / "s3_identities").read_text())["identities"]
        keys = {a["name"]: a["credentials"][0] for a in accounts}
        key = keys.get(account, {"accessKey": "nobody", "secretKey": "no-such-secret"})
        client = s3_client(
            S3Settings(
                s3_endpoint_url=self.url,
                s3_access_key=SecretStr(key["accessKey"]),
                s3_secret_key=SecretStr(key["secretKey"]),
            )
        )
        return ObjectStore(client, name)


@pytest.fixture
def storage(secrets: Path, tmp_path: Path) -> Iterator[Storage]:
    names = (
        "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
        "filer.port", "filer.port.grpc", "s3.port.grpc",
    )  # fmt: skip
    port, *inner = free_ports(1 + len(names))
    (tmp_path / "objects").mkdir()
    replaced = {
        "/run/secrets/s3_identities": str(secrets / "s3_identities"),
        "/objects": str(tmp_path / "objects"),
        "8333": str(port),
    }
    weed = Path(sysconfig.get_path("scripts")) / "weed"
    command = [str(weed), *command_of("object-storage", **replaced)]
    command += [f"-{name}={number}" for name, number in zip(names, inner, strict=True)]
    health = services(MAIN)["object-storage"]["healthcheck"]["test"][-1]
    with started(command, tmp_path) as process:
        deadline = time.monotonic() + SECONDS
        while not is_healthy(health.replace("8333", str(port))):
            assert time.monotonic() < deadline, (tmp_path / "server.log").read_text()[-2000:]
            time.sleep(0.2)
        yield Storage(f"http://127.0.0.1:{port}", port, inner[-1], process.pid, secrets)


def make_buckets(storage: Storage) -> None:
    identities = (storage.secrets / "s3_identities").read_text()
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            create_storage.create_buckets(
                identities, endpoint_url=storage.url, buckets=["review-photos", "moderation"]
            )
        except StorageForbidden:
            raise
        except Exception:  # the components are ready a few seconds after the port is open
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def test_each_s3_account_has_only_its_permissions(storage: Storage) -> None:
    make_buckets(storage)
    make_buckets(storage)
    shop = storage.bucket("shop", "review-photos")
    shop.put("reviews/1.jpg", b"photo")
    photos = storage.bucket("moderation", "review-photos")
    assert photos.get("reviews/1.jpg") == b"photo"
    assert [o.key for page in photos.list_pages("") for o in page] == ["reviews/1.jpg"]
    with pytest.raises(StorageForbidden):
        photos.put("reviews/1.jpg", b"other")
    with pytest.raises(StorageForbidden):
        photos.delete("reviews/1.jpg")
    models = storage.bucket("moderation", "moderation")
    models.create()  # exists already: `ml migrate` needs no permission to create buckets
    models.put("version", b"weights")
    models.delete("version")
    for account, name in (
        ("shop", "moderation"),
        ("nobody", "review-photos"),
        ("nobody", "moderation"),
    ):
        with pytest.raises(StorageForbidden):
            storage.bucket(account, name).check("")
    with pytest.raises(StorageForbidden):
        storage.bucket("moderation", "another-bucket").create()


def test_only_the_s3_ports_are_reachable_from_other_hosts(storage: Storage) -> None:
    connections = psutil.Process(storage.pid).net_connections()
    listening = [c.laddr for c in connections if c.status == "LISTEN"]
    is_open = {a.port for a in listening if a.ip not in ("127.0.0.1", "::1")}
    # S3's gRPC port listens on S3's address; the container does not publish it.
    assert is_open == {storage.port, storage.grpc_port}


def test_redis_requires_its_password_and_its_health_check_passes(
    secrets: Path, tmp_path: Path
) -> None:
    require_program(shutil.which("redis-server"), NO_REDIS)
    (port,) = free_ports(1)
    replaced = {"/run/secrets/redis_conf": str(secrets / "redis_conf"), "/data": str(tmp_path)}
    command = [*command_of("redis", **replaced), "--port", str(port), "--bind", "127.0.0.1"]
    _, check = services(MAIN)["redis"]["healthcheck"]["test"]
    check = check.replace("$$", "$").replace("/run/secrets/redis_conf", str(secrets / "redis_conf"))
    check = check.replace("redis-cli", f"redis-cli -p {port}")
    with started(command, tmp_path):
        deadline = time.monotonic() + SECONDS
        while subprocess.run(["/bin/sh", "-c", check], check=False).returncode:
            assert time.monotonic() < deadline, (tmp_path / "server.log").read_text()[-2000:]
            time.sleep(0.2)
        broker = (
            (secrets / "celery_broker_url").read_text().replace("redis:6379", f"127.0.0.1:{port}")
        )
        with closing(redis.Redis.from_url(broker)) as client:
            assert client.ping()
            kept = client.config_get("appendonly") | client.config_get("maxmemory-policy")
            assert kept == {"appendonly": "yes", "maxmemory-policy": "noeviction"}
        with (
            closing(redis.Redis(port=port)) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
