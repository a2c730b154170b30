"""The policy in force: the file's, or the last valid one that a run stored if it cannot be used."""

from dataclasses import dataclass

from sqlalchemy import Connection

from ml.core.errors import PolicyError
from ml.core.settings import Settings
from ml.policy.schema import Policy, Prices, load_policy, parse_stored_policy
from ml.storage.stored_policies import StoredPolicy, newest_policies

_MAX_STORED = 20  # runs whose stored policies are tried
_MAX_PROBLEM = 500  # characters

# No class, and the default of every section: what no run has stored a policy for.
_DEFAULTS = Policy.model_construct(
    classes={},
    pass_confidence=1.0,
    prices=Prices(manual_yuan_per_photo=0, machine_yuan_per_hour=0),
)


@dataclass(frozen=True)
class PolicyInForce:
    """The policy; where the file cannot be used, its problem and the run that stored the policy.

    `problem` names file, line and remedy. Where no run has stored a valid policy, `stored` is None
    and `policy` has no class.
    """

    policy: Policy
    problem: str | None = None
    stored: StoredPolicy | None = None

    def require_classes(self) -> Policy:
        """The policy, which has classes.

        Raises:
            PolicyError: the file cannot be used, and no run has stored a valid policy.
        """
        if self.problem is not None and self.stored is None:
            raise PolicyError(f"{self.problem} (no run has stored a valid policy)")
        return self.policy


def policy_in_force(connection: Connection, settings: Settings) -> PolicyInForce:
    """The file's policy; if the file cannot be used, the newest valid one that a run stored."""
    try:
        return PolicyInForce(load_policy(settings.policy_file))
    except PolicyError as error:
        return last_valid_policy(connection, error)


def last_valid_policy(connection: Connection, error: PolicyError) -> PolicyInForce:
    """The newest valid policy that a run stored; `error` is why the file cannot be used."""
    problem = str(error)[:_MAX_PROBLEM]
    for stored in newest_policies(connection, limit=_MAX_STORED):
        try:
            policy = parse_stored_policy(stored.policy, owner=stored.run_id)
        except PolicyError:  # stored by another version of this program
            continue
        return PolicyInForce(policy, problem, stored)
    return PolicyInForce(_DEFAULTS, problem)
