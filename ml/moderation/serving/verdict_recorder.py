"""Record the service's verdicts in the database if the settings ask for it.

A response never fails because its verdicts could not be recorded.
"""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import Connection

from ml.core.errors import StorageError
from ml.models.predictor import runtime_fingerprint
from ml.moderation.serving.executors import Executors, run_in
from ml.moderation.serving.loaded_model import LoadedModel
from ml.moderation.serving.metrics import Metrics
from ml.moderation.serving.prediction_service import Photo, Prediction
from ml.storage.commerce import load_known_keys
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.object_store import ListedObject
from ml.storage.verdicts import DecidedVerdict, VerdictSource, add_to_ledger, write_verdicts

log = structlog.get_logger()

_DATABASE_SECONDS = 5.0


class VerdictRecorder:
    """Records the verdicts of photos that were requested by key.

    Args:
        connections, pools, metrics: those of the service.
    """

    def __init__(self, connections: Connections, pools: Executors, metrics: Metrics) -> None:
        self._connections = connections
        self._pools = pools
        self._metrics = metrics

    async def record(
        self, version: LoadedModel, photos: Sequence[Photo], listed: Mapping[str, ListedObject]
    ) -> set[str]:
        """Record verdicts; return the keys whose verdicts are stored, none if the database fails.

        Verdicts that repeat a reviewer's decision are left out: the nightly run records those.
        """
        verdicts = {
            p.photo.image.object_key: DecidedVerdict(p.photo, p.verdict)
            for p in photos
            if isinstance(p, Prediction)
            and not p.verdict.reused
            and p.photo.image.object_key in listed
        }
        if not verdicts:
            return set()
        objects = {key: listed[key] for key in verdicts}
        try:
            written = await run_in(
                self._pools.database, lambda: self._write(version, verdicts, objects)
            )
        except StorageError as error:
            log.warning("verdicts not recorded; the nightly run will score", error=str(error))
            return set()
        self._metrics.recorded.inc(len(written))
        return written

    def _write(
        self,
        version: LoadedModel,
        verdicts: Mapping[str, DecidedVerdict],
        objects: Mapping[str, ListedObject],
    ) -> set[str]:
        """Write what the nightly run would write, but for commerce rows and review tasks.

        Photos without a commerce row are left to the nightly run, which quarantines them.
        """
        context = version.context
        source = VerdictSource(
            run_id=context.run_id,
            model_hash=context.model_hash,
            policy_version=context.policy.version,
            pass_confidence=version.predictor.card.thresholds.pass_confidence,
            runtime_versions=runtime_fingerprint(version.predictor.batch_size),
        )

        def work(connection: Connection) -> set[str]:
            known = load_known_keys(connection, self._connections.commerce, list(verdicts))
            add_to_ledger(connection, [objects[key] for key in known])
            write_verdicts(connection, source, [verdicts[key] for key in known])
            return known

        return in_transaction(self._connections.engine, work, seconds=_DATABASE_SECONDS)
