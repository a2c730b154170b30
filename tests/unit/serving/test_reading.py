"""Text online: all while few come, the likeliest under load, and a bound for each request."""

import random
import time

from ml.serving.reading import SPAN_SECONDS, RequestReading, ServiceReading
from tests.unit.serving.clock import Clock

COST = 0.25


def read_of(likelihoods: list[float], *, share: float, gap: float) -> list[float]:
    """Those that were read, of photos that come one each `gap` seconds."""
    clock = Clock()
    reading = ServiceReading(share, clock, clock)
    read = []
    for likelihood in likelihoods:
        clock.now += gap
        if reading.takes(likelihood):
            with reading.reads():
                clock.now += COST
            read.append(likelihood)
    return read


def test_while_few_photos_come_each_is_read() -> None:
    likelihoods = [n * 0.37 % 1 for n in range(100)]
    assert read_of(likelihoods, share=0.5, gap=2.0) == likelihoods


def test_under_load_the_likeliest_are_read_within_the_share() -> None:
    draw = random.Random(7)  # noqa: S311 - any order will do
    likelihoods = [draw.random() for _ in range(4000)]
    read = read_of(likelihoods, share=0.2, gap=0.1)
    seconds = 4000 * 0.1 + len(read) * COST
    assert len(read) * COST <= 0.2 * (seconds + SPAN_SECONDS) + COST
    assert len(read) > 100
    # The first minute has the full purse; from then on the ranks count.
    late = read[len(read) // 2 :]
    assert sum(late) / len(late) > 0.75


def test_no_share_reads_nothing() -> None:
    assert read_of([0.9, 1.0], share=0.0, gap=1.0) == []


def test_what_a_minute_ago_was_seen_is_forgotten() -> None:
    clock = Clock()
    reading = ServiceReading(0.005, clock)  # a minute pays for one photo
    assert reading.takes(0.9)
    assert not reading.takes(0.5)
    clock.now += SPAN_SECONDS + 1
    assert reading.takes(0.5)


def test_one_request_cannot_empty_the_purse() -> None:
    clock = Clock()
    service = ServiceReading(1.0, clock)
    request = RequestReading(service, 0.0)
    assert not request.takes(1.0)
    assert RequestReading(service, 1.0).takes(1.0)


def test_reading_is_paid_by_processor_time_and_a_request_waits_by_the_clock() -> None:
    """A thread that sleeps takes nothing from the others, yet somebody waits for it."""
    service = ServiceReading(1.0, Clock())
    request = RequestReading(service, 0.01)
    with request.reads():
        time.sleep(0.05)
    assert not request.takes(1.0)
    assert RequestReading(service, 0.01).takes(1.0)
    assert service._purse.level > SPAN_SECONDS - 0.04
