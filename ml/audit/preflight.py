"""First step of a night: everything that is needed answers, and the champion is fixed."""

from collections.abc import Callable
from typing import TypeVar

import structlog
import torch

from ml.audit.window import Window
from ml.connections import Connections
from ml.errors import PolicyError
from ml.inference.device import describe, resolve
from ml.inference.predictor import Predictor
from ml.model import registry
from ml.model.card import ModelCard
from ml.policy.policy import Policy, load_policy
from ml.screens.duplicates import DecidedPhotos
from ml.screens.screening import Screening
from ml.settings import Settings
from ml.storage import audit_runs, shadow
from ml.storage.audit_runs import AuditRun
from ml.storage.database import in_transaction
from ml.storage.migrate import check_migrated

log = structlog.get_logger()
T = TypeVar("T")


def preflight(
    run_id: str, window: Window, *, settings: Settings, connections: Connections
) -> AuditRun:
    """Check database, buckets, policy, champion and device; then begin the run.

    The champion is loaded and computes once on the device, so that a broken file or driver stops
    the night here and not in 200 shards. A candidate that is to judge in the shadow is tried in the
    same way, but only left out where it fails. The screens are made once, for what they load.

    Raises:
        SettingsError, PolicyError: with the remedy.
        NoChampion, ModelError: no usable model.
        StorageError: database or bucket; "forbidden" is told from "absent".
    """
    policy = load_policy(settings.policy_file)
    in_transaction(connections.engine, check_migrated)
    connections.photos.check()
    connections.models.check()
    Screening(policy.screens, DecidedPhotos([]), workers=1)
    model_hash = in_transaction(connections.engine, registry.champion_hash)
    device = resolve(settings.device)
    _compute_once(model_hash, device, policy, connections)
    shadow_hash = _usable_shadow(device, policy, connections)
    run = AuditRun(run_id, window, model_hash, policy, describe(device), shadow_hash)
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


def _compute_once(
    model_hash: str, device: torch.device, policy: Policy, connections: Connections
) -> None:
    checkpoint = registry.fetch(model_hash, store=connections.models, cache=connections.model_cache)
    check_classes(checkpoint.card, policy)
    crop = checkpoint.card.preprocessing.crop
    predictor = Predictor(checkpoint, device=device, batch_images=1)
    predictor.scores([torch.zeros(3, crop, crop, dtype=torch.uint8).numpy()])


def _usable_shadow(device: torch.device, policy: Policy, connections: Connections) -> str | None:
    """The version in the shadow; None where there is none or it cannot judge by this policy."""
    model_hash = in_transaction(connections.engine, shadow.requested)
    if model_hash is None:
        return None

    def tried() -> str:
        _compute_once(model_hash, device, policy, connections)
        return model_hash

    return without_harm(model_hash, tried)


def without_harm(shadow_hash: str, work: Callable[[], T]) -> T | None:
    """What `work` on a shadow returns; None, said in the log, where it fails."""
    try:
        return work()
    except Exception as error:  # noqa: BLE001 - whatever a candidate does, the night goes on
        log.warning("no shadow: it cannot be used", model_hash=shadow_hash, error=str(error))
        return None


def check_classes(card: ModelCard, policy: Policy) -> None:
    """Raise PolicyError unless model and policy name the same classes."""
    if set(card.classes) != set(policy.classes):
        raise PolicyError(
            f"version {card.model_hash[:12]} knows {sorted(card.classes)}, "
            f"the policy {sorted(policy.classes)}; "
            "promote a model trained for this policy, or restore the policy it was trained for"
        )
