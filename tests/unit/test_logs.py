import io
import json
from collections.abc import Iterator

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from ml.logs import configure


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Yes."""
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_machine_reads_json_with_the_names_that_are_bound() -> None:
    out = io.StringIO()
    configure(out)
    with bound_contextvars(run_id="night", shard=2):
        structlog.get_logger().warning("not fetched", image="照片.jpg")
    line = json.loads(out.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "not fetched", "level": "warning",
        "run_id": "night", "shard": 2, "image": "照片.jpg",
    }  # fmt: skip


def test_a_traceback_holds_no_values_of_variables() -> None:
    out = io.StringIO()
    configure(out)

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


def test_a_person_at_a_terminal_reads_a_line() -> None:
    out = Terminal()
    configure(out)
    structlog.get_logger().info("judging", done=3)
    assert "judging" in out.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(out.getvalue())
