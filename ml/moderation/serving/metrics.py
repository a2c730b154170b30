"""Prometheus metrics of the service. No label contains text of a caller."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ml.core.computation import Computation
from ml.core.concurrency import StageTimer

_SECONDS_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_BATCH_SIZE_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128)
_NAMESPACE = "moderation_serve"


class Metrics:
    """The service's metrics, in a registry of their own, so that a process can run two services."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = self._counter(
            "requests", "Responses, by route and status", "route", "status"
        )
        self.refused = self._counter("refused", "Requests rejected, by reason", "reason")
        self.photos = self._counter("photos", "Photos scored, by decision", "decision")
        self.rejected = self._counter("rejected", "Photos not scored, by reason", "reason")
        self.recorded = self._counter("recorded", "Verdicts recorded in the database")
        self.stage_seconds = self._counter("stage_seconds", "Busy seconds, by stage", "stage")
        self.switches = self._counter("switches", "Loads of a champion or policy", "outcome")
        self.seconds = Histogram(
            f"{_NAMESPACE}_request_seconds",
            "Seconds from the headers of a request to its response",
            ["route"],
            buckets=_SECONDS_BUCKETS,
            registry=self._registry,
        )
        self.batch_size = Histogram(
            f"{_NAMESPACE}_batch_images",
            "Photos in a forward pass",
            buckets=_BATCH_SIZE_BUCKETS,
            registry=self._registry,
        )
        self.images_under_way = self._gauge("images_under_way", "Photos in flight")
        self.bytes_held = self._gauge("bytes_held", "Bytes of request bodies in memory")
        self.version = self._gauge("version_info", "Loaded model and policy", "model", "policy")
        self.computation = self._gauge(
            "computation_info",
            "How scores are computed; fallback: what came first, and why it is not used",
            "backend", "number_type", "variant", "fallback",
        )  # fmt: skip
        self.compared_photos = self._gauge(
            "compared_photos",
            "Decided photos that features are compared with; 0: too few have such features",
            "model",
        )
        self.missing_features = self._gauge(
            "missing_features",
            "Decided photos that are not compared with: no nightly run computed such features yet",
            "model",
        )
        self.polled = self._gauge("polled_timestamp_seconds", "When all checks last succeeded")

    def text(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def set_loaded(self, model_hash: str, policy_version: str) -> None:
        """Set the loaded model and policy."""
        self.version.clear()
        self.version.labels(model_hash, policy_version).set(1)

    def set_computation(self, computation: Computation, fallback: str | None) -> None:
        """Set how the loaded model computes."""
        self.computation.clear()
        names = (computation.backend, computation.number_type, computation.variant or "")
        self.computation.labels(*names, fallback or "").set(1)

    def set_compared_photos(self, model_hash: str, photos: int | None, missing: int) -> None:
        """Set with how many decided photos the loaded model compares; None if it does not.

        `missing` are those without features to compare.
        """
        self.compared_photos.clear()
        self.missing_features.clear()
        if photos is not None:
            self.compared_photos.labels(model_hash).set(photos)
            self.missing_features.labels(model_hash).set(missing)

    def _counter(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(f"{_NAMESPACE}_{name}", description, labels, registry=self._registry)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(f"{_NAMESPACE}_{name}", description, labels, registry=self._registry)


class MetricsStageTimer(StageTimer):
    """Stage timer that adds the seconds to the metrics and keeps none itself."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__()
        self._metrics = metrics

    def add(self, stage: str, seconds: float) -> None:
        """Add seconds to a stage."""
        self._metrics.stage_seconds.labels(stage).inc(seconds)
