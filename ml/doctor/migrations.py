"""Is the schema `moderation` the one that this code was written for?"""

from ml.doctor.deployment import Deployment
from ml.doctor.finding import Finding, failed, ok
from ml.errors import StorageForbidden, StorageUnavailable
from ml.storage.database import in_transaction
from ml.storage.migrate import check_migrated, newest


def migrations(deployment: Deployment) -> Finding:
    """Compare the database's revision with the newest one of the code."""
    try:
        in_transaction(deployment.connections.engine, check_migrated)
    except StorageForbidden as error:
        return failed(error, do="GRANT USAGE ON SCHEMA moderation, and SELECT on its tables")
    except StorageUnavailable as error:
        return failed(error, do="see the check `database`")
    return ok(f"schema moderation at {newest()}")
