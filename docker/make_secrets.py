"""Draw the deployment's secrets and write them as files; leaves alone what is there already.

Run on the host: `python3 docker/make_secrets.py`. A secret that you bring yourself stands in `.env`
under its name in capitals (`MODERATION_DATABASE_URL=...`); all others are drawn.
"""

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from secret_files import NAMES, weaknesses

ROOT = Path(__file__).resolve().parents[1]
POSTGRES = "postgres:5432"  # the services' names in docker-compose.yaml
REDIS = "redis:6379"
PHOTOS, MODELS = "review-photos", "moderation"  # buckets, unless named in the settings


def given(file: Path) -> dict[str, str]:
    """`NAME=value` lines of an env file, then the environment over them."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, value in pairs} | dict(os.environ)


def draw(values: dict[str, str]) -> dict[str, str]:
    """Content of each secret file; `values` are the given ones, by name in capitals."""
    redis = _password()
    s3 = {
        account: (_strong(partial(secrets.token_hex, 10)), _password())
        for account in ("admin", "moderation", "shop")
    }
    photos = values.get("MODERATION_PHOTO_BUCKET") or PHOTOS
    models = values.get("MODERATION_MODEL_BUCKET") or MODELS
    drawn = {
        "postgres_superuser_password": _password(),
        "airflow_database_url": _postgres("postgresql+psycopg2", "airflow", "airflow"),
        "moderation_database_url": _postgres("postgresql+psycopg", "moderation", "shop"),
        "shop_database_url": _postgres("postgresql+psycopg", "shop", "shop"),
        "redis_conf": f"requirepass {redis}",
        "celery_broker_url": f"redis://:{redis}@{REDIS}/0",
        "s3_identities": json.dumps(_identities(s3, photos, models), indent=1),
        "moderation_s3_access_key": s3["moderation"][0],
        "moderation_s3_secret_key": s3["moderation"][1],
        "airflow_fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "airflow_jwt_secret": _strong(partial(secrets.token_urlsafe, 64)),
        "airflow_api_secret_key": _strong(partial(secrets.token_urlsafe, 64)),
        "airflow_admin_password": _password(),
        "airflow_service_password": _password(),
    }
    return {name: values.get(name.upper()) or drawn[name] for name in NAMES}


def _password() -> str:
    return _strong(partial(secrets.token_urlsafe, 32))


def _strong(drawn: Callable[[], str]) -> str:
    """Drawn until the check at start accepts it: now and then chance repeats a few characters."""
    while weaknesses(value := drawn()):
        pass
    return value


def _postgres(driver: str, user: str, database: str) -> str:
    return f"{driver}://{user}:{_password()}@{POSTGRES}/{database}"


def _identities(
    accounts: dict[str, tuple[str, str]], photos: str, models: str
) -> dict[str, list[dict[str, object]]]:
    """SeaweedFS's accounts, each with the least that it needs."""
    read, write = ("Read", "List"), ("Read", "List", "Write")
    rights = {
        "admin": ["Admin"],
        "moderation": [*(f"{r}:{photos}" for r in read), *(f"{r}:{models}" for r in write)],
        "shop": [f"{right}:{photos}" for right in write],
    }
    return {
        "identities": [
            {
                "name": name,
                "credentials": [{"accessKey": access, "secretKey": secret}],
                "actions": rights[name],
            }
            for name, (access, secret) in accounts.items()
        ]
    }


def write(folder: Path, contents: dict[str, str]) -> list[str]:
    """Write the files that are not there; returns their names.

    The folder is its owner's alone. The files in it can be read by all: a container's account has
    a number of its own, and is shown only the files that its service names.

    Raises:
        SystemExit: a value is too weak, or only a part of the files is there: they belong together.
    """
    there = [name for name in NAMES if (folder / name).exists()]
    if there and len(there) < len(NAMES):
        missing = ", ".join(sorted(set(NAMES) - set(there)))
        sys.exit(f"{folder} holds some secrets, but not {missing}: write these, or move all away.")
    if there:
        return []
    weak = [
        f"- {n.upper()} {why}" for n, content in contents.items() for why in weaknesses(content)
    ]
    if weak:
        sys.exit("\n".join(["put right in .env, or leave empty to have it drawn:", *weak]))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, content in contents.items():
        file = folder / name
        file.touch(mode=0o600)
        file.write_text(content, encoding="utf-8")
        file.chmod(0o444)
    return list(contents)


def main() -> None:
    """Make the folder that `SECRETS_DIR` names, `secrets/` by default."""
    values = given(ROOT / ".env")
    folder = ROOT / (values.get("SECRETS_DIR") or "secrets")
    made = write(folder, draw(values))
    print(
        f"{folder}: " + (f"{len(made)} secrets written" if made else "all there, nothing changed")
    )


if __name__ == "__main__":
    main()
