"""What `/metrics` shows, in Prometheus' format. No label is taken from a caller's text."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ml.inference.clock import StageClock

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128)
_NAMESPACE = "moderation_serve"


class Metrics:
    """The service's figures, in a registry of their own: two services in a process are apart."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = self._counter("requests", "Answers by route and status", "route", "status")
        self.refused = self._counter("refused", "Requests refused, by reason", "reason")
        self.photos = self._counter("photos", "Photos judged, by decision", "decision")
        self.rejected = self._counter("rejected", "Photos not judged, by reason", "reason")
        self.recorded = self._counter("recorded", "Verdicts written to the ledger")
        self.stage_seconds = self._counter("stage_seconds", "Busy seconds by stage", "stage")
        self.switches = self._counter("switches", "Loads of a champion or policy", "outcome")
        self.seconds = Histogram(
            f"{_NAMESPACE}_request_seconds",
            "Seconds from a request's head to its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self.batch_images = Histogram(
            f"{_NAMESPACE}_batch_images",
            "Photos in a forward pass",
            buckets=_BATCHES,
            registry=self._registry,
        )
        self.images_under_way = self._gauge("images_under_way", "Photos taken and not answered")
        self.bytes_held = self._gauge("bytes_held", "Bytes of bodies held")
        self.version = self._gauge("version_info", "The loaded version", "model", "policy")
        self.polled = self._gauge("polled_timestamp_seconds", "When all checks last succeeded")

    def text(self) -> bytes:
        """All figures as Prometheus reads them."""
        return generate_latest(self._registry)

    def loaded(self, model_hash: str, policy_version: str) -> None:
        """Name the version that answers from now on."""
        self.version.clear()
        self.version.labels(model_hash, policy_version).set(1)

    def _counter(self, name: str, says: str, *labels: str) -> Counter:
        return Counter(f"{_NAMESPACE}_{name}", says, labels, registry=self._registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"{_NAMESPACE}_{name}", says, labels, registry=self._registry)


class MeteredClock(StageClock):
    """Stages' seconds go to the metrics and nowhere else."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds to a stage."""
        self._metrics.stage_seconds.labels(stage).inc(seconds)
