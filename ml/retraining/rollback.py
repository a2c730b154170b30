"""Back to a version that was champion before: the same switch as a promotion, kept in the history.

"previous" undoes decisions like a stack: a promotion lays its version on top, a rollback takes off
all above the version it returns to. Said twice, it so goes two steps back, not to and fro.
"""

import re
from collections.abc import Iterable, Sequence
from types import EllipsisType

import structlog
from sqlalchemy import Connection, select

from ml.audit.preflight import check_classes
from ml.connections import Connections
from ml.errors import ChampionChanged, ModelError
from ml.model import registry
from ml.model.history import Promotion, promotions
from ml.model.registry import champion_hash
from ml.policy.policy import load_policy
from ml.settings import Settings
from ml.storage.database import in_transaction
from ml.storage.schema import model_version

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

    The version is loaded and checked first. With a hash, again is no change; "previous" again goes
    one further back.

    Args:
        to: "previous", a model hash, or the start of one (8 digits or more).
        by: who, for the history.
        reason: why, for the history.
        settings: name the policy in force.
        connections: open ones.
        expected: the champion that the caller saw; `...` takes any.

    Raises:
        ModelError: no such version, it was never champion, or it cannot be loaded.
        PolicyError: the policy in force names other classes than the version.
        ChampionChanged: another switch came first, or between finding "previous" and going there.
    """
    now, target = in_transaction(connections.engine, lambda c: _now_and_then(c, to, expected))
    checkpoint = registry.fetch(target, store=connections.models, cache=connections.model_cache)
    check_classes(checkpoint.card, load_policy(settings.policy_file))
    registry.promote(
        target,
        engine=connections.engine,
        by=by,
        reason=reason,
        expected=now if to == PREVIOUS else expected,
        kind="rollback",
    )
    log.info("rolled back", model_hash=target, was=now)
    return target


def _now_and_then(connection: Connection, to: str, expected: str | EllipsisType) -> tuple[str, str]:
    """The champion, and the version to go back to."""
    now = champion_hash(connection)
    if to == PREVIOUS and expected not in (..., now):
        raise ChampionChanged(
            f'"previous" was asked of {str(expected)[:12]}, but the champion is {now[:12]} by now'
        )
    return now, _resolve(connection, to)


def resolve(to: str, *, connections: Connections) -> str:
    """The hash that `rollback` would go to; raises ModelError as it does."""
    return in_transaction(connections.engine, lambda c: _resolve(c, to))


def _resolve(connection: Connection, to: str) -> str:
    history = promotions(connection)
    if to == PREVIOUS:
        return _before(history)
    target = _only_one(connection, to)
    if target not in {switch.model_hash for switch in history}:
        raise ModelError(
            f"{target} was never champion, so there is no way back to it; "
            f"`python -m ml promote {target} --reason ...` makes it one"
        )
    return target


def _before(history: Iterable[Promotion]) -> str:
    """The version below the champion on the stack of decisions.

    Raises:
        ModelError: there is none.
    """
    stack: list[str] = []
    for switch in history:
        if switch.kind == "rollback" and switch.model_hash in stack:
            while stack[-1] != switch.model_hash:
                stack.pop()
        else:
            stack.append(switch.model_hash)
    if len(stack) < 2:  # noqa: PLR2004 - the champion and the one before it
        raise ModelError("there is no version before the present champion; name one by its hash")
    return stack[-2]


def _only_one(connection: Connection, start: str) -> str:
    if not _HASH_START.fullmatch(start):
        raise ModelError(
            f"{start!r} names no version: say {PREVIOUS!r} or the first 8 to 64 digits of a hash "
            "(`python -m ml models` lists them)"
        )
    query = select(model_version.c.model_hash).where(model_version.c.model_hash.startswith(start))
    ordered = query.order_by(model_version.c.model_hash)
    found: Sequence[str] = connection.execute(ordered).scalars().all()
    if not found:
        raise ModelError(f"no registered model version begins with {start}")
    if len(found) > 1:
        raise ModelError(f"{len(found)} versions begin with {start}: {', '.join(found)}; say more")
    return found[0]
