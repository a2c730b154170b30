"""Everything on this machine: embedded servers, schema, buckets, Airflow."""

from ml.connections import Connections, open_connections, with_embedded
from ml.embedded import services as embedded
from ml.settings import Settings
from ml.storage.migrate import COMMERCE_REFERENCE, MODERATION, migrate
from stack.airflow import Airflow


class Machine:
    """The one-machine stack.

    Args:
        settings: what is not given in them is served by embedded servers under `data_dir`.
        extra: further environment variables of Airflow's processes.
    """

    def __init__(self, settings: Settings, extra: dict[str, str] | None = None) -> None:
        services = embedded.start(settings.data_dir)
        self.settings = with_embedded(settings)
        self.connections: Connections = open_connections(self.settings)
        self.airflow = Airflow(settings.data_dir / "airflow", services, self.settings, extra)
        self._own_database = settings.database_url is None

    def prepare(self) -> None:
        """Schema and buckets; the reference commerce table only in the embedded database."""
        migrate(self.connections.engine, MODERATION)
        if self._own_database:
            migrate(self.connections.engine, COMMERCE_REFERENCE)
            self.connections.photos.create()
        self.connections.models.create()

    def start(self) -> None:
        """Prepare everything and start Airflow."""
        self.prepare()
        self.airflow.prepare()
        self.airflow.start()

    def stop(self) -> None:
        """Stop Airflow and the servers; the data stay."""
        self.connections.engine.dispose()
        self.airflow.stop()
        embedded.stop(self.settings.data_dir)
