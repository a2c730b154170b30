"""The result of a demo run: what the database has, compared with the true labels."""

from dataclasses import dataclass
from typing import Any

from PIL import Image
from rich.console import Console
from rich.table import Table
from sqlalchemy import text

from devtools.demo.photos import Upload
from devtools.sample_photos.contact_sheet import contact_sheet
from ml.core.errors import ReconciliationError
from ml.core.format import count, counts, percent
from ml.core.settings import Settings
from ml.moderation.nightly.reconcile import count_outcomes
from ml.policy.verdict import VIOLATION_MAJORITY
from ml.storage.audit_runs import row_of
from ml.storage.connections import Connections


@dataclass(frozen=True)
class PhotoState:
    """One photo of a run: its status in the commerce table, and the reason."""

    status: str
    decision: str | None
    violation_score: float | None
    quarantine_reason: str | None


@dataclass(frozen=True)
class DemoRun:
    """One run: its stored report, and the current state of each photo by name."""

    report: dict[str, Any]
    state: dict[str, PhotoState]


_PHOTO_STATES = text(
    """
    select ar.object_key, c.moderation_status, ar.decision, ar.violation_score, q.reason
    from moderation.audit_result ar
    join commerce.review_image c on c.object_key = ar.object_key
    left join moderation.quarantine q
        on q.object_key = ar.object_key and q.etag = ar.etag and q.released_by is null
    where ar.run_id = :run_id order by ar.object_key
    """
)


def read_run(connections: Connections, run_id: str, settings: Settings) -> DemoRun:
    """Read a run back from the database.

    Raises:
        ReconciliationError: photos are unaccounted for.
    """
    with connections.engine.begin() as connection:
        account = count_outcomes(connection, run_id, connections.commerce, settings.commerce)
        report = row_of(connection, run_id)["report"]
        rows = connection.execute(_PHOTO_STATES, {"run_id": run_id}).all()
    if not account.balanced:
        raise ReconciliationError(f"run {run_id} does not balance: {account}")
    prefix = settings.photo_prefix
    return DemoRun(report, {key.removeprefix(prefix): PhotoState(*rest) for key, *rest in rows})


@dataclass(frozen=True)
class Quality:
    """Scored photos compared with the true labels; shares 0..1, None without photos."""

    scored: int
    accuracy: float | None
    recall: float | None
    caught: float | None  # violating photos that did not pass
    leaked: int


def measure_quality(run: DemoRun, uploads: list[Upload]) -> Quality:
    """Measure accuracy and recall at score 0.5, and caught and leaked violations by verdict."""
    pairs = [
        (upload.label != "normal", run.state[upload.name])
        for upload in uploads
        if run.state[upload.name].violation_score is not None
    ]
    called = [
        (truth, (s.violation_score or 0.0) >= VIOLATION_MAJORITY, s.decision) for truth, s in pairs
    ]
    violating = [(guess, decision) for truth, guess, decision in called if truth]
    leaked = sum(decision == "pass" for _, decision in violating)
    return Quality(
        scored=len(called),
        accuracy=_ratio(sum(truth == guess for truth, guess, _ in called), len(called)),
        recall=_ratio(sum(guess for guess, _ in violating), len(violating)),
        caught=_ratio(len(violating) - leaked, len(violating)),
        leaked=leaked,
    )


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def caught_by_category(run: DemoRun, uploads: list[Upload]) -> dict[str, tuple[int, int]]:
    """Return, by category of violation, the photos that did not pass and the photos scored."""
    found: dict[str, tuple[int, int]] = {}
    for upload in uploads:
        decision = run.state[upload.name].decision
        if upload.label != "normal" and decision is not None:
            caught, scored = found.get(upload.category, (0, 0))
            found[upload.category] = (caught + (decision != "pass"), scored + 1)
    return dict(sorted(found.items()))


def print_result(run: DemoRun, uploads: list[Upload], console: Console) -> None:
    """Print a run as a table."""
    report, quality = run.report, measure_quality(run, uploads)
    yuan, rate = report["yuan"], report["images_per_second"]
    table = Table(show_header=False, title="Nightly run · 夜间运行")
    for name, value in (
        ("photos 图片", count(report["listed"])),
        ("pass 通过", count(report["verdicts"]["pass"])),
        ("review 待人审", count(report["verdicts"]["review"])),
        ("block 拦截", count(report["verdicts"]["block"])),
        ("quarantined 隔离", _format_counts(report["quarantine_reasons"])),
        ("speed 速度", f"{rate} img/s on {report['device']}"),
        ("saved 节省", f"¥{yuan['saved']} of ¥{yuan['manual_only']} manual"),
        ("accuracy 准确率", f"{percent(quality.accuracy)} of {quality.scored} scored"),
        (
            "violations recognised 识别率",
            f"{percent(quality.recall)} at score {VIOLATION_MAJORITY}",
        ),
        (
            "violations caught 拦下率",
            f"{percent(quality.caught)} ({quality.leaked} leaked)",
        ),
        ("caught by category 各细类", _format_caught(run, uploads)),
    ):
        table.add_row(name, value)
    console.print(table)


def _format_caught(run: DemoRun, uploads: list[Upload]) -> str:
    found = caught_by_category(run, uploads).items()
    return ", ".join(f"{name} {caught}/{scored}" for name, (caught, scored) in found)


def _format_counts(numbers: dict[str, int]) -> str:
    return f"{sum(numbers.values())}: {counts(numbers)}" if numbers else "0"


COLORS = {"pass": "#2e9e5b", "review": "#e08a1e", "block": "#c7352e"}
SHEET_PHOTOS, SHEET_COLUMNS, SHEET_TILE = 40, 8, 150


def verdict_contact_sheet(run: DemoRun, uploads: list[Upload]) -> Image.Image:
    """Return a contact sheet of the first scored photos, framed in the color of the verdict."""
    shown = [u for u in uploads if run.state[u.name].decision is not None][:SHEET_PHOTOS]
    cards = []
    for upload in shown:
        photo = run.state[upload.name]
        decision = photo.decision or ""
        caption = f"{decision} {photo.violation_score:.2f}"
        cards.append((upload.path.read_bytes(), caption, COLORS[decision]))
    return contact_sheet(cards, SHEET_COLUMNS, SHEET_TILE)
