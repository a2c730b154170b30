import os
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from ml.core.metrics import Gauge, send_gauges
from ml.core.settings import Settings
from tests.support.otlp_collector import Collector, otlp_collector
from tests.support.statsd_listener import statsd_listener

GAUGES = [Gauge("audit.photos.listed", 10), Gauge("audit.yuan.saved", -0.5)]


def test_send_gauges_adds_the_prefix_and_sends_negative_values() -> None:
    with statsd_listener() as listener:
        settings = Settings(statsd_host="127.0.0.1", statsd_port=listener.port)
        assert send_gauges(GAUGES, settings)
        assert listener.gauges() == {
            "moderation.audit.photos.listed": 10,
            "moderation.audit.yuan.saved": -0.5,
        }


def test_send_gauges_sends_nothing_without_a_host() -> None:
    with statsd_listener() as listener:
        assert not send_gauges(GAUGES, Settings(statsd_port=listener.port))
        assert listener.gauges() == {}


def test_send_gauges_splits_many_gauges_into_packets() -> None:
    many = [Gauge(f"a_name_of_some_length.{i}", i) for i in range(200)]
    with statsd_listener() as listener:
        send_gauges(many, Settings(statsd_host="127.0.0.1", statsd_port=listener.port))
        assert len(listener.gauges()) == 200


def test_send_gauges_ignores_a_missing_listener() -> None:
    with statsd_listener() as listener:
        port = listener.port
    assert send_gauges(GAUGES, Settings(statsd_host="127.0.0.1", statsd_port=port))


def test_send_gauges_logs_an_unresolvable_host() -> None:
    with capture_logs() as logs:
        assert not send_gauges(GAUGES, Settings(statsd_host="nowhere.invalid"))
    assert [line["event"] for line in logs] == ["metrics not sent"]


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)
    with otlp_collector() as started:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", started.url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20key")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
        yield started


def test_gauges_reach_an_opentelemetry_collector_before_the_call_ends(
    collector: Collector,
) -> None:
    assert send_gauges(GAUGES, Settings(otlp_metrics=True))
    assert collector.gauges == {
        "moderation.audit.photos.listed": 10,
        "moderation.audit.yuan.saved": -0.5,
    }
    assert collector.services == {"moderation"}
    assert collector.authorization == {"Bearer key"}


def test_service_name_is_that_of_the_variable(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    send_gauges(GAUGES, Settings(otlp_metrics=True))
    assert collector.services == {"shop"}


def test_gauges_go_to_both_receivers(collector: Collector) -> None:
    with statsd_listener() as listener:
        settings = Settings(otlp_metrics=True, statsd_host="127.0.0.1", statsd_port=listener.port)
        assert send_gauges(GAUGES, settings)
        assert listener.gauges() == collector.gauges


@pytest.mark.usefixtures("collector")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "not a url"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ],
)
def test_collector_that_takes_nothing_is_logged(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with capture_logs() as logs:
        assert not send_gauges(GAUGES, Settings(otlp_metrics=True))
    assert [line["event"] for line in logs] == ["metrics not sent"]


def test_nothing_is_sent_by_otlp_unless_asked_for(collector: Collector) -> None:
    assert not send_gauges(GAUGES, Settings())
    assert collector.gauges == {}
