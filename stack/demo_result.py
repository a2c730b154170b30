"""The night as the database has it, beside the truth that the demo knows."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from ml.audit.reconcile import take_account
from ml.connections import Connections
from ml.errors import ReconciliationError
from ml.policy.verdict import LIKELIER
from ml.settings import Settings
from ml.storage.audit_runs import row_of
from stack.demo_photos import Upload


@dataclass(frozen=True)
class PhotoState:
    """One photo of a run: what the shop shows, and why."""

    status: str
    decision: str | None
    violation_score: float | None
    quarantine_reason: str | None


@dataclass(frozen=True)
class Night:
    """One run: its stored report, and each photo (by name) as the database has it now."""

    report: dict[str, Any]
    state: dict[str, PhotoState]


_STATE = text(
    """
    select ar.object_key, c.moderation_status, ar.decision, ar.violation_score, q.reason
    from moderation.audit_result ar
    join commerce.review_image c on c.object_key = ar.object_key
    left join moderation.quarantine q
        on q.object_key = ar.object_key and q.etag = ar.etag and q.released_by is null
    where ar.run_id = :run_id order by ar.object_key
    """
)


def read_night(connections: Connections, run_id: str, settings: Settings) -> Night:
    """Read a run back from the database.

    Raises:
        ReconciliationError: its account does not balance.
    """
    with connections.engine.begin() as connection:
        account = take_account(connection, run_id, settings)
        report = row_of(connection, run_id)["report"]
        rows = connection.execute(_STATE, {"run_id": run_id}).all()
    if not account.balanced:
        raise ReconciliationError(f"run {run_id} does not balance: {account}")
    prefix = settings.photo_prefix
    return Night(report, {key.removeprefix(prefix): PhotoState(*rest) for key, *rest in rows})


@dataclass(frozen=True)
class Quality:
    """Judged photos against the truth; shares 0..1, None where there is nothing to divide by."""

    judged: int
    accuracy: float | None
    recall: float | None
    caught: float | None  # violating photos that did not pass
    leaked: int


def measure(night: Night, tonight: list[Upload]) -> Quality:
    """Accuracy and recall at score 0.5; caught and leaked by the verdict itself."""
    pairs = [
        (upload.label != "normal", night.state[upload.name])
        for upload in tonight
        if night.state[upload.name].violation_score is not None
    ]
    called = [(truth, (s.violation_score or 0.0) >= LIKELIER, s.decision) for truth, s in pairs]
    violating = [(guess, decision) for truth, guess, decision in called if truth]
    leaked = sum(decision == "pass" for _, decision in violating)
    return Quality(
        judged=len(called),
        accuracy=_share(sum(truth == guess for truth, guess, _ in called), len(called)),
        recall=_share(sum(guess for guess, _ in violating), len(violating)),
        caught=_share(len(violating) - leaked, len(violating)),
        leaked=leaked,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def recall_by_category(night: Night, tonight: list[Upload]) -> dict[str, tuple[int, int]]:
    """Per category of violation: photos that did not pass, photos judged."""
    found: dict[str, tuple[int, int]] = {}
    for upload in tonight:
        decision = night.state[upload.name].decision
        if upload.label != "normal" and decision is not None:
            caught, judged = found.get(upload.category, (0, 0))
            found[upload.category] = (caught + (decision != "pass"), judged + 1)
    return dict(sorted(found.items()))


def print_result(night: Night, tonight: list[Upload], console: Console) -> None:
    """Print the night as a table."""
    report, quality = night.report, measure(night, tonight)
    yuan, rate = report["yuan"], report["images_per_second"]
    table = Table(show_header=False, title="The night · 昨夜")
    for name, value in (
        ("photos 照片", f"{report['listed']:,}"),
        ("pass 通过", f"{report['verdicts']['pass']:,}"),
        ("review 待审", f"{report['verdicts']['review']:,}"),
        ("block 拦截", f"{report['verdicts']['block']:,}"),
        ("quarantined 隔离", _pairs(report["quarantine_reasons"])),
        ("speed 速度", f"{rate} img/s on {report['device']}"),
        ("saved 节省", f"¥{yuan['saved']} of ¥{yuan['manual_only']} manual"),
        ("accuracy 准确率", f"{_percent(quality.accuracy)} of {quality.judged} judged"),
        ("violations recognised 识别率", f"{_percent(quality.recall)} at score {LIKELIER}"),
        ("violations caught 拦住率", f"{_percent(quality.caught)} ({quality.leaked} leaked)"),
        ("caught by category 分类", _caught(night, tonight)),
    ):
        table.add_row(name, value)
    console.print(table)


def _caught(night: Night, tonight: list[Upload]) -> str:
    found = recall_by_category(night, tonight).items()
    return ", ".join(f"{name} {caught}/{judged}" for name, (caught, judged) in found)


def _pairs(numbers: dict[str, int]) -> str:
    listed = ", ".join(f"{name} {number}" for name, number in numbers.items())
    return f"{sum(numbers.values())}: {listed}" if numbers else "0"


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
