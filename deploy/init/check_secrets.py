"""Secrets of the container deployment: their names, and the entry check for weak values.

Imports only the standard library: `make_secrets.py` also runs on the host, before an image exists.
"""

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

# File names in the folder of secrets; compose mounts them under /run/secrets.
NAMES = (
    "postgres_superuser_password",  # mounted only by the database server and `init`
    "airflow_database_url",
    "moderation_database_url",
    "shop_database_url",  # owner of the reference commerce table: the shop's own account
    "redis_conf",
    "celery_broker_url",
    "s3_identities",  # SeaweedFS's accounts: admin (for `init`), moderation, shop
    "moderation_s3_access_key",
    "moderation_s3_secret_key",
    "airflow_fernet_key",
    "airflow_jwt_secret",
    "airflow_api_secret_key",
    "airflow_admin_password",
    "airflow_service_password",  # of the DAGs' own account, for run notes
)

# The same secrets as environment variables, as Kubernetes charts set them.
VARIABLES = (
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__CELERY__BROKER_URL",
    "AIRFLOW__CELERY__RESULT_BACKEND",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__API__SECRET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "MODERATION_DATABASE_URL",
    "MODERATION_S3_ACCESS_KEY",
    "MODERATION_S3_SECRET_KEY",
    "MODERATION_ALERT_WEBHOOK_SECRET",
)

MIN_CHARACTERS = 16
MIN_DISTINCT_CHARACTERS = 8
# Parts of example values, ours and those of other projects.
_EXAMPLES = re.compile(
    r"change.?(me|this|it)|example|placeholder|your.?(password|secret|key)", re.IGNORECASE
)
_DEFAULTS = {"airflow", "admin", "postgres", "password", "secret", "minioadmin", "redis", "guest"}
REMEDY = "Generate them with `python3 deploy/init/make_secrets.py` (docs/deployment.md, Secrets)."


def find_weaknesses(content: str) -> list[str]:
    """Why a secret is rejected, without quoting it; empty if it is accepted.

    The content is a password or key, a URL with one, Redis's `requirepass` line, or SeaweedFS's
    JSON of accounts.
    """
    if not content.strip():
        return ["is empty"]
    if content != content.strip():
        return ["begins or ends with a space or line break (write it with printf, not echo)"]
    try:
        passwords = _passwords(content)
    except (ValueError, KeyError, TypeError):
        return ["cannot be read as the JSON or URL that it looks like"]
    if not passwords:
        return ["holds no password"]
    found = {weakness for password in passwords if (weakness := _find_weakness(password))}
    return sorted(found)


def _passwords(content: str) -> list[str]:
    if content.startswith("{"):
        return [
            credential["secretKey"]
            for identity in json.loads(content)["identities"]
            for credential in identity["credentials"]
        ]
    if content.startswith("requirepass "):
        return [content.removeprefix("requirepass ")]
    if "://" in content:
        return [unquote(urlsplit(content).password or "")]
    return [content]


def _find_weakness(password: str) -> str | None:
    if not password:
        return "holds no password"
    # "Airflow123!" is as guessable as "airflow".
    if _EXAMPLES.search(password) or re.sub(r"[\W\d_]+", "", password).lower() in _DEFAULTS:
        return "is a default or an example"
    if len(password) < MIN_CHARACTERS:
        return f"is shorter than {MIN_CHARACTERS} characters"
    if len(set(password)) < MIN_DISTINCT_CHARACTERS:
        return "repeats a few characters"
    return None


def find_problems(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield one line for each rejected secret file or variable that exists, without its value."""
    for name in NAMES:
        file = folder / name
        if file.exists():
            yield from (f"{file} {why}" for why in _file_problems(file))
    for name in VARIABLES:
        if name in environment:
            yield from (f"{name} {why}" for why in find_weaknesses(environment[name]))
    yield from _missing_settings(folder, environment)


def _file_problems(file: Path) -> list[str]:
    try:
        return find_weaknesses(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        return [f"cannot be read: {type(error).__name__}"]


def _missing_settings(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the missing settings without which no process of the deployment works."""

    def is_set(name: str) -> bool:
        return name in environment or (folder / name.lower()).exists()

    if not is_set("MODERATION_DATABASE_URL"):
        yield "MODERATION_DATABASE_URL is set neither as a file nor as a variable"
    has_keys = is_set("MODERATION_S3_ACCESS_KEY") or "MODERATION_S3_ENDPOINT_URL" in environment
    if not has_keys and environment.get("MODERATION_S3_CREDENTIALS") != "chain":
        yield (
            "the keys of the bucket are set neither as files nor as variables; for a role set "
            "MODERATION_S3_CREDENTIALS=chain"
        )


def main() -> int:
    """Print the problems; return 1 if there are any."""
    folder = Path(os.environ.get("MODERATION_SECRETS_DIR", "/run/secrets"))
    found = list(find_problems(folder, os.environ))
    if found:
        lines = "\n".join(f"- {line}" for line in found)
        print(f"refusing to start:\n{lines}\n{REMEDY}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
