"""A real Airflow on this machine: its identity, its environment, its start and end."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.fernet import Fernet
from sqlalchemy import make_url

from ml.embedded.ports import free_ports
from ml.embedded.services import Services
from ml.errors import ServiceError
from ml.settings import ROOT, Settings
from stack import processes
from stack.airflow_client import Client

COMPONENTS = ("api-server", "scheduler", "dag-processor")
ADMIN, SERVICE = "admin", "moderation"  # a person; and the DAGs' own account, for run notes
# One account a role of Airflow's simple auth manager, so that the audit log names who decided.
ACCOUNTS = {
    ADMIN: "admin",
    "owner": "op",
    "reviewer": "user",
    "reviewer2": "user",
    "viewer": "viewer",
    SERVICE: "user",
}
OWNERS = [ADMIN, "owner"]  # of the model: who answers `approve`
START_SECONDS = 120.0
SERVE_LOGS = ("scheduler", "triggerer")  # components that would open a port for their logs


@dataclass(frozen=True)
class Identity:
    """Secrets and port of one installation; made once, kept in a file that only its owner reads."""

    port: int
    fernet_key: str
    jwt_secret: str
    api_secret: str
    passwords: dict[str, str]  # of each of ACCOUNTS

    def __repr__(self) -> str:
        """Without the secrets."""
        return f"Identity(port={self.port})"


class Airflow:
    """One installation under a folder.

    Args:
        home: AIRFLOW_HOME; logs, pids and passwords lie there.
        services: the embedded servers; Airflow's metadata has a database of its own there.
        settings: passed on to the tasks, with the servers' addresses filled in.
        extra: further environment variables of Airflow's processes.
    """

    def __init__(
        self,
        home: Path,
        services: Services,
        settings: Settings,
        extra: dict[str, str] | None = None,
    ) -> None:
        self._home = home
        self._services = services
        self._settings = settings
        self._extra = extra or {}
        self._identity = _identity(home)

    @property
    def home(self) -> Path:
        """AIRFLOW_HOME; `stack.processes` finds its processes there."""
        return self._home

    @property
    def url(self) -> str:
        """Where the UI answers."""
        return f"http://127.0.0.1:{self._identity.port}"

    @property
    def passwords_file(self) -> Path:
        """Where the UI's users and passwords are."""
        return self._home / "passwords.json"

    def environment(self) -> dict[str, str]:
        """The environment of every Airflow process."""
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return inherited | self._airflow_variables() | self._moderation_variables() | self._extra

    def _airflow_variables(self) -> dict[str, str]:
        database = make_url(self._services.airflow_database_url)
        database = database.set(drivername="postgresql+psycopg2")  # Airflow's own driver
        me = self._identity
        return {
            "AIRFLOW_HOME": str(self._home),
            # Threads that wait sleep, and leave the cores to decoders and other tasks: judging is a
            # tenth faster so, and training beside other work several times.
            "OMP_WAIT_POLICY": "PASSIVE",
            "PYTHONPATH": str(ROOT),  # for `ml` in DAG files and tasks
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": me.fernet_key,
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(
                f"{name}:{role}" for name, role in ACCOUNTS.items()
            ),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.passwords_file),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": str(me.port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__SECRET_KEY": me.api_secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": me.jwt_secret,
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.render_as_string(hide_password=False),
            # A new DAG file shows within seconds, and short tasks follow each other at once.
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
            "AIRFLOW_CONN_MODERATION_AIRFLOW_API": json.dumps(
                {
                    "conn_type": "http",
                    "host": "127.0.0.1",
                    "port": me.port,
                    "login": SERVICE,
                    "password": me.passwords[SERVICE],
                }
            ),
        }

    def _moderation_variables(self) -> dict[str, str]:
        settings = self._settings
        values = {
            "DATABASE_URL": settings.database_url or self._services.database_url,
            "S3_ENDPOINT_URL": settings.s3_endpoint_url or self._services.s3_endpoint_url,
            "S3_ACCESS_KEY": settings.s3_access_key or self._services.s3_access_key,
            "S3_SECRET_KEY": settings.s3_secret_key or self._services.s3_secret_key,
            "DATA_DIR": settings.data_dir,
            "MODEL_OWNERS": json.dumps(OWNERS),
        }
        return {f"MODERATION_{name}": _plain(value) for name, value in values.items()}

    def prepare(self) -> None:
        """Create or update the metadata database and the pool of the judging tasks."""
        self._command("db", "migrate")
        pool = self._settings.judge_pool
        self._command("pools", "set", pool, "1", "one judging task a GPU or machine")

    def _command(self, *arguments: str) -> None:
        done = subprocess.run(
            airflow_command(*arguments),
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = done.stdout + done.stderr
            raise ServiceError(f"`airflow {' '.join(arguments)}` failed:\n{said}")

    def start(self, components: Collection[str] = COMPONENTS) -> None:
        """Start what is not running; returns when the API and what else was started is healthy."""
        running = processes.find(self._home)
        for name in components:
            if name not in running:
                # The API server reads task logs from the same disk: no log server on a port.
                options = ["--skip-serve-logs"] if name in SERVE_LOGS else []
                command = airflow_command(name, *options)
                processes.start(self._home, name, command, self.environment())
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy(components):
            if time.monotonic() > deadline:
                logs = self._home / "processes"
                raise ServiceError(
                    f"Airflow did not get healthy in {START_SECONDS:.0f} s; see {logs}"
                )
            time.sleep(0.5)

    def _healthy(self, components: Collection[str]) -> bool:
        running = processes.find(self._home)
        for name in components:
            if name not in running:
                raise ServiceError(f"Airflow's {name} ended; see {self._home}/processes/{name}.log")
        try:
            health = httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5).json()
        except (httpx.HTTPError, ValueError):
            return False
        started = [name.replace("-", "_") for name in components if name != "api-server"]
        parts = ("metadatabase", *started)
        return all((health.get(part) or {}).get("status") == "healthy" for part in parts)

    def stop(self) -> None:
        """End all of Airflow's processes, their tasks included."""
        processes.stop_all(self._home)

    def client(self, account: str = ADMIN) -> Client:
        """A client of the REST API, logged in as one of ACCOUNTS."""
        return Client(self.url, user=account, password=self.password(account))

    def password(self, account: str) -> str:
        """The password of one of ACCOUNTS."""
        return self._identity.passwords[account]


def airflow_command(*arguments: str) -> list[str]:
    """A command line of Airflow's, in this Python."""
    return [sys.executable, "-m", "airflow", *arguments]


def _identity(home: Path) -> Identity:
    file = home / "identity.json"
    if file.is_file():
        known = json.loads(file.read_text())
        if known.get("passwords", {}).keys() == ACCOUNTS.keys():
            return Identity(**known)
    made = Identity(
        port=free_ports(1)[0],
        fernet_key=Fernet.generate_key().decode(),
        jwt_secret=secrets.token_urlsafe(48),
        api_secret=secrets.token_urlsafe(48),
        passwords={name: secrets.token_urlsafe(16) for name in ACCOUNTS},
    )
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    _write_private(file, made.__dict__)
    _write_private(home / "passwords.json", made.passwords)
    return made


def _write_private(path: Path, content: dict[str, Any]) -> None:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))


def _plain(value: object) -> str:
    reveal = getattr(value, "get_secret_value", None)
    return str(reveal() if reveal else value)
