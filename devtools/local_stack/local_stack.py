"""The local stack: embedded servers, schema, buckets and Airflow on this machine."""

from devtools.embedded import services as embedded
from devtools.local_stack.airflow import Airflow
from ml.core.errors import SettingsError
from ml.core.settings import Settings, with_embedded_servers
from ml.storage.connections import Connections, open_connections
from ml.storage.database import COMMERCE_REFERENCE, MODERATION, migrate


class LocalStack:
    """The whole system on one machine.

    Args:
        settings: embedded servers under `data_dir` replace the servers that are not set.
        extra: additional environment variables of Airflow's processes.

    Raises:
        SettingsError: MODERATION_EMBEDDED is not set.
    """

    def __init__(self, settings: Settings, extra: dict[str, str] | None = None) -> None:
        if not settings.embedded:
            raise SettingsError(
                "the local stack starts embedded servers: set MODERATION_EMBEDDED=true, as "
                "`make demo` and `make up` do"
            )
        services = embedded.start(settings.data_dir)
        self.settings = with_embedded_servers(settings)
        self.connections: Connections = open_connections(self.settings)
        self.airflow = Airflow(settings.data_dir / "airflow", services, self.settings, extra)
        url = self.settings.database_url
        self._own_database = url is not None and url.get_secret_value() == services.database_url

    def prepare(self) -> None:
        """Create schema and buckets, and in the embedded database the reference commerce table."""
        migrate(self.connections.engine, MODERATION)
        if self._own_database:
            migrate(self.connections.engine, COMMERCE_REFERENCE)
            self.connections.photos.create()
        self.connections.models.create()

    def start(self) -> None:
        """Prepare database, buckets and Airflow, and start Airflow."""
        self.prepare()
        self.airflow.prepare()
        self.airflow.start()

    def stop(self) -> None:
        """Stop Airflow and the servers; keep their data."""
        self.connections.engine.dispose()
        self.airflow.stop()
        embedded.stop(self.settings.data_dir)
