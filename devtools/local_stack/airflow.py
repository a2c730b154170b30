"""A real Airflow on this machine: identity, environment, start and stop."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import cast

import httpx
from sqlalchemy import make_url

from devtools.embedded.services import Services
from devtools.local_stack import processes
from devtools.local_stack.airflow_client import AirflowClient
from devtools.local_stack.identity import ACCOUNTS, ADMIN, APPROVERS, SERVICE, load_identity
from ml.core.errors import ServiceError
from ml.core.settings import ROOT, Settings
from ml.core.yaml_file import load_yaml

COMPONENTS = ("api-server", "scheduler", "dag-processor")
ENVIRONMENT = Path(__file__).with_name("airflow_environment.yaml")
START_SECONDS = 120.0
DATABASE_CONNECTION, S3_CONNECTION = "moderation_database", "moderation_s3"
# Components that would open a port to serve their logs.
LOG_SERVING_COMPONENTS = ("scheduler", "triggerer")


class Airflow:
    """One Airflow installation in a folder.

    Args:
        home: AIRFLOW_HOME, with logs, pids and passwords.
        services: the embedded servers; Airflow's metadata has its own database there.
        settings: passed to the tasks; missing server addresses are those of `services`.
        extra: additional environment variables of Airflow's processes.
        base_path: path under which it is served, such as `/airflow` behind a shared proxy.
        python: interpreter of the environment with Airflow; by default, this one.
        connections: whether Airflow connections have the credentials of database and bucket, not
            the environment; they are created when it has started.
    """

    def __init__(
        self,
        home: Path,
        services: Services,
        settings: Settings,
        extra: dict[str, str] | None = None,
        *,
        base_path: str = "",
        python: Path = Path(sys.executable),
        connections: bool = False,
    ) -> None:
        self._base_path, self._python, self._connections = base_path, python, connections
        self._home = home
        self._services = services
        self._settings = settings
        self._extra = extra or {}
        self._identity = load_identity(home)

    @property
    def home(self) -> Path:
        """AIRFLOW_HOME; `devtools.local_stack.processes` keeps its pids there."""
        return self._home

    @property
    def url(self) -> str:
        """URL of the UI."""
        return f"http://127.0.0.1:{self._identity.port}{self._base_path}"

    @property
    def passwords_file(self) -> Path:
        """File with the accounts' passwords."""
        return self._home / "passwords.json"

    def environment(self) -> dict[str, str]:
        """Return the environment of every Airflow process."""
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        return inherited | self._airflow_variables() | self._moderation_variables() | self._extra

    def _airflow_variables(self) -> dict[str, str]:
        database = make_url(self._services.airflow_database_url)
        database = database.set(drivername="postgresql+psycopg2")  # Airflow's own driver
        identity = self._identity
        service_connection = {
            "conn_type": "http",
            "host": "127.0.0.1",
            "port": identity.port,
            "login": SERVICE,
            "password": identity.passwords[SERVICE],
        }
        values = {
            "home": self._home,
            "root": ROOT,
            "url": self.url,
            "port": identity.port,
            "users": ",".join(f"{name}:{role}" for name, role in ACCOUNTS.items()),
            "passwords_file": self.passwords_file,
            "database_url": database.render_as_string(hide_password=False),
            "fernet_key": identity.fernet_key,
            "api_secret": identity.api_secret,
            "jwt_secret": identity.jwt_secret,
            "service_connection": json.dumps(service_connection),
        }
        templates = cast("dict[str, str]", load_yaml(ENVIRONMENT))
        return {name: template.format_map(values) for name, template in templates.items()}

    def _moderation_variables(self) -> dict[str, str]:
        settings = self._settings
        values: dict[str, object] = {
            "DATA_DIR": settings.data_dir,
            "APPROVERS": json.dumps(APPROVERS),
        }
        if self._connections:
            values |= {"DATABASE_CONN_ID": DATABASE_CONNECTION, "S3_CONN_ID": S3_CONNECTION}
        else:
            values |= {name.upper(): value for name, value in self._credentials().items()}
        return {f"MODERATION_{name}": _reveal(value) for name, value in values.items()}

    def _credentials(self) -> dict[str, object]:
        """What the settings name; those of a role have no keys, those of AWS no endpoint."""
        settings = self._settings
        values = {
            "database_url": settings.database_url or self._services.database_url,
            "s3_endpoint_url": settings.s3_endpoint_url,
            "s3_access_key": settings.s3_access_key,
            "s3_secret_key": settings.s3_secret_key,
        }
        return {name: value for name, value in values.items() if value is not None}

    def _create_connections(self) -> None:
        fields = {name: _reveal(value) for name, value in self._credentials().items()}
        with self.client() as client:
            client.put_connection(DATABASE_CONNECTION, database_connection(fields["database_url"]))
            store = {
                "conn_type": "aws",
                "login": fields.get("s3_access_key"),
                "password": fields.get("s3_secret_key"),
                "extra": json.dumps({"endpoint_url": fields.get("s3_endpoint_url")}),
            }
            client.put_connection(S3_CONNECTION, store)

    def prepare(self) -> None:
        """Create or migrate the metadata database, and create the pool of the scoring tasks."""
        self._run_airflow("db", "migrate")
        pool = self._settings.gpu_pool
        self._run_airflow("pools", "set", pool, "1", "scoring tasks at once")

    def _run_airflow(self, *arguments: str) -> None:
        done = subprocess.run(
            airflow_command(*arguments, python=self._python),
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            output = done.stdout + done.stderr
            raise ServiceError(f"`airflow {' '.join(arguments)}` failed:\n{output}")

    def start(self, components: Collection[str] = COMPONENTS) -> None:
        """Start the components that do not run, and wait until all are healthy."""
        running = processes.find(self._home)
        for name in components:
            if name not in running:
                # The API server reads task logs from the same disk; no log server is needed.
                options = ["--skip-serve-logs"] if name in LOG_SERVING_COMPONENTS else []
                command = airflow_command(name, *options, python=self._python)
                processes.start(self._home, name, command, self.environment())
        deadline = time.monotonic() + START_SECONDS
        while not self._is_healthy(components):
            if time.monotonic() > deadline:
                logs = self._home / "processes"
                raise ServiceError(
                    f"Airflow did not become healthy within {START_SECONDS:.0f} s; see {logs}"
                )
            time.sleep(0.5)
        if self._connections:
            self._create_connections()

    def _is_healthy(self, components: Collection[str]) -> bool:
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
        """Stop all processes of this installation, including running tasks."""
        processes.stop_all(self._home)

    def client(self, account: str = ADMIN) -> AirflowClient:
        """Return a client of the REST API, logged in as one of ACCOUNTS."""
        return AirflowClient(self.url, user=account, password=self.password(account))

    def password(self, account: str) -> str:
        """Return the password of one of ACCOUNTS."""
        return self._identity.passwords[account]


def database_connection(url: str) -> dict[str, object]:
    """The fields of an Airflow connection to a PostgreSQL database."""
    parts = make_url(url)
    return {
        "conn_type": "postgres",
        "host": parts.host,
        "port": parts.port,
        "login": parts.username,
        "password": parts.password,
        "schema": parts.database,
    }


def airflow_command(*arguments: str, python: Path = Path(sys.executable)) -> list[str]:
    """Return the command line of an Airflow command, by default of this Python."""
    return [str(python), "-m", "airflow", *arguments]


def _reveal(value: object) -> str:
    reveal = getattr(value, "get_secret_value", None)
    return str(reveal() if reveal else value)
