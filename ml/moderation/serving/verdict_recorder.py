"""Record the service's verdicts in the database if the settings ask for it.

A response never fails because its verdicts could not be recorded.
"""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import Connection

from ml.core.errors import SettingsError, StorageError
from ml.models.predictor import runtime_fingerprint
from ml.moderation.serving.loaded_model import LoadedModel
from ml.moderation.serving.prediction_service import Photo, Prediction
from ml.moderation.serving.resources import Resources
from ml.storage.commerce import load_known_keys
from ml.storage.s3_responses import ListedObject
from ml.storage.verdicts import DecidedVerdict, VerdictSource, add_to_ledger, write_verdicts

log = structlog.get_logger()


async def record_verdicts(
    resources: Resources,
    version: LoadedModel,
    photos: Sequence[Photo],
    listed: Mapping[str, ListedObject],
) -> set[str]:
    """Record verdicts; return the keys whose verdicts are stored, none if the database fails.

    What the nightly run would write is written, but for commerce rows and review tasks. Photos
    without a commerce row are left to the nightly run, which quarantines them, and so are verdicts
    that repeat a reviewer's decision, and all while no decided photo can be compared with: a
    recorded verdict is final.
    """
    if version.compared_photos == 0:
        return set()
    verdicts = {
        p.photo.image.object_key: DecidedVerdict(p.photo, p.verdict)
        for p in photos
        if isinstance(p, Prediction) and not p.verdict.reused and p.photo.image.object_key in listed
    }
    if not verdicts:
        return set()

    def write(connection: Connection) -> set[str]:
        known = load_known_keys(connection, resources.connections.commerce, list(verdicts))
        add_to_ledger(connection, [listed[key] for key in known])
        write_verdicts(connection, _source(version), [verdicts[key] for key in known])
        return known

    try:
        written = await resources.query(write)
    except (SettingsError, StorageError) as error:
        log.warning("verdicts not recorded; the nightly run will score", error=str(error))
        return set()
    resources.metrics.recorded.inc(len(written))
    return written


def _source(version: LoadedModel) -> VerdictSource:
    predictor = version.predictor
    return VerdictSource(
        run_id=version.run_id,
        model_hash=version.model_hash,
        policy_version=version.policy.version,
        pass_confidence=predictor.pass_confidence,
        runtime_versions=runtime_fingerprint(predictor.batch_size, predictor.computation),
    )
