"""Label resolution in SQL equals a reference implementation in Python."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from ml.storage.database import connect
from ml.storage.labels import NewLabel, ResolvedLabel, add_labels, resolve_labels

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 1, tzinfo=UTC)
HOURS = 6


def _label(content: str, label: str, reviewer: str, hour: int, category: str | None) -> NewLabel:
    return NewLabel(
        content_sha256=content,
        label=label,
        reviewer=reviewer,
        route="spot_check" if hour % 2 else "uncertain",
        decided_at=START + timedelta(hours=hour),
        sampling_rate=1 / (1 + hour),
        category=category,
    )


# Few values of each, so that reviewers change decisions, disagree and decide simultaneously.
decisions = st.builds(
    _label,
    st.sampled_from(["a", "B", "c"]),
    st.sampled_from(["normal", "violate", "ad"]),
    st.sampled_from(["ann", "bob", "cy", "di"]),
    st.integers(0, HOURS),
    st.sampled_from([None, "qr", "nude"]),
)
histories = st.lists(
    decisions,
    max_size=14,
    unique_by=lambda d: (d.content_sha256, d.reviewer, d.decided_at, d.label),
)


def reference(history: Sequence[NewLabel], as_of: datetime) -> list[ResolvedLabel]:
    """Reference for `resolve_labels`, content by content; `history` is in insertion order."""
    known = [d for d in history if d.decided_at is not None and d.decided_at < as_of]
    contents = sorted({d.content_sha256 for d in known})
    return [_truth([d for d in known if d.content_sha256 == content]) for content in contents]


def _truth(known: list[NewLabel]) -> ResolvedLabel:
    # Sorting is stable: of two simultaneous decisions, the one inserted last is the later one.
    in_time = sorted(known, key=lambda d: d.decided_at or START)
    last = {d.reviewer: d for d in in_time}
    standing = [d for d in in_time if last[d.reviewer] is d]
    votes = Counter(d.label for d in standing)
    most = max(votes.values())
    winner = [d for d in standing if votes[d.label] == most][-1]
    voters = [d for d in standing if d.label == winner.label]
    assert winner.decided_at is not None
    return ResolvedLabel(
        content_sha256=winner.content_sha256,
        label=winner.label,
        category=next((d.category for d in reversed(voters) if d.category), None),
        route=in_time[0].route,
        sampling_rate=in_time[0].sampling_rate,
        decided_at=winner.decided_at,
        reviewers=len(last),
        contested=len(votes) > 1,
    )


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = connect(database_url)
    yield engine
    engine.dispose()


# Each example is rolled back, so all start with an empty table.
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories, hour=st.integers(0, HOURS + 1))
@example(
    history=[
        _label("a", "violate", "ann", 1, "qr"),
        _label("a", "normal", "ann", 1, None),
        _label("a", "violate", "bob", 1, None),
    ],
    hour=2,
)
def test_resolved_labels_of_sql_and_python_agree(
    engine: Engine, history: list[NewLabel], hour: int
) -> None:
    as_of = START + timedelta(hours=hour)
    with engine.connect() as connection:
        for label in history:  # one by one: `add_labels` may insert a batch in another order
            add_labels(connection, [label])
        found = resolve_labels(connection, as_of=as_of)
        connection.rollback()
    assert found == reference(history, as_of)
