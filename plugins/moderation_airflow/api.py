"""Airflow's own REST API, logged in by the Airflow connection of the DAGs' account."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from airflow.sdk import Connection

CONNECTION_ID = "moderation_airflow_api"
TIMEOUT_SECONDS = 10.0


def connection() -> "Connection | None":
    """The connection (type http: host, port, login, password); None where it is not defined."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(CONNECTION_ID)
    except AirflowNotFoundException:
        return None


@contextmanager
def logged_in(known: "Connection") -> Iterator[httpx.Client]:
    """A client of the API.

    Raises:
        httpx.HTTPError: it does not answer, or refuses login or password.
    """
    base = f"{known.schema or 'http'}://{known.host}:{known.port}"
    with httpx.Client(base_url=base, timeout=TIMEOUT_SECONDS) as client:
        login = {"username": known.login, "password": known.password}
        answer = client.post("/auth/token", json=login).raise_for_status()
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client
