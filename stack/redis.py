"""A Redis of our own on 127.0.0.1: the broker between Airflow's scheduler and Celery workers."""

import os
import secrets
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path

import redis

from ml.embedded import state
from ml.embedded.ports import LOOPBACK, free_ports
from ml.embedded.process import wait_for
from ml.errors import ServiceError
from stack import processes

PROGRAM = "redis-server"
NAME = "redis"
START_SECONDS = 30.0


@dataclass(frozen=True)
class _Known:
    port: int
    password: str = field(repr=False)


class Redis:
    """One server under a folder; it ends with the folder's other processes.

    Args:
        home: the folder that `stack.processes` keeps its pids in.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._folder = home / NAME

    @staticmethod
    def is_installed() -> bool:
        """Say whether this machine has the program (Debian: `apt-get install redis-server`)."""
        return shutil.which(PROGRAM) is not None

    @property
    def url(self) -> str:
        """Address with the password."""
        known = self._known()
        return f"redis://:{known.password}@{LOOPBACK}:{known.port}/0"

    def start(self) -> None:
        """Start the server unless it runs; returns when it answers.

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

    def _known(self) -> _Known:
        file = self._folder / "state.json"
        known = state.load(file, _Known)
        if known is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            known = _Known(port=free_ports(1)[0], password=secrets.token_hex(24))
            state.save(file, asdict(known))
        return known

    def _configuration(self) -> Path:
        """The configuration as a private file: a password in a command line is public."""
        known = self._known()
        lines = (
            f"bind {LOOPBACK}",
            f"port {known.port}",
            f"requirepass {known.password}",
            f"dir {self._folder}",
            # Messages in the queue survive a restart; at most the last second's are lost.
            "appendonly yes",
            'save ""',
        )
        file = self._folder / "redis.conf"
        file.touch(mode=0o600)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return file
