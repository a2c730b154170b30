"""First step of a nightly run: check what it depends on, and fix its champion and policy."""

from collections.abc import Callable
from typing import TypeVar

import structlog
import torch

from ml.core.settings import Settings
from ml.core.window import Window
from ml.models import registry
from ml.models.card import check_classes
from ml.models.predictor import Predictor, describe_device, resolve_device
from ml.policy.schema import Policy, load_policy
from ml.storage import audit_runs, shadow_verdicts
from ml.storage.audit_runs import AuditRun
from ml.storage.connections import Connections
from ml.storage.database import check_migrated, in_transaction
from ml.vision.screens.near_duplicates import DuplicateIndex
from ml.vision.screens.runner import ScreenRunner

log = structlog.get_logger()
T = TypeVar("T")


def preflight(
    run_id: str, window: Window, *, settings: Settings, connections: Connections
) -> AuditRun:
    """Check database, buckets, policy, champion and device; then begin the run.

    The champion is loaded and computes once on the device, so that a broken file or driver stops
    the run here and not in 200 shards. A shadow model is tested in the same way, but left out if
    it fails. The screens are created once, to test what they load.

    Raises:
        SettingsError, PolicyError: with the remedy.
        NoChampion, ModelError: no usable model.
        StorageError: database or bucket; "forbidden" is distinguished from "not found".
    """
    policy = load_policy(settings.policy_file)
    in_transaction(connections.engine, check_migrated)
    connections.photos.check()
    connections.models.check()
    ScreenRunner(policy.screens, DuplicateIndex([]), workers=1)
    model_hash = in_transaction(connections.engine, registry.champion_hash)
    device = resolve_device(settings.device)
    _smoke_test(model_hash, device, policy, connections)
    shadow_hash = _usable_shadow(device, policy, connections)
    run = AuditRun(run_id, window, model_hash, policy, describe_device(device), shadow_hash)
    log.info(
        "preflight",
        device=run.device,
        model=model_hash[:12],
        shadow=shadow_hash and shadow_hash[:12],
        policy=policy.version[:12],
        screens=[name for name, _ in policy.screens.enabled()],
        window=f"{window.start.isoformat()} .. {window.end.isoformat()}",
    )
    return in_transaction(connections.engine, lambda c: audit_runs.begin(c, run))


def _smoke_test(
    model_hash: str, device: torch.device, policy: Policy, connections: Connections
) -> None:
    checkpoint = registry.fetch(model_hash, store=connections.models, cache=connections.model_cache)
    check_classes(checkpoint.card, policy)
    crop = checkpoint.card.preprocessing.crop
    predictor = Predictor(checkpoint, device=device, batch_size=1)
    predictor.scores([torch.zeros(3, crop, crop, dtype=torch.uint8).numpy()])


def _usable_shadow(device: torch.device, policy: Policy, connections: Connections) -> str | None:
    """The requested shadow version; None without one, or if it cannot be used with this policy."""
    model_hash = in_transaction(connections.engine, shadow_verdicts.requested)
    if model_hash is None:
        return None

    def check() -> str:
        _smoke_test(model_hash, device, policy, connections)
        return model_hash

    return best_effort(model_hash, check)


def best_effort(shadow_hash: str, work: Callable[[], T]) -> T | None:
    """What `work` on a shadow returns; None, with a log line, if it fails."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever a candidate does, the run continues
        log.warning("no shadow: it cannot be used", model_hash=shadow_hash, error=str(error))
        return None
