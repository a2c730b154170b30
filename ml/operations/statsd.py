"""Gauges to a StatsD server, by UDP: off unless a host is set, and never a reason to fail."""

from collections.abc import Sequence

import structlog
from statsd import StatsClient

from ml.operations.gauges import Gauge
from ml.settings import Settings

log = structlog.get_logger()

PREFIX = "moderation"


def send(gauges: Sequence[Gauge], settings: Settings) -> bool:
    """Send the gauges to `statsd_host`; returns whether they left this machine.

    The last value stands, so sending again changes nothing. UDP does not say whether anybody
    listens; a host that has no address is said in the log.
    """
    if settings.statsd_host is None or not gauges:
        return False
    try:
        client = StatsClient(settings.statsd_host, settings.statsd_port, prefix=PREFIX)
    except OSError as error:
        log.warning("no metrics", host=settings.statsd_host, error=str(error))
        return False
    try:
        with client.pipeline() as packets:
            for name, value in gauges:
                packets.gauge(name, value)
    finally:
        client.close()
    return True
