"""Secrets of the container deployment: file names, and the check for weak values.

Imports only the standard library: it also runs on the host, before an image exists.
"""

import json
import re
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


def find_weaknesses(content: str) -> list[str]:
    """Return why a secret is rejected, never quoting it; empty if it is accepted.

    Args:
        content: a file's content: a password or key, a URL with one, Redis' `requirepass` line,
            or SeaweedFS's JSON of accounts.
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
