import re

import pytest

from ml.core.settings import ROOT
from secret_files import find_weaknesses

# A fixed output of `secrets.token_urlsafe(32)`: test ids must be equal in all workers.
DRAWN = "SqOxF614pboNAI78VJNyjK81_f_yEHd_ulF8AZoObNc"


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
