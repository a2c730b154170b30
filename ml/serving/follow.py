"""Follows the champion, the policy file, the keys and the health of what is needed."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from ml.connections import Connections
from ml.errors import ModerationError, NoChampion, PolicyError, StorageForbidden
from ml.inference.clock import StageClock
from ml.model import registry
from ml.policy.policy import Policy, load_policy
from ml.serving.access import Keyring
from ml.serving.judging import Judging
from ml.serving.metrics import Metrics
from ml.serving.pools import Pools, run
from ml.serving.version import Version, load_version
from ml.settings import Settings
from ml.storage.api_keys import all_keys
from ml.storage.database import in_transaction
from ml.storage.migrate import check_migrated

log = structlog.get_logger()

OK = "ok"
_STALE_POLLS = 3  # missed ones after which what was seen says nothing any more
_LOAD_AGAIN_SECONDS = 60.0  # after a version could not be loaded
_STALE_SECONDS = 30.0  # at least: a retry within a poll takes seconds


Names = tuple[str, str]  # model hash and policy version


@dataclass
class Seen:
    """What the last poll found; `checks` maps a part to `ok` or to what is wrong with it."""

    checks: dict[str, str] = field(default_factory=dict)
    keyring: Keyring | None = None
    polled_at: float = float("-inf")


class Follower:
    """Polls, and exchanges the version in the background; a failed load leaves the old one.

    `current` changes between two requests, never within one. The poll goes on while a version
    loads.

    Args:
        settings, connections, pools, metrics, clock: the service's.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        connections: Connections,
        pools: Pools,
        metrics: Metrics,
        clock: StageClock,
    ) -> None:
        self.current: Judging | None = None
        self.seen = Seen()
        self._wanted: tuple[str, Policy] | None = None
        self._settings = settings
        self._connections = connections
        self._pools = pools
        self._metrics = metrics
        self._clock = clock
        self._loading: asyncio.Task[None] | None = None
        self._failed: tuple[Names, float] | None = None
        self._bank_read_at = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether a version is loaded and all that is needed answered lately."""
        age = time.monotonic() - self.seen.polled_at
        fresh = age < max(_STALE_SECONDS, _STALE_POLLS * self._settings.serve_poll_seconds)
        return self.current is not None and fresh and set(self.seen.checks.values()) == {OK}

    async def follow(self) -> None:
        """Poll until cancelled."""
        while True:
            try:
                await self.poll()
            except Exception:  # a defect here must not end the following
                log.exception("a poll failed")
            await asyncio.sleep(self._settings.serve_poll_seconds)

    async def poll(self) -> None:
        """Look once; start to load what is new."""
        connections = self._connections
        checks = {
            "database": await self._checked(self._database),
            "photos": await self._checked(connections.photos.check),
            "models": await self._checked(connections.models.check),
            "champion": await self._checked(self._champion),
        }
        self.seen.checks, self.seen.polled_at = checks, time.monotonic()
        if set(checks.values()) == {OK}:
            self._metrics.polled.set_to_current_time()
        self._begin_work()

    async def _checked(self, check: Callable[[], None]) -> str:
        try:
            await run(self._pools.follow, check)
        except ModerationError as error:
            log.warning("a poll failed", error=str(error))
            if isinstance(error, NoChampion):
                return "none"
            return "forbidden" if isinstance(error, StorageForbidden) else "failed"
        return OK

    def _database(self) -> None:
        engine, seconds = self._connections.engine, self._settings.serve_poll_seconds
        in_transaction(engine, check_migrated, seconds=seconds)
        self.seen.keyring = Keyring(in_transaction(engine, all_keys, seconds=seconds))

    def _champion(self) -> None:
        engine, seconds = self._connections.engine, self._settings.serve_poll_seconds
        model_hash = in_transaction(engine, registry.champion_hash, seconds=seconds)
        self._wanted = model_hash, self._policy()

    def _policy(self) -> Policy:
        """The file's; a broken file leaves the policy that is loaded."""
        try:
            return load_policy(self._settings.policy_file)
        except PolicyError as error:
            if self.current is None:
                raise
            self._metrics.switches.labels("failed").inc()
            log.warning("the policy file cannot be used; the old one goes on", error=str(error))
            return self.current.version.judged_by.policy

    def _begin_work(self) -> None:
        """Load what is wanted, or else read the bank anew, in the background; one at a time."""
        if self._wanted is None or (self._loading is not None and not self._loading.done()):
            return
        model_hash, policy = self._wanted
        names = (model_hash, policy.version)
        now = time.monotonic()
        if self.current is None or self.current.version.names != names:
            if self._failed is None or self._failed[0] != names or now >= self._failed[1]:
                self._loading = asyncio.create_task(self._load(model_hash, policy))
        elif now - self._bank_read_at >= self._settings.serve_bank_seconds:
            self._bank_read_at = now
            self._loading = asyncio.create_task(self._read_bank(self.current.version))

    async def _load(self, model_hash: str, policy: Policy) -> None:
        parts = {"settings": self._settings, "connections": self._connections}
        try:
            version = await run(
                self._pools.follow,
                lambda: load_version(model_hash, policy, clock=self._clock, **parts),  # type: ignore[arg-type]  # two kinds of values
            )
        except Exception as error:  # noqa: BLE001 - whatever it is, the old version goes on
            self._failed = (model_hash, policy.version), time.monotonic() + _LOAD_AGAIN_SECONDS
            self._metrics.switches.labels("failed").inc()
            log.error("a version cannot be loaded", model=model_hash, error=str(error))  # noqa: TRY400 - one line is enough
            return
        self._bank_read_at = time.monotonic()
        self.current = Judging(
            version,
            pools=self._pools,
            metrics=self._metrics,
            clock=self._clock,
            **parts,  # type: ignore[arg-type]  # as above
        )
        self._metrics.switches.labels("loaded").inc()
        self._metrics.loaded(*version.names)
        log.info("version loaded", model=model_hash, policy=policy.version)

    async def _read_bank(self, version: Version) -> None:
        try:
            engine = self._connections.engine
            await run(self._pools.follow, lambda: version.bank.read(engine, version.judged_by))
        except ModerationError as error:
            log.warning("the bank of duplicates was not read anew", error=str(error))
