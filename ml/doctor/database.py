"""Does the database let us in?"""

from sqlalchemy import text

from ml.doctor.deployment import Deployment
from ml.doctor.finding import Finding, failed, ok
from ml.errors import StorageForbidden, StorageUnavailable
from ml.storage.database import in_transaction


def database(deployment: Deployment) -> Finding:
    """Log in and ask who we are."""
    who = text("select current_user, current_database(), current_setting('server_version')")
    try:
        row = in_transaction(deployment.connections.engine, lambda c: c.execute(who).one())
    except StorageForbidden as error:
        return failed(
            error,
            do="mend user and password in MODERATION_DATABASE_URL, or let the user log in "
            "(pg_hba.conf)",
        )
    except StorageUnavailable as error:
        return failed(
            error,
            do="start PostgreSQL, or mend host, port and database name in MODERATION_DATABASE_URL",
        )
    return ok(f"user {row[0]} in database {row[1]}, PostgreSQL {row[2]}")
