"""A clean environment for every test; the real servers for those that ask for them."""

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog
import torch

# Small tensors on many tests: threads would only wait for each other.
torch.set_num_threads(1)

# A deadline would fail examples on a slow or busy machine.
hypothesis.settings.register_profile("any_machine", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("any_machine")


@pytest.fixture(autouse=True)
def clean_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's shell reaches a test."""
    for name in list(os.environ):
        if name.startswith("MODERATION_") and name != "MODERATION_REAL_DATA":
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def plain_logs() -> Iterator[None]:
    """A test of the command line leaves no log stream behind that was closed with it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real photos; the test is skipped where it is not."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("MODERATION_REAL_DATA", beside))
    if not (folder / "manifest.csv").is_file():
        pytest.skip(f"no real photos at {folder}; name their folder in MODERATION_REAL_DATA")
    return folder


pytest_plugins = [
    "tests.support.servers",
    "tests.support.airflow",
    "tests.support.pages",
    "tests.support.browser",
    "tests.support.measured_candidate",
    "tests.support.tiny_network",
    "tests.support.webhook_receiver",
    "tests.support.scheduling",
    "tests.support.time_limit",
]
