"""A nightly run needs the policy file only to begin; then its stored policy."""

import pytest

from ml.core.errors import PolicyError
from ml.moderation.nightly.preflight import preflight
from ml.moderation.nightly.score_shard import score_shard
from ml.storage import audit_runs, retrain_runs
from ml.storage.audit_runs import AuditRun
from ml.storage.database import in_transaction
from ml.storage.retrain_runs import RetrainRun
from tests.support.nightly_run import finish_run, start_run
from tests.support.photos import BRIGHT, photo
from tests.support.servers import Shop

pytestmark = pytest.mark.integration


def _preflight(shop: Shop) -> AuditRun:
    return preflight("night", shop.window, settings=shop.settings, connections=shop.connections)


def test_running_audit_needs_no_policy_file(shop: Shop) -> None:
    shop.upload("a.jpg", photo(BRIGHT, seed=1))
    began = _preflight(shop)
    shop.settings.policy_file.write_text("x: 2026-13-45", encoding="utf-8")
    assert _preflight(shop).policy == began.policy  # a retry, or the cleared task
    for shard in start_run(shop):
        score_shard(shard, settings=shop.settings, connections=shop.connections)
    assert finish_run(shop)["verdicts"]["pass"] == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, r"no policy file at .*policy\.yaml; name one in MODERATION_POLICY_FILE, or restore"),
        ("a: 1\nb: [", r"policy\.yaml, line 2: .*; correct this line, or restore the file"),
        ("x: 1", r"policy\.yaml is not valid; fix:\n.*(line 1)"),
    ],
)
def test_new_audit_does_not_begin_without_a_valid_policy_file(
    shop: Shop, text: str | None, problem: str
) -> None:
    file = shop.settings.policy_file
    file.unlink() if text is None else file.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match=problem):
        _preflight(shop)
    assert shop.rows("select run_id from moderation.audit_run") == []


@pytest.mark.parametrize("change", ["policy - 'prices'", """policy || '{"new_section": {}}'"""])
def test_policy_of_another_program_version_is_a_typed_error(change: str, shop: Shop) -> None:
    policy = _preflight(shop).policy
    run = RetrainRun("month", shop.window.end, policy, "fast", 0, shop.model_hash)
    in_transaction(shop.connections.engine, retrain_runs.begin, run)
    for table in ("audit_run", "retrain_run"):
        shop.execute(f"update moderation.{table} set policy = {change}")  # noqa: S608 - from above
    words = "another version of this program stored the policy of .*finish the run with that"
    for load, run_id in ((audit_runs.load, "night"), (retrain_runs.load, "month")):
        with pytest.raises(PolicyError, match=words):
            in_transaction(shop.connections.engine, load, run_id)
