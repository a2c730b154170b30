"""Run notes, against an HTTP server that answers like the API of Airflow."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ml.core.settings import ROOT

pytestmark = pytest.mark.airflow

RUN_ID = "scheduled__2026-11-22T18:00:00+00:00"
WRITE = """
import sys
from moderation_airflow.runs import write_note
print(write_note("audit_review_images", sys.argv[1], sys.argv[2]))
"""


class Api(HTTPServer):
    """Keeps what it was asked; `refuses` names the method answered with 403."""

    refuses = ""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None, dict[str, str]]] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    """Any password gets the token; any note is taken."""

    server: Api

    def _answer(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.command, self.path, self.headers["Authorization"], body))
        self.send_response(403 if self.command == self.server.refuses else 201)
        self.end_headers()
        self.wfile.write(b'{"access_token": "the-token"}')

    do_POST = do_PATCH = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


@pytest.fixture
def api() -> Iterator[Api]:
    with Api() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def write(tmp_path: Path, port: int | None, note: str = "a note · 便条") -> tuple[str, str]:
    """What `write_note` returned, and all that was logged."""
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")]),
    }
    if port:
        environment["AIRFLOW_CONN_MODERATION_AIRFLOW_API"] = json.dumps(
            {"conn_type": "http", "host": "127.0.0.1", "port": port,
             "login": "robot", "password": "hidden-value"}
        )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", WRITE, RUN_ID, note],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert "hidden-value" not in said
    return done.stdout.split()[-1], said


def test_note_is_written_with_a_token(api: Api, tmp_path: Path) -> None:
    assert write(tmp_path, api.server_port)[0] == "True"
    token, patch = api.asked
    assert token[:2] == ("POST", "/auth/token")
    assert token[3] == {"username": "robot", "password": "hidden-value"}
    # A run's id holds colons and a plus sign, which a path must not.
    run = "scheduled__2026-11-22T18%3A00%3A00%2B00%3A00"
    path = f"/api/v2/dags/audit_review_images/dagRuns/{run}?update_mask=note"
    assert patch == ("PATCH", path, "Bearer the-token", {"note": "a note · 便条"})


def test_long_note_is_truncated_to_the_limit_of_airflow(api: Api, tmp_path: Path) -> None:
    assert write(tmp_path, api.server_port, "字" * 1200)[0] == "True"
    assert api.asked[1][3] == {"note": "字" * 1000}


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_rejected_request_is_logged_and_not_raised(method: str, api: Api, tmp_path: Path) -> None:
    api.refuses = method
    answer, said = write(tmp_path, api.server_port)
    assert answer == "False"
    assert "no note on the run" in said
    assert api.asked[-1][0] == method


def test_unreachable_api_is_logged_and_not_raised(tmp_path: Path) -> None:
    with Api() as gone:
        port = gone.server_port
    answer, said = write(tmp_path, port)
    assert answer == "False"
    assert "no note on the run" in said


def test_missing_connection_is_named_in_the_log(tmp_path: Path) -> None:
    answer, said = write(tmp_path, None)
    assert answer == "False"
    assert "moderation_airflow_api" in said
