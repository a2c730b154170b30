"""Health check of a container: exit 0 if a URL answers 200. `python healthcheck.py URL`."""

import sys
from urllib.request import ProxyHandler, build_opener

TIMEOUT_SECONDS = 5.0


def is_healthy(url: str) -> bool:
    """Whether the URL answers 200 in time, without a proxy."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT_SECONDS) as response:
            return bool(response.status == 200)  # noqa: PLR2004 - the HTTP status
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(not is_healthy(sys.argv[1]))
