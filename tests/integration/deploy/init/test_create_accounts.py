"""The deployment's accounts and their permissions in a real Airflow with FAB."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from devtools.embedded.ports import free_ports
from devtools.embedded.services import Services
from make_secrets import generate_secrets, write_secrets
from ml.core.settings import ROOT
from tests.support.compose import MAIN
from tests.support.compose import services as composed

pytestmark = [
    pytest.mark.integration,
    pytest.mark.airflow,
    pytest.mark.slow,
    pytest.mark.timeout(900),
]

SECONDS = 240.0
AUDIT = "/api/v2/dags/audit_review_images/dagRuns/no-such-run"


@dataclass(frozen=True)
class Deployed:
    """An API server with the deployment's settings."""

    url: str
    secrets: Path
    environment: dict[str, str]

    def run(self, arguments: list[str]) -> None:
        """Run Python in the deployment's environment, as `init` does."""
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def client(self, user: str, password: str) -> httpx.Client:
        """Log in as an account."""
        with httpx.Client(base_url=self.url, timeout=120) as stranger:
            login = stranger.post("/auth/token", json={"username": user, "password": password})
        token = login.raise_for_status().json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=120)

    def admin(self) -> httpx.Client:
        """Return a client of the first account, `admin`."""
        return self.client("admin", self.secret("admin"))

    def secret(self, name: str) -> str:
        """Return the password of `admin` or `service`."""
        return (self.secrets / f"airflow_{name}_password").read_text()


@pytest.fixture(scope="module")
def deployed(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    home = tmp_path_factory.mktemp("deployed")
    database = make_url(services.airflow_database_url).set(
        drivername="postgresql+psycopg2", database="deployed_airflow"
    )
    _create(services, "deployed_airflow")
    values = {"AIRFLOW_DATABASE_URL": database.render_as_string(hide_password=False)}
    write_secrets(home / "secrets", generate_secrets(values))
    (port,) = free_ports(1)
    made = Deployed(f"http://127.0.0.1:{port}", home / "secrets", _environment(home, port))
    made.run(["-m", "airflow", "db", "migrate"])
    made.run([str(ROOT / "deploy/init/create_accounts.py")])
    with (home / "api-server.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server", "--port", str(port)],
            env=made.environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait(f"{made.url}/api/v2/version", home / "api-server.log")
        yield made
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _create(services: Services, name: str) -> None:
    admin = create_engine(
        services.airflow_database_url, isolation_level="AUTOCOMMIT", poolclass=NullPool
    )
    with admin.connect() as connection:
        connection.execute(text(f"create database {name}"))


def _environment(home: Path, port: int) -> dict[str, str]:
    """The API server's environment in docker-compose.yaml, with local paths and port."""
    given = composed(MAIN)["api-server"]["environment"]
    ours = {name: value for name, value in given.items() if value is not None}
    ours |= {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "MODERATION_DATA_DIR": str(home / "data"),
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
    }
    return {
        name: value.replace("/run/secrets", str(home / "secrets")) for name, value in ours.items()
    }


def _wait(url: str, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.5)


def test_service_account_may_write_run_notes_but_not_change_pools(deployed: Deployed) -> None:
    with deployed.client("moderation", deployed.secret("service")) as service:
        # Allowed, but there is no such run.
        assert service.patch(AUDIT, json={"note": "a night"}).status_code == 404
        assert service.delete("/api/v2/pools/gpu").status_code == 403


def test_connection_of_run_notes_points_to_the_api_server(deployed: Deployed) -> None:
    with deployed.admin() as admin:
        found = admin.get("/api/v2/connections/moderation_airflow_api").json()
    assert (found["conn_type"], found["host"], found["port"]) == ("http", "api-server", 8080)
    assert found["login"] == "moderation"


def test_roles_have_the_three_page_permissions(deployed: Deployed) -> None:
    """`docs/access.md`, column FAB: 403 is no right; anything else is past the gate."""
    pages = ("/moderation/operations", "/moderation/queue", "/moderation/reviewers")
    for number, role in enumerate(("Viewer", "User", "Op"), start=1):
        person = {
            "username": role.lower(),
            "password": f"a-password-{role}",
            "email": f"{role}@localhost",
            "first_name": role,
            "last_name": "x",
            "roles": [{"name": role}],
        }
        with deployed.admin() as admin:
            admin.post("/auth/fab/v1/users", json=person).raise_for_status()
        with deployed.client(role.lower(), f"a-password-{role}") as client:
            allowed = [client.get(page).status_code != 403 for page in pages]
        assert allowed == [True] * number + [False] * (3 - number), role
    assert httpx.get(f"{deployed.url}/moderation/queue").status_code == 401


def test_create_accounts_sets_a_changed_password(deployed: Deployed) -> None:
    file = deployed.secrets / "airflow_admin_password"
    before = file.read_text()
    file.chmod(0o600)
    file.write_text("a-password-that-was-changed")
    deployed.run([str(ROOT / "deploy/init/create_accounts.py")])
    with deployed.admin() as admin:
        assert admin.get("/api/v2/pools").status_code == 200
    with pytest.raises(httpx.HTTPStatusError):
        deployed.client("admin", before)
