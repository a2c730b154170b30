import pytest
from sqlalchemy import Connection

from ml.operations.monitoring.run_summary import find_run
from ml.operations.monitoring.shadow_comparison import Change, Shadowed, shadow_of
from ml.storage.database import in_transaction
from tests.support.audit_rows import Rows

pytestmark = pytest.mark.integration


def seen(rows: Rows) -> Shadowed | None:
    def work(connection: Connection) -> Shadowed | None:
        nightly_run = find_run(connection, "n")
        assert nightly_run is not None
        return shadow_of(connection, nightly_run)

    return in_transaction(rows.engine, work)


def test_run_without_shadow_model_has_no_comparison(rows: Rows) -> None:
    rows.nightly_run("n", day=0)
    assert seen(rows) is None


def test_changes_are_counted_with_examples(rows: Rows) -> None:
    rows.nightly_run("n", day=0, judged=12)
    keys = rows.photos("n", [0.1] * 12)
    rows.execute("update moderation.audit_run set shadow_hash = 'other'")
    rows.execute(
        "insert into moderation.shadow_verdict (run_id, content_sha256, decision, scores, "
        "violation_score) select 'n', 'sha-' || key, case when key = any(:first) then 'review' "
        "else 'pass' end, '{}', 0.5 from unnest(cast(:keys as text[])) as key",
        keys=keys[:11],
        first=keys[:8],
    )
    assert (
        seen(rows)
        == Shadowed(
            model_hash="other",
            photos=11,  # one was never judged by the shadow
            same=3,
            changes=[Change("pass", "review", 8, keys[:6])],
            sampled=False,
        )
    )
