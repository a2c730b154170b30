"""A candidate that a retraining run has evaluated against the champion, for tests of the pages."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from devtools.embedded.services import Services
from ml.learning.retrain.evaluate import evaluate_candidate
from tests.support.photos import BRIGHT, DARK, photo
from tests.support.retraining import GoldenSpec, RetrainingRun
from tests.support.servers import Shop, fresh_shop

RUN = "scheduled__2026-10-01T00:00:00+00:00"


@dataclass(frozen=True)
class MeasuredCandidate:
    """The rows of such a run by table, as JSON; its objects are in the bucket."""

    candidate: str
    rows: dict[str, str]

    def add_to(self, shop: Shop) -> str:
        """Insert the rows into a shop of the same worker; return the candidate's hash.

        Its gates are not decided: see `tests.support.versions.set_gate_decision`.
        """
        with shop.connections.engine.begin() as connection:
            # In any order: foreign keys are not checked in this transaction.
            connection.execute(text("set local session_replication_role = replica"))
            for table, rows in self.rows.items():
                insert = (
                    f"insert into moderation.{table} overriding system value "  # noqa: S608 - names of our own tables
                    f"select * from json_populate_recordset(null::moderation.{table}, :rows)"
                )
                connection.execute(text(insert), {"rows": rows})
        return self.candidate


@pytest.fixture(scope="session")
def measured_candidate(
    services: Services, tmp_path_factory: pytest.TempPathFactory
) -> MeasuredCandidate:
    """Evaluate once per worker, since plotting the report takes seconds."""
    folder = tmp_path_factory.mktemp("measured")
    with fresh_shop(services, folder) as shop:
        before = _rows(shop)
        candidate = _measure(shop, folder)
        added = {
            table: json.dumps([row for row in rows if row not in before[table]])
            for table, rows in _rows(shop).items()
            if rows != before[table]
        }
        return MeasuredCandidate(candidate, added)


def _measure(shop: Shop, folder: Path) -> str:
    """Register a candidate that swaps bright and dark, and evaluate it."""
    month = RetrainingRun(shop, folder, run_id=RUN)
    candidate = month.register("candidate", seed=1, inverted=True, probe=True)
    golden = [
        GoldenSpec(photo(BRIGHT if i % 2 else DARK, seed=i), "normal" if i % 2 else "violate")
        for i in range(8)
    ]
    month.begin(golden, candidate=candidate, champion=shop.model_hash)
    evaluate_candidate(month.run_id, settings=shop.settings, connections=shop.connections)
    return candidate


def _rows(shop: Shop) -> dict[str, list[object]]:
    """Return all rows of the schema by table."""
    tables = shop.rows(
        "select table_name from information_schema.tables "
        "where table_schema = 'moderation' and table_type = 'BASE TABLE'"
    )
    return {
        str(table): [row for (row,) in shop.rows(f"select to_json(t) from moderation.{table} t")]  # noqa: S608 - names of our own tables
        for (table,) in tables
    }
