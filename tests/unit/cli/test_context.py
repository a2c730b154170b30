import io
import json
from collections.abc import Iterator

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from ml.cli.context import configure_logs


class Terminal(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@pytest.fixture(autouse=True)
def reset_structlog() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_logs_are_json_with_bound_variables() -> None:
    out = io.StringIO()
    configure_logs(out)
    with bound_contextvars(run_id="night", shard=2):
        structlog.get_logger().warning("not fetched", image="照片.jpg")
    line = json.loads(out.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "not fetched", "level": "warning",
        "run_id": "night", "shard": 2, "image": "照片.jpg",
    }  # fmt: skip


def test_logged_traceback_has_no_values_of_variables() -> None:
    out = io.StringIO()
    configure_logs(out)

    def fail() -> None:
        password = "hidden" + "-in-a-variable"
        raise ValueError(len(password))

    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("failed")
    line = json.loads(out.getvalue())
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "hidden-in" not in out.getvalue()


def test_logs_at_a_terminal_are_text() -> None:
    out = Terminal()
    configure_logs(out)
    structlog.get_logger().info("scoring", done=3)
    assert "scoring" in out.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(out.getvalue())
