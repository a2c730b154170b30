"""Gauges of a nightly run, of the review queue and of the alerts."""

from collections.abc import Mapping
from typing import Any

from ml.core.errors import QuarantineReason
from ml.core.settings import load_settings
from ml.core.statsd import Gauge, send_gauges

_ACCOUNT = ("listed", "judged", "quarantined", "already_judged")
_YUAN = ("manual_only", "machine", "review", "saved")


def run_gauges(report: Mapping[str, Any]) -> list[Gauge]:
    """The gauges of a run's stored report (`ml.moderation.nightly.report`).

    A quarantine reason that did not occur is sent as 0: a metrics server keeps the last value,
    which would be another run's. An unknown value (no photos, no rate) is left out.
    """
    reasons = report["quarantine_reasons"]
    numbers: dict[str, float | None] = {f"photos.{name}": report[name] for name in _ACCOUNT}
    numbers |= {f"verdicts.{name}": photos for name, photos in report["verdicts"].items()}
    numbers |= {f"quarantine.{r.value}": reasons.get(r.value, 0) for r in QuarantineReason}
    numbers |= {f"seconds.{stage}": value for stage, value in report["seconds"].items()}
    numbers |= {f"yuan.{name}": report["yuan"][name] for name in _YUAN}
    numbers["images_per_second"] = report["images_per_second"]
    return [Gauge(f"audit.{name}", value) for name, value in numbers.items() if value is not None]


def send_run_gauges(report: Mapping[str, Any]) -> None:
    """Send the gauges of a stored report to the StatsD server of the settings."""
    send_gauges(run_gauges(report), load_settings())


def queue_gauges(*, waiting: int, oldest_seconds: float | None) -> list[Gauge]:
    """The gauges of the review queue: pending tasks, and the age of the oldest."""
    return [
        Gauge("queue.waiting", waiting),
        Gauge("queue.oldest_seconds", oldest_seconds or 0.0),
    ]


def alert_gauges(*, by_kind: Mapping[str, int], undelivered: int) -> list[Gauge]:
    """The gauges of the alerts: open ones by kind, undelivered ones, and a heartbeat.

    Heartbeat: a missing `watch.ran` means that the evaluation of the rules is down.
    """
    open_by_kind = [Gauge(f"alerts.open.{kind}", number) for kind, number in by_kind.items()]
    return [*open_by_kind, Gauge("alerts.undelivered", undelivered), Gauge("watch.ran", 1)]
