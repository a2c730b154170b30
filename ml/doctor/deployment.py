"""What is examined: the settings as given, and the connections that they name."""

from dataclasses import dataclass

from ml.connections import Connections
from ml.settings import Settings


@dataclass(frozen=True)
class Deployment:
    """Settings and open connections; `settings.database_url` is None where ours is embedded."""

    settings: Settings
    connections: Connections
