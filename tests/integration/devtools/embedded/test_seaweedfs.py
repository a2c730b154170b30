import os
import shutil
import signal
import socket
import stat
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError

from devtools.embedded.seaweedfs import EmbeddedSeaweedFS
from ml.core.errors import ServiceError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

pytestmark = pytest.mark.integration

PHOTO = os.urandom(100_000)


@pytest.fixture(scope="module")
def server(open_folder: Path) -> Iterator[EmbeddedSeaweedFS]:
    server = EmbeddedSeaweedFS(open_folder / "sea,weed")  # SeaweedFS splits -dir at commas
    server.start()
    with closing(client(server)) as s3:
        s3.create_bucket(Bucket="photos")
        s3.put_object(Bucket="photos", Key="a/1.jpg", Body=PHOTO)
    yield server
    server.remove()


def client(server: EmbeddedSeaweedFS, secret: str | None = None) -> "S3Client":
    return boto3.session.Session().client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.access_key,
        aws_secret_access_key=secret or server.secret_key,
        region_name="us-east-1",
    )


def read(server: EmbeddedSeaweedFS, key: str = "a/1.jpg") -> bytes:
    with closing(client(server)) as s3:
        return s3.get_object(Bucket="photos", Key=key)["Body"].read()


def write(server: EmbeddedSeaweedFS, key: str) -> None:
    with closing(client(server)) as s3:
        s3.put_object(Bucket="photos", Key=key, Body=PHOTO)


def process(server: EmbeddedSeaweedFS) -> psutil.Process:
    (only,) = server._processes()
    return only


def answer(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as response:  # noqa: S310 - our own loopback server
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_second_start_reuses_the_seaweedfs_server(server: EmbeddedSeaweedFS) -> None:
    server.start()
    first = process(server).pid
    server.start()
    assert process(server).pid == first


def test_seaweedfs_listens_only_on_its_ports_on_loopback(server: EmbeddedSeaweedFS) -> None:
    server.start()
    listening = {
        (each.laddr.ip, each.laddr.port)
        for each in process(server).net_connections("tcp")
        if each.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", port) for port in server._require_state().ports.values()}


def test_every_port_rejects_requests_without_the_key(server: EmbeddedSeaweedFS) -> None:
    server.start()
    ports = server._require_state().ports
    assert answer(f"{server.endpoint_url}/") == 403
    assert answer(f"{server.endpoint_url}/photos/a/1.jpg") == 403
    assert answer(f"http://127.0.0.1:{ports['filer.port']}/buckets/photos/a/1.jpg") == 401
    with closing(client(server, secret="wrong-secret")) as s3, pytest.raises(ClientError) as caught:
        s3.list_buckets()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_secrets_and_objects_are_private_files(server: EmbeddedSeaweedFS) -> None:
    server.start()
    files = [path for path in server._dir.rglob("*") if path.is_file()]
    readable = [path for path in files if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert all(path.is_relative_to(server._dir / "objects") for path in readable)
    assert stat.S_IMODE((server._dir / "objects").stat().st_mode) == 0o700
    assert server.secret_key not in repr(server._require_state())
    assert server.secret_key not in " ".join(process(server).cmdline())


def test_photos_can_be_put_into_five_buckets(server: EmbeddedSeaweedFS) -> None:
    server.start()
    with closing(client(server)) as s3:
        for number in range(5):
            bucket = f"bucket-{number}"
            s3.create_bucket(Bucket=bucket)
            for key in range(5):
                s3.put_object(Bucket=bucket, Key=f"{key}.jpg", Body=PHOTO)
            assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 5


def test_put_into_an_unknown_bucket_fails(server: EmbeddedSeaweedFS) -> None:
    server.start()
    with closing(client(server)) as s3, pytest.raises(s3.exceptions.NoSuchBucket):
        s3.put_object(Bucket="photoss", Key="a", Body=b"x")


def test_restart_on_other_ports_keeps_data(server: EmbeddedSeaweedFS) -> None:
    server.start()
    write(server, "restarted.jpg")
    server.stop()
    assert not server.is_running()
    old = server._require_state().ports
    with ExitStack() as held:
        held.enter_context(socket.create_server(("127.0.0.1", old["filer.port.grpc"])))
        server.start()
    assert not set(old.values()) & set(server._require_state().ports.values())
    # Immediately: the components must be connected before start() returns.
    assert read(server, "restarted.jpg") == read(server) == PHOTO


def test_kill_9_loses_no_acknowledged_object(server: EmbeddedSeaweedFS) -> None:
    server.start()
    ports = server._require_state().ports
    write(server, "killed.jpg")
    os.kill(process(server).pid, signal.SIGKILL)
    server.start()
    assert read(server, "killed.jpg") == PHOTO
    assert server._require_state().ports == ports


def test_failed_seaweedfs_start_shows_log_and_remedy(server: EmbeddedSeaweedFS) -> None:
    server.start()
    server.stop()
    index = server._dir / "objects" / "filerldb2"
    index.rename(server._dir / "kept")
    index.touch()
    with pytest.raises(ServiceError, match=r"(?s)SeaweedFS ended while starting.*filerldb2.*Fix"):
        server.start()
    index.unlink()
    (server._dir / "kept").rename(index)
    server.start()
    assert read(server) == PHOTO


def test_server_with_a_deleted_folder_is_killed(open_folder: Path) -> None:
    server = EmbeddedSeaweedFS(open_folder / "deleted")
    server.start()
    shutil.rmtree(server._dir)
    assert server.is_running()
    server._dir.mkdir()
    server._create_state()
    assert not server.is_running()


def test_stop_removes_sockets_from_tmp(server: EmbeddedSeaweedFS) -> None:
    server.start()
    server.stop()
    ports = server._require_state().ports.values()
    left = [each for port in ports for each in Path("/tmp").glob(f"seaweedfs-*-{port}.sock")]  # noqa: S108 - weed's choice
    assert left == []
