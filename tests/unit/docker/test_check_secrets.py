import os
import subprocess
import sys
from pathlib import Path

import pytest

from check_secrets import problems
from make_secrets import draw, write
from ml.settings import ROOT
from secret_files import NAMES

S3 = {"MODERATION_S3_ENDPOINT_URL": "http://object-storage:8333"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "secrets", draw({}))
    return tmp_path / "secrets"


def put(folder: Path, name: str, content: str) -> None:
    (folder / name).chmod(0o600)
    (folder / name).write_text(content)


def test_drawn_secrets_pass(folder: Path) -> None:
    assert list(problems(folder, S3)) == []


@pytest.mark.parametrize("name", NAMES)
def test_each_secret_is_looked_at(name: str, folder: Path) -> None:
    put(folder, name, "")
    assert f"{folder / name} is empty" in list(problems(folder, S3))


def test_a_service_need_not_have_them_all(folder: Path) -> None:
    for name in set(NAMES) - {"moderation_database_url"}:
        (folder / name).unlink()
    assert list(problems(folder, S3)) == []


def test_variables_are_looked_at_where_they_are_used_instead(tmp_path: Path) -> None:
    environment = {
        "MODERATION_DATABASE_URL": "postgresql+psycopg://u:moderation-change-me@db/shop",
        "AIRFLOW__API_AUTH__JWT_SECRET": "secret",
    }
    said = list(problems(tmp_path, S3 | environment))
    assert [line.split()[0] for line in said] == [
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "MODERATION_DATABASE_URL",
    ]


def test_without_database_or_bucket_nothing_starts(tmp_path: Path) -> None:
    said = " ".join(problems(tmp_path, {}))
    assert "MODERATION_DATABASE_URL is given neither" in said
    assert "the bucket's keys are given neither" in said


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """The entry point, with this checkout where the image has its code."""
    script = (ROOT / "docker" / "entrypoint.sh").read_text()
    script = script.replace("/opt/moderation", str(ROOT)).replace("python ", f"{sys.executable} ")
    return subprocess.run(
        ["/bin/sh", "-c", script, "entrypoint.sh", "echo", "started"],
        env={"PATH": os.environ["PATH"], "MODERATION_SECRETS_DIR": str(folder)} | S3,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_entry_point_becomes_the_command(folder: Path) -> None:
    done = run(folder)
    assert (done.returncode, done.stdout) == (0, "started\n")


def test_the_entry_point_refuses_and_says_the_remedy_without_the_secret(folder: Path) -> None:
    put(folder, "airflow_admin_password", "airflow")
    put(folder, "moderation_database_url", "postgresql+psycopg://moderation:hunter2@postgres/shop")
    done = run(folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "airflow_admin_password is a default or an example" in done.stderr
    assert "make_secrets.py" in done.stderr
    assert "hunter2" not in done.stderr
