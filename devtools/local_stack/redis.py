"""A local Redis server on 127.0.0.1, the broker of Airflow's Celery workers."""

import os
import secrets
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import redis

from devtools.embedded import state
from devtools.embedded.ports import LOOPBACK, free_ports
from devtools.embedded.process import wait_for
from devtools.local_stack import processes
from ml.core.errors import ServiceError

PROGRAM = "redis-server"
NAME = "redis"
START_SECONDS = 30.0


@dataclass(frozen=True)
class _RedisState:
    port: int
    password: str = field(repr=False)


class Redis:
    """A Redis server that `processes.stop_all(home)` stops with the other processes.

    Args:
        home: folder in which `devtools.local_stack.processes` keeps its pids.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home / NAME

    @staticmethod
    def is_installed() -> bool:
        """Return whether the program is installed (Debian: `apt-get install redis-server`)."""
        return shutil.which(PROGRAM) is not None

    @property
    def url(self) -> str:
        """URL with the password."""
        known = self._load_or_create_state()
        return f"redis://:{known.password}@{LOOPBACK}:{known.port}/0"

    def start(self) -> None:
        """Start the server unless it runs, and wait until it answers.

        Raises:
            ServiceError: the program is missing, or it did not answer in time.
        """
        if not self.is_installed():
            raise ServiceError(f"the program `{PROGRAM}` is missing: install Redis, or Valkey")
        if NAME not in processes.find(self._home):
            command = [PROGRAM, str(self._configuration())]
            processes.start(self._home, NAME, command, dict(os.environ))
        if not wait_for(self._answers, seconds=START_SECONDS):
            raise ServiceError(f"Redis did not answer; see {self._home}/processes/{NAME}.log")

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

    def _load_or_create_state(self) -> _RedisState:
        file = self._folder / "state.json"
        known = state.load(file, _RedisState)
        if known is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            known = _RedisState(port=free_ports(1)[0], password=secrets.token_hex(24))
            state.save(file, asdict(known))
        return known

    def _configuration(self) -> Path:
        """Write the configuration as a private file; a command line would show the password."""
        known = self._load_or_create_state()
        lines = (
            f"bind {LOOPBACK}",
            f"port {known.port}",
            f"requirepass {known.password}",
            f"dir {self._folder}",
            # Queued messages survive a restart; at most those of the last second are lost.
            "appendonly yes",
            'save ""',
        )
        file = self._folder / "redis.conf"
        file.touch(mode=0o600)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file
