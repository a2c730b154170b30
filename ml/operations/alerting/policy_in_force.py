"""The policy that alerts follow: the file's, or the last valid one if the file cannot be used."""

from dataclasses import dataclass

from sqlalchemy import Connection

from ml.core.errors import PolicyError
from ml.core.settings import Settings
from ml.core.types import Alert, AlertKind
from ml.policy.schema import Policy, Prices, load_policy, parse_stored_policy
from ml.storage.stored_policies import newest_policies

_MAX_STORED = 20  # runs whose stored policies are tried
_MAX_ERROR = 500  # characters
_FILE = "file"  # dedup key: there is one policy file

# No class, and the default of every section: what no run has stored a policy for.
_DEFAULTS = Policy.model_construct(
    classes={},
    pass_confidence=1.0,
    prices=Prices(manual_yuan_per_photo=0, machine_yuan_per_hour=0),
)


@dataclass(frozen=True)
class PolicyInForce:
    """The policy, and the alert about a file that cannot be used."""

    policy: Policy
    alert: Alert | None = None


def policy_in_force(connection: Connection, settings: Settings) -> PolicyInForce:
    """The file's policy; if the file cannot be used, the newest valid one that a run stored."""
    try:
        return PolicyInForce(load_policy(settings.policy_file))
    except PolicyError as error:
        policy, run_id = _last_valid(connection)
        details = {"error": str(error)[:_MAX_ERROR], "run_id": run_id}
        return PolicyInForce(policy, Alert(AlertKind.POLICY_INVALID, _FILE, details))


def _last_valid(connection: Connection) -> tuple[Policy, str]:
    for stored in newest_policies(connection, limit=_MAX_STORED):
        try:
            return parse_stored_policy(stored.policy, owner=stored.run_id), stored.run_id
        except PolicyError:  # stored by another version of this program
            continue
    return _DEFAULTS, "no run (the defaults)"
