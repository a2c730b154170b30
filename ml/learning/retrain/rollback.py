"""Return to a version that was champion before: a promotion of the kind `rollback`.

"previous" treats the history as a stack: a promotion pushes its version, a rollback pops all above
the version it returns to. Calling it twice goes back two versions; it does not toggle.
"""

import re
from collections.abc import Iterable
from types import EllipsisType

import structlog
from sqlalchemy import Connection

from ml.core.errors import ModelError, PromotionConflict
from ml.core.settings import Settings
from ml.models import registry
from ml.models.card import check_classes
from ml.models.registry import champion_hash
from ml.policy.schema import load_policy
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.model_versions import Promotion, find_versions, list_promotions

log = structlog.get_logger()

PREVIOUS = "previous"
_HASH_START = re.compile(r"[0-9a-f]{8,64}")


def rollback(
    to: str,
    *,
    by: str,
    reason: str,
    settings: Settings,
    connections: Connections,
    expected: str | EllipsisType = ...,
) -> str:
    """Make an earlier champion the champion again; returns its hash.

    `to` is "previous", a model hash, or the start of one (8 digits or more); `expected` the
    champion that the caller saw, `...` accepts any. The version is loaded and checked first.
    Idempotent with a hash; each "previous" goes back one version more.

    Raises:
        ModelError: no such version, it was never champion, or it cannot be loaded.
        PolicyError: the version's classes are not those of the policy in force.
        PromotionConflict: another promotion came first, or after "previous" was resolved.
    """
    champion, target = in_transaction(
        connections.engine, lambda c: _champion_and_target(c, to, expected)
    )
    checkpoint = registry.fetch(target, store=connections.models, cache=connections.model_cache)
    check_classes(checkpoint.card, load_policy(settings.policy_file))
    registry.promote(
        target,
        engine=connections.engine,
        by=by,
        reason=reason,
        expected=champion if to == PREVIOUS else expected,
        kind="rollback",
    )
    log.info("rolled back", model_hash=target, was=champion)
    return target


def _champion_and_target(
    connection: Connection, to: str, expected: str | EllipsisType
) -> tuple[str, str]:
    champion = champion_hash(connection)
    if to == PREVIOUS and expected not in (..., champion):
        raise PromotionConflict(
            f'"previous" was requested for {str(expected)[:12]}, but the champion is '
            f"{champion[:12]} now"
        )
    return champion, _resolve(connection, to)


def resolve(to: str, *, connections: Connections) -> str:
    """The hash that `rollback` would return to; raises the same ModelError."""
    return in_transaction(connections.engine, lambda c: _resolve(c, to))


def _resolve(connection: Connection, to: str) -> str:
    history = list_promotions(connection)
    if to == PREVIOUS:
        return _previous_champion(history)
    target = _find_version(connection, to)
    if target not in {promotion.model_hash for promotion in history}:
        raise ModelError(
            f"{target} was never champion, so there is no way back to it; "
            f"`python -m ml models promote {target} --reason ...` makes it one"
        )
    return target


def _previous_champion(history: Iterable[Promotion]) -> str:
    """The version below the champion on the stack of promotions."""
    stack: list[str] = []
    for promotion in history:
        if promotion.kind == "rollback" and promotion.model_hash in stack:
            while stack[-1] != promotion.model_hash:
                stack.pop()
        else:
            stack.append(promotion.model_hash)
    if len(stack) < 2:  # noqa: PLR2004 - the champion and the one before it
        raise ModelError("there is no version before the present champion; name one by its hash")
    return stack[-2]


def _find_version(connection: Connection, start: str) -> str:
    """The one version whose hash begins with `start`."""
    if not _HASH_START.fullmatch(start):
        raise ModelError(
            f"{start!r} names no version: give {PREVIOUS!r} or the first 8 to 64 digits of a hash "
            "(`python -m ml models list` shows them)"
        )
    versions = find_versions(connection, start)
    if not versions:
        raise ModelError(f"no registered model version begins with {start}")
    if len(versions) > 1:
        names = ", ".join(versions)
        raise ModelError(
            f"{len(versions)} versions begin with {start}: {names}; give more digits of the hash"
        )
    return versions[0]
