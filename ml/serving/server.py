"""uvicorn with bounds, for one process."""

import uvicorn

from ml.connections import Connections
from ml.serving.app import create_app
from ml.serving.service import Service
from ml.settings import Settings

_CONNECTIONS = 1024  # open at a time; more are answered 503
_HEADER_BYTES = 16 * 2**10  # of a request's head
_KEEP_ALIVE_SECONDS = 5


def make_server(settings: Settings, connections: Connections) -> uvicorn.Server:
    """A server that is not started; SIGTERM lets it finish what it has begun."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(Service(settings, connections)),
            host=settings.serve_host,
            port=settings.serve_port,
            http="h11",  # bounds a request's head; httptools does not
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=_CONNECTIONS,
            h11_max_incomplete_event_size=_HEADER_BYTES,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(settings.serve_answer_seconds) + 1,
        )
    )
