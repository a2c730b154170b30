"""Send gauges to StatsD (UDP), to an OpenTelemetry collector (OTLP over HTTP), or to both.

Off unless the settings name a receiver; a failure is only logged.
"""

import os
from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

import structlog
from statsd import StatsClient

from ml.core.settings import Settings

log = structlog.get_logger()

PREFIX = "moderation"
_FLUSH_SECONDS = 10.0
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"


class Gauge(NamedTuple):
    """One number under a dotted name, which includes the unit."""

    name: str
    value: float


def send_gauges(gauges: Sequence[Gauge], settings: Settings) -> bool:
    """Send the gauges to each receiver of the settings; return whether all took them. Idempotent.

    UDP does not report whether a server listens. What cannot be sent is logged.
    """
    if not gauges:
        return False
    sent = []
    if settings.statsd_host is not None:
        sent.append(_send_by_statsd(gauges, settings.statsd_host, settings.statsd_port))
    if settings.otlp_metrics:
        sent.append(_send_by_otlp(gauges))
    return bool(sent) and all(sent)


def _send_by_statsd(gauges: Sequence[Gauge], host: str, port: int) -> bool:
    try:
        with closing(StatsClient(host, port, PREFIX)) as client, client.pipeline() as packets:
            for name, value in gauges:
                packets.gauge(name, value)
    except OSError as error:
        log.warning("metrics not sent", host=host, error=str(error))
        return False
    return True


def _send_by_otlp(gauges: Sequence[Gauge]) -> bool:
    """Address, headers, certificates and time-out are those of OpenTelemetry's own variables.

    https://opentelemetry.io/docs/specs/otel/protocol/exporter/; one request, before the task ends.
    """
    # The SDK takes half a second to load, and most processes send nothing.
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415
        OTLPMetricExporter,
    )
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415
        InMemoryMetricReader,
        MetricExportResult,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

    protocol = next((os.environ[name] for name in _PROTOCOLS if os.environ.get(name)), _HTTP)
    if protocol != _HTTP:
        log.warning("metrics not sent", error=f"protocol {protocol}: set {_PROTOCOLS[0]}={_HTTP}")
        return False
    reader = InMemoryMetricReader()
    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": PREFIX}
    provider = MeterProvider([reader], Resource.create(named), shutdown_on_exit=False)
    meter = provider.get_meter(PREFIX)
    for name, value in gauges:
        meter.create_gauge(f"{PREFIX}.{name}").set(value)
    collected, exporter = reader.get_metrics_data(), OTLPMetricExporter()
    try:
        result = collected and exporter.export(collected, _FLUSH_SECONDS * 1e3)
    finally:
        exporter.shutdown()
        provider.shutdown()
    if result is not MetricExportResult.SUCCESS:
        log.warning("metrics not sent", error="the OpenTelemetry collector took none")
    return result is MetricExportResult.SUCCESS
