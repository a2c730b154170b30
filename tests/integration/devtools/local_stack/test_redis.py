from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from devtools.local_stack import processes
from devtools.local_stack.redis import Redis
from tests.support.programs import NO_REDIS, require_program

pytestmark = pytest.mark.integration


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    require_program(Redis.is_installed(), NO_REDIS)
    yield tmp_path
    processes.stop_all(tmp_path)


def test_redis_queue_survives_a_kill(home: Path) -> None:
    server = Redis(home)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.rpush("gpu", "a message")
    processes.kill(home, "redis")
    again = Redis(home)
    again.start()
    assert again.url == server.url
    with redis.Redis.from_url(again.url) as client:
        assert client.lrange("gpu", 0, -1) == [b"a message"]


def test_redis_rejects_clients_without_the_password(home: Path) -> None:
    server = Redis(home)
    server.start()
    before, after = server.url.split("@")
    with (
        redis.Redis.from_url(f"redis://{after}") as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    (found,) = (process.cmdline() for process in processes.find(home).values())
    password = before.rsplit(":", 1)[-1]
    assert password not in " ".join(found)
    assert (home / "redis" / "redis.conf").stat().st_mode & 0o077 == 0
