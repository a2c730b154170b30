"""`python -m ml score`, as support types it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from ml.cli.main import app
from ml.core.errors import ModelError
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration

CONTROL = "\x1b[2Jnew\nline\u202e.jpg"


def _lines(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


@pytest.fixture(autouse=True)
def _no_logs() -> Iterator[None]:
    """The program writes them to standard error, which it sets up before a command."""
    with capture_logs():
        yield


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A photo that passes, one for review, one that is no photo, and one that is missing."""
    contents = {
        "a.jpg": photo(BRIGHT, size=(640, 480)),
        "b [1].jpg": photo(DARK),
        CONTROL: b"no photo",
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    return [str(tmp_path / name) for name in (*contents, "missing.jpg")]


def test_score_prints_one_line_a_file_whatever_the_verdicts(
    shell: CliRunner, shop: Shop, files: list[str]
) -> None:
    lines = _lines(shell.invoke(app, ["score", *files]))
    assert [line.split()[0] for line in lines] == ["pass", "review", "quarantine", "unreadable"]
    assert lines[0].endswith(f"{files[0]}  confident_normal")
    assert f"{files[1]}  violation:violate" in lines[1]
    assert lines[2].endswith(r"\u001b[2Jnew\nline\u202e.jpg  not_an_image no known image signature")
    assert lines[3].endswith("missing.jpg  No such file or directory")
    assert all(" ms  " in line for line in lines)
    assert shop.rows("select 1 from moderation.verdict") == []


def test_score_prints_a_json_object_a_line_with_everything(
    shell: CliRunner, shop: Shop, files: list[str]
) -> None:
    found = [json.loads(line) for line in _lines(shell.invoke(app, ["score", "--json", *files]))]
    assert [each["file"] for each in found] == files
    assert len({frozenset(each) for each in found}) == 1
    passed, _, rejected, missing = found
    assert passed["model_version"] == shop.model_hash
    assert passed["scores"]["normal"] == pytest.approx(1 - passed["violation_score"])
    assert passed["seconds"].keys() >= {"fetch", "decode", "forward"}
    assert passed["screens"]["codes"]["state"] == "clear"  # the shipped policy is in force
    assert (rejected["decision"], rejected["reasons"]) == ("quarantine", ["not_an_image"])
    assert (missing["scores"], missing["content_sha256"]) == (None, None)


def test_score_details_name_scores_screens_and_what_was_used(
    shell: CliRunner, shop: Shop, files: list[str]
) -> None:
    arguments = ["score", "--details", "--version", shop.model_hash[:12], files[0], files[3]]
    lines = _lines(shell.invoke(app, arguments))
    told = {line.split()[0]: line for line in lines[1:] if line.startswith(" ")}
    assert "passes up to a violation score of 0.3000" in told["scores"]
    assert "640 x 480" in told["photo"]
    assert shop.model_hash[:12] in told["by"]
    assert any("screen   sharpness clear" in line for line in lines)


def test_score_with_an_unknown_version_fails(shell: CliRunner, files: list[str]) -> None:
    failed = shell.invoke(app, ["score", "--version", "f" * 64, *files])
    assert failed.exit_code == 1
    assert isinstance(failed.exception, ModelError)
