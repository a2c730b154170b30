import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from check_secrets import NAMES, find_problems, find_weaknesses
from make_secrets import generate_secrets, write_secrets
from ml.core.settings import ROOT

S3 = {"MODERATION_S3_ENDPOINT_URL": "http://object-storage:8333"}
# A fixed output of `secrets.token_urlsafe(32)`: test ids must be equal in all workers.
DRAWN = "SqOxF614pboNAI78VJNyjK81_f_yEHd_ulF8AZoObNc"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_secrets(tmp_path / "secrets", generate_secrets({}))
    return tmp_path / "secrets"


def put(folder: Path, name: str, content: str) -> None:
    (folder / name).chmod(0o600)
    (folder / name).write_text(content)


def test_generated_secrets_pass_check_secrets(folder: Path) -> None:
    assert list(find_problems(folder, S3)) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_secret_file_is_checked(name: str, folder: Path) -> None:
    put(folder, name, "")
    assert f"{folder / name} is empty" in list(find_problems(folder, S3))


def test_secret_files_that_are_not_mounted_are_not_checked(folder: Path) -> None:
    for name in set(NAMES) - {"moderation_database_url"}:
        (folder / name).unlink()
    assert list(find_problems(folder, S3)) == []


def test_secret_variables_are_checked(tmp_path: Path) -> None:
    environment = {
        "MODERATION_DATABASE_URL": "postgresql+psycopg://u:moderation-change-me@db/shop",
        "AIRFLOW__API_AUTH__JWT_SECRET": "secret",
    }
    said = list(find_problems(tmp_path, S3 | environment))
    assert [line.split()[0] for line in said] == [
        "AIRFLOW__API_AUTH__JWT_SECRET",
        "MODERATION_DATABASE_URL",
    ]


def test_missing_database_or_bucket_settings_are_rejected(tmp_path: Path) -> None:
    said = " ".join(find_problems(tmp_path, {}))
    assert "MODERATION_DATABASE_URL is set neither" in said
    assert "the keys of the bucket are set neither" in said


def test_bucket_needs_no_keys_with_a_role(tmp_path: Path) -> None:
    said = " ".join(find_problems(tmp_path, {"MODERATION_S3_CREDENTIALS": "chain"}))
    assert "keys of the bucket" not in said


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """The entry point script with the paths of this checkout."""
    script = (ROOT / "deploy" / "init" / "entrypoint.sh").read_text()
    script = script.replace("/opt/moderation", str(ROOT)).replace("python ", f"{sys.executable} ")
    return subprocess.run(
        ["/bin/sh", "-c", script, "entrypoint.sh", "echo", "started"],
        env={"PATH": os.environ["PATH"], "MODERATION_SECRETS_DIR": str(folder)} | S3,
        capture_output=True,
        text=True,
        check=False,
    )


def test_entry_point_runs_the_command(folder: Path) -> None:
    done = run(folder)
    assert (done.returncode, done.stdout) == (0, "started\n")


def test_entry_point_rejects_with_remedy_and_without_the_secret(folder: Path) -> None:
    put(folder, "airflow_admin_password", "airflow")
    put(folder, "moderation_database_url", "postgresql+psycopg://moderation:hunter2@postgres/shop")
    done = run(folder)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "airflow_admin_password is a default or an example" in done.stderr
    assert "make_secrets.py" in done.stderr
    assert "hunter2" not in done.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        (DRAWN + "\n", "line break"),
        ("airflow", "default or an example"),
        ("Airflow-2026!", "default or an example"),
        ("minioadmin", "default or an example"),
        ("change-me-before-the-first-start", "default or an example"),
        ("my_ChangeMe_password_of_today", "default or an example"),
        ("short-3jK9", "shorter than 16"),
        ("abababababababababab", "repeats a few characters"),
        ("postgresql://airflow:airflow@postgres/airflow", "default or an example"),
        ("postgresql://airflow@postgres/airflow", "holds no password"),
        ("requirepass redis", "default or an example"),
        ("redis://redis:6379/0", "holds no password"),
        ('{"identities": [{"credentials": [{"secretKey": "secret"}]}]}', "default or an example"),
        ('{"identities": []}', "holds no password"),
        ("{not json", "cannot be read"),
    ],
)
def test_weak_secret_is_rejected_with_a_reason(content: str, said: str) -> None:
    assert said in find_weaknesses(content)[0]


@pytest.mark.parametrize(
    "content",
    [
        DRAWN,
        f"postgresql+psycopg://moderation:{DRAWN}@postgres:5432/shop",
        "postgresql+psycopg://moderation:p%40ss%2Fw0rd-with-sl%3Ashes@db:5432/shop",
        f"redis://:{DRAWN}@redis:6379/0",
        f"requirepass {DRAWN}",
        f'{{"identities": [{{"credentials": [{{"secretKey": "{DRAWN}"}}]}}]}}',
    ],
)
def test_generated_secret_has_no_weakness(content: str) -> None:
    assert find_weaknesses(content) == []


def test_weakness_never_quotes_the_secret() -> None:
    assert "hunter2" not in " ".join(find_weaknesses("hunter2"))


def test_passwords_of_env_example_are_rejected() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    secret = re.findall(
        r"^(?:# )?(\w*(?:PASSWORD|SECRET|_KEY|DATABASE_URL))=(.+)$", example, re.MULTILINE
    )
    assert len(secret) == 6
    assert [name for name, value in secret if not find_weaknesses(value)] == []
