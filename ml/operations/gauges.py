"""What is measured of a night and of the queue, as gauges: names and numbers, nothing sent yet."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from ml.errors import QuarantineReason

_ACCOUNT = ("listed", "judged", "quarantined", "already_judged")
_YUAN = ("manual_only", "machine", "review", "saved")


class Gauge(NamedTuple):
    """One number under a dotted name; the name says its unit."""

    name: str
    value: float


def of_night(report: Mapping[str, Any]) -> list[Gauge]:
    """The gauges of a night's stored report (`ml.audit.report`).

    A reason of quarantine that did not occur is 0: a server of metrics keeps the last value it
    heard, which would be another night's. What is unknown (no photos, no rate) is left out.
    """
    reasons = report["quarantine_reasons"]
    numbers: dict[str, float | None] = {f"photos.{name}": report[name] for name in _ACCOUNT}
    numbers |= {f"verdicts.{name}": photos for name, photos in report["verdicts"].items()}
    numbers |= {f"quarantine.{r.value}": reasons.get(r.value, 0) for r in QuarantineReason}
    numbers |= {f"seconds.{stage}": value for stage, value in report["seconds"].items()}
    numbers |= {f"yuan.{name}": report["yuan"][name] for name in _YUAN}
    numbers["images_per_second"] = report["images_per_second"]
    return [Gauge(f"night.{name}", value) for name, value in numbers.items() if value is not None]


def of_queue(*, waiting: int, oldest_seconds: float | None) -> list[Gauge]:
    """The gauges of the review queue: photos that wait, and how long the oldest one has."""
    return [
        Gauge("queue.waiting", waiting),
        Gauge("queue.oldest_seconds", oldest_seconds or 0.0),
    ]


def of_alerts(*, by_kind: Mapping[str, int], undelivered: int) -> list[Gauge]:
    """The gauges of the watch: open alerts of each kind, those not delivered, and that it ran.

    `watch.ran` is always 1: whoever collects the metrics can tell from its absence that nothing
    watches any more.
    """
    found = [Gauge(f"alerts.open.{kind}", number) for kind, number in by_kind.items()]
    return [*found, Gauge("alerts.undelivered", undelivered), Gauge("watch.ran", 1)]
