"""Create Airflow's first two accounts and the connection for run notes. Idempotent.

Airflow's commands run in this process: a password on a command line is visible to every user who
may list processes.
"""

import json
import os
from pathlib import Path

from airflow.cli.cli_parser import get_parser

SERVICE = "moderation"  # the DAGs' own account
CONNECTION_ID = "moderation_airflow_api"  # plugins/moderation_airflow/runs.py
# The least privileged role of FAB that may write a note on a run.
SERVICE_ROLE = "User"


def run_airflow(*arguments: str) -> None:
    """Run an Airflow command; SystemExit where it fails."""
    parsed = get_parser().parse_args(list(arguments))
    parsed.func(parsed)


def create_account(name: str, role: str, password: str) -> None:
    """Create an account, or reset its password."""
    details = ["--firstname", name, "--lastname", "account", "--email", f"{name}@localhost"]
    run_airflow("users", "create", "-u", name, "-r", role, "-p", password, *details)
    run_airflow("users", "reset-password", "-u", name, "-p", password)


def set_connection(password: str) -> None:
    """Set the DAGs' connection to Airflow's API."""
    fields = {"host": "api-server", "port": 8080, "login": SERVICE, "password": password}
    try:
        run_airflow("connections", "delete", CONNECTION_ID)
    except SystemExit:
        print(f"connection {CONNECTION_ID} is new")
    connection = json.dumps({"conn_type": "http"} | fields)
    run_airflow("connections", "add", CONNECTION_ID, "--conn-json", connection)


def main(folder: Path) -> None:
    """Create accounts and connection with the passwords of the secret files."""
    admin, service = (
        (folder / f"airflow_{name}_password").read_text(encoding="utf-8")
        for name in ("admin", "service")
    )
    create_account("admin", "Admin", admin)
    create_account(SERVICE, SERVICE_ROLE, service)
    set_connection(service)


if __name__ == "__main__":
    main(Path(os.environ["MODERATION_SECRETS_DIR"]))
