"""Health check of a container: 0 where an address answers 200. `python healthy.py URL`."""

import sys
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

SECONDS = 5.0


def healthy(url: str) -> bool:
    """Whether the address answers 200 in time; asked directly, past any proxy."""
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=SECONDS) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004 - HTTP's own number
    except (URLError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(not healthy(sys.argv[1]))
