"""Results into the ledger, where the settings ask for it; an answer never fails for its sake."""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import Connection

from ml.connections import Connections
from ml.errors import StorageError
from ml.serving.judging import Judged, Photo
from ml.serving.metrics import Metrics
from ml.serving.pools import Pools, run
from ml.serving.version import Version
from ml.storage.database import in_transaction
from ml.storage.object_store import ListedObject
from ml.storage.online import OnlineVerdict, record_verdicts

log = structlog.get_logger()

_DATABASE_SECONDS = 5.0


class Recorder:
    """Writes verdicts of photos that came by their key.

    Args:
        connections, pools, metrics: the service's.
    """

    def __init__(self, connections: Connections, pools: Pools, metrics: Metrics) -> None:
        self._connections = connections
        self._pools = pools
        self._metrics = metrics

    async def record(
        self, version: Version, photos: Sequence[Photo], listed: Mapping[str, ListedObject]
    ) -> set[str]:
        """Returns the keys whose verdicts the ledger now holds; none where it cannot be written.

        Left out is what people decided on before: the night notes such a decision with the run.
        """
        verdicts = [
            OnlineVerdict(p.photo, listed[p.photo.image.object_key])
            for p in photos
            if isinstance(p, Judged) and not p.verdict.reused and p.photo.image.object_key in listed
        ]
        if not verdicts:
            return set()
        try:
            written = await run(self._pools.database, lambda: self._write(version, verdicts))
        except StorageError as error:
            log.warning("verdicts were not recorded; the night will judge", error=str(error))
            return set()
        self._metrics.recorded.inc(len(written))
        return written

    def _write(self, version: Version, verdicts: Sequence[OnlineVerdict]) -> set[str]:
        def work(connection: Connection) -> set[str]:
            return record_verdicts(
                connection,
                version.judged_by,
                version.predictor.card,
                verdicts,
                commerce=self._connections.commerce,
                batch_images=version.predictor.batch_images,
            )

        return in_transaction(self._connections.engine, work, seconds=_DATABASE_SECONDS)
