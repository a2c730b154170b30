"""A small OpenTelemetry collector on the loopback: OTLP over HTTP, decoded by its own protobuf."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)


@dataclass
class Collector:
    """What has been received."""

    url: str
    gauges: dict[str, float] = field(default_factory=dict)
    services: set[str] = field(default_factory=set)
    authorization: set[str | None] = field(default_factory=set)

    def receive(self, body: bytes, authorization: str | None) -> None:
        """Take one export request."""
        self.authorization.add(authorization)
        request = ExportMetricsServiceRequest.FromString(body)
        for resource in request.resource_metrics:
            attributes = {a.key: a.value.string_value for a in resource.resource.attributes}
            self.services.add(attributes["service.name"])
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    (point,) = metric.gauge.data_points
                    is_int = point.WhichOneof("value") == "as_int"
                    self.gauges[metric.name] = point.as_int if is_int else point.as_double


@contextmanager
def otlp_collector() -> Iterator[Collector]:
    """Run one on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            known = self.path == "/v1/metrics"
            if known:
                collector.receive(body, self.headers.get("authorization"))
            answer = ExportMetricsServiceResponse().SerializeToString()
            self.send_response(200 if known else 404)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
