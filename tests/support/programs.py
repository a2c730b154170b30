"""Optional programs of some tests; without one the test is skipped, or fails in CI."""

import os

import pytest

NO_REDIS = "no redis-server: `apt-get install redis-server` runs this test"
NO_CURL = "no curl: `apt-get install curl` runs this test"
NO_CHROMIUM = "no Chromium: `apt-get install chromium` runs this test"


def require_program(found: object, message: str) -> None:
    """Skip the test if a program is missing; fail it if `CI` is set.

    Args:
        found: result of the search for the program.
        message: which program is missing and how to install it.
    """
    if found:
        return
    if os.environ.get("CI"):
        pytest.fail(f"{message} (`CI` is set: no test may be skipped for a missing program)")
    pytest.skip(message)
