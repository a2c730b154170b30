"""First step of a nightly run: check what it depends on; fix champion, policy and computation."""

import structlog

from ml.core.errors import RunNotStarted
from ml.core.settings import Settings
from ml.core.window import Window
from ml.models import registry
from ml.models.predictor import describe_device, resolve_device
from ml.moderation.pipeline.model_loading import ModelLoader
from ml.moderation.pipeline.signals import load_signals
from ml.policy.schema import Policy, load_policy
from ml.storage import audit_runs, shadow_verdicts
from ml.storage.audit_runs import AuditRun
from ml.storage.commerce_values import check_commerce_table
from ml.storage.connections import Connections
from ml.storage.database import check_migrated, in_transaction
from ml.storage.object_store import MODELS_PREFIX
from ml.vision.screens.runner import ScreenRunner

log = structlog.get_logger()


def preflight(
    run_id: str, window: Window, *, settings: Settings, connections: Connections
) -> AuditRun:
    """Check database, commerce table, buckets, policy, champion, device; then begin the run.

    How scores are computed is chosen here, once for all shards (`ml.models.computation_choice`,
    `ml.models.batch_size`).
    The champion is loaded and its scores are checked on the device, so that a broken file or driver
    stops the run here and not in 200 shards. A shadow model is checked in the same way, but left
    out if it fails. Screens and signals are created once, to test what they load.

    Raises:
        SettingsError, PolicyError: with the remedy. A run that an earlier attempt began needs no
            policy file: its own policy is stored.
        NoChampion, ModelError: no usable model.
        StorageError: database or bucket; "forbidden" is distinguished from "not found".
    """
    engine = connections.engine
    in_transaction(engine, check_migrated)
    in_transaction(engine, check_commerce_table, settings.commerce)
    policy = _policy(run_id, settings, connections)
    connections.photos.check(settings.fixed_photo_prefix)
    connections.models.check(MODELS_PREFIX)
    ScreenRunner(policy.screens).load()
    load_signals(policy.screens, settings, connections)
    champion = in_transaction(engine, registry.champion_hash)
    loader = ModelLoader(policy, settings, connections, batch_size=1, check=True)
    choice = loader.choose(champion)
    computation = choice.computation
    batch_size = loader.choose_batch_size(champion, computation)
    loader.load(champion, computation)
    shadow_hash = in_transaction(engine, shadow_verdicts.requested)
    shadow = loader.load_shadow(shadow_hash, computation)
    run = AuditRun(
        run_id,
        window,
        champion,
        policy,
        device=describe_device(resolve_device(settings.device), computation),
        shadow_hash=shadow_hash if shadow else None,
        computation=computation,
        batch_size=batch_size,
        fallback=choice.fallback,
    )
    log.info(
        "preflight",
        device=run.device,
        batch_size=batch_size,
        model=champion[:12],
        shadow=run.shadow_hash and run.shadow_hash[:12],
        policy=policy.version[:12],
        screens=[name for name, _ in policy.screens.enabled()],
        window=f"{window.start.isoformat()} .. {window.end.isoformat()}",
    )
    return in_transaction(engine, audit_runs.begin, run)


def _policy(run_id: str, settings: Settings, connections: Connections) -> Policy:
    """The stored policy of a run that has begun, else the file's."""
    try:
        return in_transaction(connections.engine, audit_runs.load, run_id).policy
    except RunNotStarted:
        return load_policy(settings.policy_file)
