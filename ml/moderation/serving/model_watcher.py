"""Watch the champion, the policy file, the API keys and the health of all dependencies."""

import asyncio
import time
from collections.abc import Callable

import structlog

from ml.core.errors import ModerationError, NoChampion, PolicyError, StorageForbidden
from ml.models import registry
from ml.moderation.serving.auth import ApiKeyCache
from ml.moderation.serving.loaded_model import LoadedModel, load_model
from ml.moderation.serving.prediction_service import PredictionService
from ml.moderation.serving.resources import Resources, run_in
from ml.policy.schema import Policy, load_policy
from ml.storage.api_keys import all_keys
from ml.storage.database import check_migrated, in_transaction
from ml.storage.object_store import MODELS_PREFIX

log = structlog.get_logger()

OK = "ok"
_STALE_POLLS = 3  # missed polls after which the last state is stale
_MIN_STALE_SECONDS = 30.0  # retries within a poll take seconds
_RELOAD_SECONDS = 60.0  # wait after a failed load


class ModelWatcher:
    """Polls, and replaces the loaded model in the background; a failed load keeps the old one.

    `current` changes between two requests, never within one. Polling continues while a model loads.
    `checks` maps each dependency to `ok` or to its problem at the last poll.
    """

    def __init__(self, resources: Resources) -> None:
        self.current: PredictionService | None = None
        self.checks: dict[str, str] = {}
        self.api_keys: ApiKeyCache | None = None
        self._polled_at = float("-inf")
        self._resources = resources
        self._target: tuple[str, Policy] | None = None  # to be loaded
        self._loading: asyncio.Task[None] | None = None
        self._failed: tuple[tuple[str, str], float] | None = None  # names, and when to try again
        self._decided_read_at = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether a model is loaded and all dependencies responded recently."""
        poll_seconds = self._resources.settings.serve_poll_seconds
        max_age = max(_MIN_STALE_SECONDS, _STALE_POLLS * poll_seconds)
        fresh = time.monotonic() - self._polled_at < max_age
        return self.current is not None and fresh and set(self.checks.values()) == {OK}

    async def follow(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                await self.poll()
            except Exception:  # a bug must not stop the polling
                log.exception("a poll failed")
            await asyncio.sleep(self._resources.settings.serve_poll_seconds)

    async def poll(self) -> None:
        """Poll once; start to load a new champion or policy."""
        self.checks = {
            "database": await self._run_check(self._poll_database),
            "photos": await self._run_check(self._check_photos),
            "models": await self._run_check(self._check_models),
            "champion": await self._run_check(self._poll_champion),
        }
        self._polled_at = time.monotonic()
        if set(self.checks.values()) == {OK}:
            self._resources.metrics.polled.set_to_current_time()
        self._start_loading()

    async def _run_check(self, check: Callable[[], None]) -> str:
        try:
            await run_in(self._resources.pools.follow, check)
        except ModerationError as error:
            log.warning("a poll failed", error=str(error))
            if isinstance(error, NoChampion):
                return "none"
            return "forbidden" if isinstance(error, StorageForbidden) else "failed"
        return OK

    def _check_photos(self) -> None:
        self._resources.connections.photos.check(self._resources.settings.fixed_photo_prefix)

    def _check_models(self) -> None:
        self._resources.connections.models.check(MODELS_PREFIX)

    def _poll_database(self) -> None:
        engine = self._resources.connections.engine
        seconds = self._resources.settings.serve_poll_seconds
        in_transaction(engine, check_migrated, seconds=seconds)
        self.api_keys = ApiKeyCache(in_transaction(engine, all_keys, seconds=seconds))

    def _poll_champion(self) -> None:
        engine = self._resources.connections.engine
        seconds = self._resources.settings.serve_poll_seconds
        model_hash = in_transaction(engine, registry.champion_hash, seconds=seconds)
        self._target = model_hash, self._load_policy()

    def _load_policy(self) -> Policy:
        """The policy of the file; if the file is invalid, the loaded policy."""
        try:
            return load_policy(self._resources.settings.policy_file)
        except PolicyError as error:
            if self.current is None:
                raise
            self._resources.metrics.switches.labels("failed").inc()
            log.warning("the policy file is invalid; the old policy stays", error=str(error))
            return self.current.version.policy

    def _start_loading(self) -> None:
        """Load the target, or read the decided photos again, in the background; one at a time."""
        if self._target is None or (self._loading is not None and not self._loading.done()):
            return
        model_hash, policy = self._target
        names = (model_hash, policy.version)
        now = time.monotonic()
        refresh_seconds = self._resources.settings.serve_duplicates_refresh_seconds
        if self.current is None or self.current.version.names != names:
            if self._failed is None or self._failed[0] != names or now >= self._failed[1]:
                self._loading = asyncio.create_task(self._load(model_hash, policy))
        elif now - self._decided_read_at >= refresh_seconds:
            self._decided_read_at = now
            self._loading = asyncio.create_task(self._refresh_decided(self.current.version))

    async def _load(self, model_hash: str, policy: Policy) -> None:
        resources = self._resources
        try:
            version = await run_in(
                resources.pools.follow, lambda: load_model(model_hash, policy, resources)
            )
        except Exception as error:  # noqa: BLE001 - the old model stays, whatever the error
            self._failed = (model_hash, policy.version), time.monotonic() + _RELOAD_SECONDS
            resources.metrics.switches.labels("failed").inc()
            log.error("a model cannot be loaded", model=model_hash, error=str(error))  # noqa: TRY400 - one line is enough
            return
        self._decided_read_at = time.monotonic()
        self.current = PredictionService(version, resources)
        resources.metrics.switches.labels("loaded").inc()
        resources.metrics.set_loaded(*version.names)
        self._count_compared(version)
        computation = version.predictor.computation
        resources.metrics.set_computation(computation, version.fallback)
        log.info(
            "model loaded",
            model=model_hash,
            policy=policy.version,
            computes_in=str(computation),
            fallback=version.fallback,
            compared_photos=version.compared_photos,
        )

    async def _refresh_decided(self, version: LoadedModel) -> None:
        resources = self._resources
        engine = resources.connections.engine
        try:
            await run_in(resources.pools.follow, lambda: version.read_decided_photos(engine))
        except Exception as error:  # noqa: BLE001 - the old photos stay, whatever the error
            log.warning("the decided photos were not read again", error=str(error))
        self._count_compared(version)

    def _count_compared(self, version: LoadedModel) -> None:
        self._resources.metrics.set_compared_photos(
            version.model_hash, version.compared_photos, version.missing_features
        )
