"""Generate the secrets of the deployment as files; existing files are not changed.

Run on the host: `python3 deploy/init/make_secrets.py`. To set a secret yourself, put it into `.env`
under its upper-case name (`MODERATION_DATABASE_URL=...`); all others are generated.
"""

import base64
import json
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

from check_secrets import NAMES, find_weaknesses

ROOT = Path(__file__).resolve().parents[2]
POSTGRES = "postgres:5432"  # the services' names in docker-compose.yaml
REDIS = "redis:6379"


def read_values(file: Path) -> dict[str, str]:
    """Read the `NAME=value` lines of an env file; the environment overrides them."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip().strip("\"'") for name, value in pairs} | dict(os.environ)


def generate_secrets(values: dict[str, str]) -> dict[str, str]:
    """The content of each secret file; `values` are preset ones by upper-case name."""
    redis = _generate()
    s3 = {
        account: (_generate(10, secrets.token_hex), _generate())
        for account in ("admin", "moderation", "shop")
    }
    photos = values.get("MODERATION_PHOTO_BUCKET") or "review-photos"
    models = values.get("MODERATION_MODEL_BUCKET") or "moderation"
    drawn = {
        "postgres_superuser_password": _generate(),
        "airflow_database_url": _postgres_url("postgresql+psycopg2", "airflow", "airflow"),
        "moderation_database_url": _postgres_url("postgresql+psycopg", "moderation", "shop"),
        "shop_database_url": _postgres_url("postgresql+psycopg", "shop", "shop"),
        "redis_conf": f"requirepass {redis}",
        "celery_broker_url": f"redis://:{redis}@{REDIS}/0",
        "s3_identities": json.dumps(_s3_identities(s3, photos, models), indent=1),
        "moderation_s3_access_key": s3["moderation"][0],
        "moderation_s3_secret_key": s3["moderation"][1],
        "airflow_fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "airflow_jwt_secret": _generate(64),
        "airflow_api_secret_key": _generate(64),
        "airflow_admin_password": _generate(),
        "airflow_service_password": _generate(),
    }
    return {name: values.get(name.upper()) or drawn[name] for name in NAMES}


def _generate(n_bytes: int = 32, draw: Callable[[int], str] = secrets.token_urlsafe) -> str:
    """Draw until the start-up check accepts the value: a random one may be too repetitive."""
    while find_weaknesses(value := draw(n_bytes)):
        pass
    return value


def _postgres_url(driver: str, user: str, database: str) -> str:
    return f"{driver}://{user}:{_generate()}@{POSTGRES}/{database}"


def _s3_identities(
    accounts: dict[str, tuple[str, str]], photos: str, models: str
) -> dict[str, list[dict[str, object]]]:
    """SeaweedFS's accounts with least privilege."""
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


def write_secrets(folder: Path, contents: dict[str, str]) -> list[str]:
    """Write all files unless they exist; returns the names of the written ones.

    Only the owner may enter the folder. Its files are world-readable: a container's user has
    another id, and only the files that its service lists are mounted.

    Raises:
        SystemExit: a value is too weak, or only some of the files exist: they belong together.
    """
    missing = [name for name in NAMES if not (folder / name).exists()]
    if not missing:
        return []
    if len(missing) < len(NAMES):
        names = ", ".join(sorted(missing))
        sys.exit(f"{folder} has some secrets, but not {names}: write these, or move all away.")
    weak = [f"- {n.upper()} {why}" for n, text in contents.items() for why in find_weaknesses(text)]
    if weak:
        sys.exit("\n".join(["fix in .env, or leave empty to generate it:", *weak]))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    for name, content in contents.items():
        file = folder / name
        file.touch(mode=0o600)
        file.write_text(content, encoding="utf-8")
        file.chmod(0o444)
    return list(contents)


def main() -> None:
    """Write the secrets to the folder `SECRETS_DIR`, by default `secrets/`."""
    values = read_values(ROOT / ".env")
    folder = ROOT / (values.get("SECRETS_DIR") or "secrets")
    written = write_secrets(folder, generate_secrets(values))
    done = f"{len(written)} secrets written" if written else "all exist, nothing changed"
    print(f"{folder}: {done}")


if __name__ == "__main__":
    main()
