"""What a reviewer is not told of a task: what the model said of some, what people said of others.

Golden, blind and random-audit tasks must look like any other. Scores made up for them would mislead
the people who go by scores; so the model's word is withheld there, and of a share of all other
tasks, too (`reviewing.withheld_share`): that it is missing proves nothing.
"""

from sqlalchemy import Connection, RowMapping

from ml.policy.policy import Policy
from ml.review.draw import draw

WITHHELD = "withheld"  # the one reason that a reviewer reads then
# Reasons of photos that do not wait by themselves; nothing can be asked for by them.
TELLING = frozenset({"blind", "confident_normal", "golden", "random_audit"})
_HIDDEN_KINDS = frozenset({"blind", "golden"})
_HIDDEN_ROUTES = frozenset({"random_audit"})


def is_hidden(kind: str, route: str | None) -> bool:
    """Whether the reviewer must decide unaware of all that was said before."""
    return kind in _HIDDEN_KINDS or route in _HIDDEN_ROUTES


def is_withheld(connection: Connection, task: RowMapping, policy: Policy) -> bool:
    """Whether the reviewer is told nothing of model and past; the same at each asking.

    Args:
        connection: open.
        task: with `kind`, `route` and `content_sha256`.
        policy: its share of ordinary tasks that are treated like hidden ones.
    """
    if is_hidden(task["kind"], task["route"]):
        return True
    return draw(connection, "withheld", task["content_sha256"]) < policy.reviewing.withheld_share
