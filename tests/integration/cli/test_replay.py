"""`python -m ml replay`, as an operator types it."""

import sys

import pytest
from typer.testing import CliRunner, Result

from ml.cli import main
from ml.cli.main import app
from ml.core.errors import ReplayMismatch
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def _done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def test_replay_reports_equal_verdicts_and_fails_on_a_difference(
    shell: CliRunner, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.upload("a.jpg", photo(BRIGHT))
    run_nightly(shop)
    assert "1 scored again, 1 equal" in _done(shell.invoke(app, ["replay", "--run", "night"]))
    shop.execute("update moderation.verdict set decision = 'block'")
    failed = shell.invoke(app, ["replay", "--run", "night"])
    assert failed.exit_code == 1
    assert isinstance(failed.exception, ReplayMismatch)
    # The program prints it as a message, with the same exit code.
    monkeypatch.setattr(main, "app", lambda: app(["replay", "--run", "night"]))
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert sys.exc_info() == (None, None, None)
