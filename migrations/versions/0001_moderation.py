"""The schema `moderation`: tables, indexes, views, and the triggers of append-only tables."""

from pathlib import Path

from alembic import op

revision = "0001"
down_revision = None
branch_labels = ("moderation",)
depends_on = None

STATEMENTS = Path(__file__).parents[1] / "sql" / "0001_moderation.sql"


def upgrade() -> None:
    # One statement at a time: a driver may refuse several at once.
    for statement in STATEMENTS.read_text(encoding="utf-8").split(";\n\n"):
        op.execute(statement)
