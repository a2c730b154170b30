"""`python -m ml signals`, as an operator types it."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from ml.cli.main import app
from ml.core.errors import SignalError
from tests.support.servers import Shop
from tests.support.signal_models import brightness, make_card

pytestmark = pytest.mark.integration


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """A model and its card, as a person writes it."""
    model, card = tmp_path / "model.onnx", tmp_path / "card.yaml"
    model.write_bytes(brightness())
    content = make_card(brightness(), input={"padding": 3}).model_dump(mode="json")
    card.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(model), str(card)


def test_install_prints_the_hash_that_a_policy_names_and_list_shows_it(
    shell: CliRunner, shop: Shop, files: tuple[str, str]
) -> None:
    assert shop.model_hash
    model, card = files
    printed = done(shell.invoke(app, ["signals", "install", model, "--card", card]))
    signal_hash = make_card(brightness(), input={"padding": 3}).signal_hash
    assert printed.splitlines()[-1] == signal_hash
    assert "bright, dark" in printed
    listed = done(shell.invoke(app, ["signals", "list"]))
    assert signal_hash in listed
    assert "CC0-1.0" in listed


def test_install_names_each_problem_of_a_card(
    shell: CliRunner, files: tuple[str, str], tmp_path: Path
) -> None:
    card = tmp_path / "bad.yaml"
    card.write_text("name: x\ninput: {size: 9000}\n", encoding="utf-8")
    refused = shell.invoke(app, ["signals", "install", files[0], "--card", str(card)])
    assert isinstance(refused.exception, SignalError)
    for word in ("licence", "model_sha256", "input.size"):
        assert word in str(refused.exception)


def test_install_refuses_a_file_that_is_not_the_cards(
    shell: CliRunner, files: tuple[str, str]
) -> None:
    Path(files[0]).write_bytes(b"another file")
    refused = shell.invoke(app, ["signals", "install", files[0], "--card", files[1]])
    assert isinstance(refused.exception, SignalError)
    assert "SHA-256" in str(refused.exception)


def test_report_of_a_policy_without_signals_is_empty(shell: CliRunner) -> None:
    assert "precision" in done(shell.invoke(app, ["signals", "report", "--days", "7"]))
