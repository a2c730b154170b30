"""Open the deployment that the environment names, and examine it as far as that goes."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy.exc import ArgumentError

from ml.connections import open_connections
from ml.doctor.checks import library_checks
from ml.doctor.deployment import Deployment
from ml.doctor.examine import Examined, examine
from ml.doctor.finding import failed, ok
from ml.errors import ModerationError
from ml.settings import load_settings

NAME = "settings"


def library_findings(*, predict_url: str | None = None) -> Iterator[Examined]:
    """The check `settings` and, where it went well, all others that need no Airflow."""
    with _opened() as (first, deployment):
        yield first
        if deployment is not None:
            yield from examine(library_checks(deployment, predict_url=predict_url))


@contextmanager
def _opened() -> Iterator[tuple[Examined, Deployment | None]]:
    """What cannot be opened is a finding, too; embedded servers are started where none is named."""
    try:
        settings = load_settings()
        connections = open_connections(settings)
    except ModerationError as error:
        do = "mend .env or the environment (docs/settings.md)"
        yield Examined(NAME, failed(f"{type(error).__name__}: {error}", do=do)), None
        return
    except (ArgumentError, ValueError) as error:  # SQLAlchemy's and boto3's words for a bad address
        do = "mend MODERATION_DATABASE_URL or MODERATION_S3_ENDPOINT_URL"
        yield Examined(NAME, failed(error, do=do)), None
        return
    with closing(connections):
        servers = "embedded" if settings.database_url is None else "of the settings"
        yield Examined(NAME, ok(f"valid; database {servers}")), Deployment(settings, connections)
