from structlog.testing import capture_logs

from ml.core.settings import Settings
from ml.core.statsd import Gauge, send_gauges
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
