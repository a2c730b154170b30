"""`moderation.api_key`: who may call `/predict`. A key is shown once and kept as a hash only."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ml.core.errors import SettingsError
from ml.storage.schema import api_key

_PREFIX = "mod"
_ID_BYTES, _SECRET_BYTES = 6, 32
_TOKEN = re.compile(rf"{_PREFIX}_([0-9a-f]{{{2 * _ID_BYTES}}})_([A-Za-z0-9_-]{{43}})")


class ApiKeyScope(StrEnum):
    """What a key may be used for."""

    PREDICT = "predict"
    METRICS = "metrics"


@dataclass(frozen=True)
class ApiKey:
    """One key; None as a limit is what the settings say."""

    key_id: str
    name: str
    secret_sha256: bytes
    rights: frozenset[ApiKeyScope]
    requests_per_minute: int | None
    in_flight: int | None
    created_at: datetime
    revoked_at: datetime | None


def create_key(
    connection: Connection,
    name: str,
    rights: Sequence[ApiKeyScope],
    *,
    requests_per_minute: int | None = None,
    in_flight: int | None = None,
) -> str:
    """Make a key and return it, once; the database keeps its SHA-256.

    32 random bytes cannot be guessed, so a slow hash would protect nothing more
    (NIST SP 800-63B-4, 3.1.2, for look-up secrets of 112 bits and over).

    Raises:
        SettingsError: there is a key of this name, not revoked; or no right is named.
    """
    if not rights:
        raise SettingsError("name at least one right: predict, metrics")
    key_id, secret = secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
    row = {
        "key_id": key_id,
        "name": name,
        "secret_sha256": hash_secret(secret),
        "rights": sorted({right.value for right in rights}),
        "requests_per_minute": requests_per_minute,
        "in_flight": in_flight,
    }
    try:
        with connection.begin_nested():
            connection.execute(insert(api_key).values(row))
    except IntegrityError as error:
        raise SettingsError(
            f"a key named {name!r} is in use; revoke it first, or take another name"
        ) from error
    return f"{_PREFIX}_{key_id}_{secret}"


def revoke_key(connection: Connection, name: str) -> bool:
    """Revoke the key of a name; False where none is in use."""
    active = update(api_key).where(api_key.c.name == name, api_key.c.revoked_at.is_(None))
    return connection.execute(active.values(revoked_at=func.now())).rowcount > 0


def all_keys(connection: Connection) -> list[ApiKey]:
    """Every key, the revoked ones too, the oldest first."""
    rows = connection.execute(select(api_key).order_by(api_key.c.created_at, api_key.c.key_id))
    return [
        ApiKey(**{**row, "rights": frozenset(ApiKeyScope(r) for r in row["rights"])})
        for row in rows.mappings()
    ]


def parse_token(token: str) -> tuple[str, str] | None:
    """Id and secret of a key as it was shown; None where it cannot be one."""
    found = _TOKEN.fullmatch(token)
    return (found[1], found[2]) if found else None


def hash_secret(secret: str) -> bytes:
    """SHA-256 of a key's secret."""
    return hashlib.sha256(secret.encode()).digest()
