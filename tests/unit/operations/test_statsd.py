from structlog.testing import capture_logs

from ml.operations.gauges import Gauge
from ml.operations.statsd import send
from ml.settings import Settings
from tests.support.statsd_listener import statsd_listener

GAUGES = [Gauge("night.photos.listed", 10), Gauge("night.yuan.saved", -0.5)]


def test_gauges_arrive_under_our_prefix_a_loss_included() -> None:
    with statsd_listener() as listener:
        settings = Settings(statsd_host="127.0.0.1", statsd_port=listener.port)
        assert send(GAUGES, settings)
        assert listener.gauges() == {
            "moderation.night.photos.listed": 10,
            "moderation.night.yuan.saved": -0.5,
        }


def test_nothing_is_sent_without_a_host() -> None:
    with statsd_listener() as listener:
        assert not send(GAUGES, Settings(statsd_port=listener.port))
        assert listener.gauges() == {}


def test_more_than_a_packet_arrives_whole() -> None:
    many = [Gauge(f"a_name_of_some_length.{i}", i) for i in range(200)]
    with statsd_listener() as listener:
        send(many, Settings(statsd_host="127.0.0.1", statsd_port=listener.port))
        assert len(listener.gauges()) == 200


def test_nobody_listening_is_no_error() -> None:
    with statsd_listener() as listener:
        port = listener.port
    assert send(GAUGES, Settings(statsd_host="127.0.0.1", statsd_port=port))


def test_a_host_without_an_address_is_said_and_is_no_error() -> None:
    with capture_logs() as logs:
        assert not send(GAUGES, Settings(statsd_host="nowhere.invalid"))
    assert [line["event"] for line in logs] == ["no metrics"]
