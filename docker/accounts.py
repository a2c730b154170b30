"""Airflow's first two accounts and the connection that writes notes on runs; safe to run again.

Runs Airflow's own commands in this process: a password on a command line would be seen by everybody
who may list the machine's processes.
"""

import json
import os
from pathlib import Path

from airflow.cli.cli_parser import get_parser

ADMIN, SERVICE = "admin", "moderation"
CONNECTION_ID = "moderation_airflow_api"  # plugins/moderation_airflow/run_note.py
# The least of FAB's own roles that may write a note on a run.
SERVICE_ROLE = "User"


def airflow(*arguments: str) -> None:
    """Run one of Airflow's commands.

    Raises:
        SystemExit: it failed.
    """
    parsed = get_parser().parse_args(list(arguments))
    parsed.func(parsed)


def account(name: str, role: str, password: str) -> None:
    """Create an account, or give it its password anew."""
    person = ["--firstname", name, "--lastname", "account", "--email", f"{name}@localhost"]
    airflow("users", "create", "-u", name, "-r", role, "-p", password, *person)
    airflow("users", "reset-password", "-u", name, "-p", password)


def connection(password: str, *, host: str, port: int) -> None:
    """Set the DAGs' connection to Airflow's own API."""
    described = {
        "conn_type": "http",
        "host": host,
        "port": port,
        "login": SERVICE,
        "password": password,
    }
    try:
        airflow("connections", "delete", CONNECTION_ID)
    except SystemExit:
        print(f"connection {CONNECTION_ID} is new")
    airflow("connections", "add", CONNECTION_ID, "--conn-json", json.dumps(described))


def main(folder: Path) -> None:
    """Set all, from the files of secrets."""
    passwords = {
        name: (folder / f"airflow_{name}_password").read_text(encoding="utf-8")
        for name in ("admin", "service")
    }
    account(ADMIN, "Admin", passwords["admin"])
    account(SERVICE, SERVICE_ROLE, passwords["service"])
    connection(passwords["service"], host="api-server", port=8080)


if __name__ == "__main__":
    main(Path(os.environ["MODERATION_SECRETS_DIR"]))
