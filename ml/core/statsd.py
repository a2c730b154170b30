"""Send gauges to a StatsD server over UDP. Off unless a host is set; a failure is only logged."""

from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

import structlog
from statsd import StatsClient

from ml.core.settings import Settings

log = structlog.get_logger()

PREFIX = "moderation"


class Gauge(NamedTuple):
    """One number under a dotted name, which includes the unit."""

    name: str
    value: float


def send_gauges(gauges: Sequence[Gauge], settings: Settings) -> bool:
    """Send the gauges to `statsd_host`; return whether they were sent. Idempotent.

    UDP does not report whether a server listens. A host name that cannot be resolved is logged.
    """
    if settings.statsd_host is None or not gauges:
        return False
    host, port = settings.statsd_host, settings.statsd_port
    try:
        with closing(StatsClient(host, port, PREFIX)) as client, client.pipeline() as packets:
            for name, value in gauges:
                packets.gauge(name, value)
    except OSError as error:
        log.warning("metrics not sent", host=host, error=str(error))
        return False
    return True
