"""Checks of policy, champion, device and `/predict`."""

import tempfile
from dataclasses import replace
from pathlib import Path

import httpx
import torch

from ml.core.errors import (
    ModelError,
    ModelHashMismatch,
    NoChampion,
    ObjectNotFound,
    PretrainedWeightsError,
)
from ml.models import registry
from ml.models.card import check_classes, parse_card
from ml.models.distillation.networks import TEACHER, load_teacher
from ml.models.load_check import check_version
from ml.models.predictor import describe_device, resolve_device
from ml.moderation.pipeline.signals import load_signals
from ml.operations.doctor.check import Deployment, Finding, failed, ok, skipped
from ml.policy.schema import load_policy
from ml.storage.database import in_transaction
from ml.storage.model_versions import load_champion_card

RESTORE_REMEDY = (
    "put the version's files back from a backup of the bucket, or "
    "`python -m ml models rollback previous --reason ...`"
)


def check_champion(deployment: Deployment) -> Finding:
    """Fetch the champion from the bucket, not from this machine's cache, and check it."""
    connections = deployment.connections
    try:
        model_hash = in_transaction(connections.engine, registry.champion_hash)
    except NoChampion as error:
        return failed(error, remedy="train and promote a model, or promote one that is registered")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            card = check_version(model_hash, store=connections.models, cache=Path(scratch))
        except ModelHashMismatch as error:
            return failed(f"the champion is damaged: {error}", remedy=RESTORE_REMEDY)
        except (ModelError, ObjectNotFound) as error:
            return failed(f"the champion cannot be loaded: {error}", remedy=RESTORE_REMEDY)
    return ok(f"{model_hash[:12]}, {card.preset}, classes {', '.join(card.classes)}")


def check_device(deployment: Deployment) -> Finding:
    """Add two numbers on the device of the settings."""
    resolved = resolve_device(deployment.settings.device)
    torch.ones(2, device=resolved).sum().item()
    return ok(describe_device(resolved))


def check_policy(deployment: Deployment) -> Finding:
    """Read the policy file."""
    file = deployment.settings.policy_file
    return ok(f"{file.name}, version {load_policy(file).version[:12]}")


def check_champion_classes(deployment: Deployment) -> Finding:
    """Compare the policy's classes with the champion's."""
    policy = load_policy(deployment.settings.policy_file)
    card = in_transaction(deployment.connections.engine, load_champion_card)
    check_classes(parse_card(card, source="the champion"), policy)
    return ok(", ".join(policy.classes))


def check_signals(deployment: Deployment) -> Finding:
    """Fetch the policy's signals from the bucket, not from this machine's cache, and check them."""
    settings = deployment.settings
    screens = load_policy(settings.policy_file).screens
    with tempfile.TemporaryDirectory() as scratch:
        connections = replace(deployment.connections, model_cache=Path(scratch))
        loaded = load_signals(screens, settings, connections)
    if not len(loaded):
        return skipped("screens.signals of the policy names none")
    return ok("; ".join(f"{name}: {loaded.predictors[name].card.name}" for name in loaded.rules))


def check_teacher(deployment: Deployment) -> Finding:
    """Load the teacher of a distillation, where the policy asks for one."""
    if not load_policy(deployment.settings.policy_file).retraining.distillation.enabled:
        return skipped("retraining.distillation of the policy is off")
    try:
        load_teacher()
    except PretrainedWeightsError as error:
        return failed(error, remedy="install the extra `teacher`, or switch the distillation off")
    return ok(TEACHER)


TIMEOUT_SECONDS = 10.0


def check_predict(url: str | None) -> Finding:
    """Request `/healthz` and `/readyz`; needs no key."""
    if url is None:
        return skipped("not requested (--predict-url)")
    for path, remedy in (
        ("/healthz", "start the service, or look at its log"),
        ("/readyz", "its answer and its log say what it waits for"),
    ):
        try:
            answer = httpx.get(f"{url.rstrip('/')}{path}", timeout=TIMEOUT_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return failed(f"{url}{path} does not answer: {error}", remedy=remedy)
        if not answer.is_success:
            return failed(
                f"{url}{path} answers {answer.status_code}: {answer.text[:200]}", remedy=remedy
            )
    return ok(f"{url}: alive and ready")
