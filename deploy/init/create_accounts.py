"""Create Airflow's first two accounts and the connection for run notes. Idempotent.

Airflow's commands run in this process: a password on a command line is visible to every user who
may list processes.
"""

import json
import os
from pathlib import Path

from airflow.cli.cli_parser import get_parser

ADMIN, SERVICE = "admin", "moderation"
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


if __name__ == "__main__":
    folder = Path(os.environ["MODERATION_SECRETS_DIR"])
    service_password = (folder / "airflow_service_password").read_text(encoding="utf-8")
    create_account(ADMIN, "Admin", (folder / "airflow_admin_password").read_text(encoding="utf-8"))
    create_account(SERVICE, SERVICE_ROLE, service_password)
    set_connection(service_password)
