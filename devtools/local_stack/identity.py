"""Accounts, port and secrets of one Airflow installation."""

import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from devtools.embedded import state
from devtools.embedded.ports import free_ports

ADMIN, SERVICE = "admin", "moderation"  # SERVICE: the DAGs' own account, for run notes
# One account for each role of Airflow's simple auth manager; the activity log names the account.
ACCOUNTS = {
    ADMIN: "admin",
    "owner": "op",
    "reviewer": "user",
    "reviewer2": "user",
    "viewer": "viewer",
    SERVICE: "user",
}
APPROVERS = [ADMIN, "owner"]  # may answer the task `approve`


@dataclass(frozen=True)
class Identity:
    """Port and secrets of one installation, created once and stored in a private file."""

    port: int
    fernet_key: str = field(repr=False)
    jwt_secret: str = field(repr=False)
    api_secret: str = field(repr=False)
    passwords: dict[str, str] = field(repr=False)  # by account


def load_identity(home: Path) -> Identity:
    """That of the installation in a folder; created at first."""
    file = home / "identity.json"
    known = state.load(file, Identity)
    if known is not None and known.passwords.keys() == ACCOUNTS.keys():
        return known
    created = Identity(
        port=free_ports(1)[0],
        fernet_key=Fernet.generate_key().decode(),
        jwt_secret=secrets.token_urlsafe(48),
        api_secret=secrets.token_urlsafe(48),
        passwords={name: secrets.token_urlsafe(16) for name in ACCOUNTS},
    )
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    state.save(file, asdict(created))
    state.save(home / "passwords.json", created.passwords)
    return created
