"""`python -m ml photos`, as an operator types it."""

import pytest
from typer.testing import CliRunner, Result

from ml.cli.main import app
from tests.support.nightly_run import run_nightly
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def _done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def test_explain_lists_the_runs_that_scored_a_photo(shell: CliRunner, shop: Shop) -> None:
    key = shop.upload("a.jpg", photo(BRIGHT))
    run_nightly(shop)
    listed = _done(shell.invoke(app, ["photos", "explain", key]))
    assert all(word in listed for word in ("night", shop.model_hash, "pass"))
    assert "no run has seen" in _done(shell.invoke(app, ["photos", "explain", "other"]))
