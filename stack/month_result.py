"""Two models on photos that neither has seen, side by side."""

from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from ml.policy.verdict import LIKELIER
from stack.demo_photos import Upload
from stack.demo_result import Night, PhotoState


@dataclass(frozen=True)
class Side:
    """One category under one model: photos judged, and how many went the right way.

    Right is `pass` for a normal photo, and anything else for a violating one.
    """

    photos: int
    right: int


def by_category(night: Night, uploads: list[Upload]) -> dict[str, Side]:
    """Each category of photos as a night judged them."""
    found: dict[str, Side] = {}
    for upload in uploads:
        state = night.state[upload.name]
        if state.decision is not None:
            side = found.get(upload.category, Side(0, 0))
            right = _right(upload, state)
            found[upload.category] = Side(side.photos + 1, side.right + right)
    return dict(sorted(found.items()))


def _right(upload: Upload, state: PhotoState) -> bool:
    return (state.decision == "pass") == (upload.label == "normal")


def print_side_by_side(
    before: Night, after: Night, unseen: list[Upload], new_category: str, console: Console
) -> None:
    """Print both models' right verdicts, category by category."""
    table = Table(title="Photos that neither model has seen · 两个模型都未见过的照片")
    for title in ("category 类别", "photos", "before 之前", "after 之后"):
        table.add_column(title, justify="right" if title != "category 类别" else "left")
    old, new = by_category(before, unseen), by_category(after, unseen)
    for name in new:
        mark = "  ← new · 新" if name == new_category else ""
        what = "passed 放行" if name == "normal" else "caught 拦住"
        table.add_row(
            f"{name} {what}{mark}", str(new[name].photos), _share(old[name]), _share(new[name])
        )
    console.print(table)
    for title, night in (("before", before), ("after", after)):
        model = night.report["model_hash"][:12]
        console.print(f"{title}: model {model}, {_score_line(night, unseen)}")


def _score_line(night: Night, unseen: list[Upload]) -> str:
    judged = [u for u in unseen if night.state[u.name].violation_score is not None]
    right = sum(
        ((night.state[u.name].violation_score or 0.0) >= LIKELIER) == (u.label != "normal")
        for u in judged
    )
    return f"accuracy at score {LIKELIER}: {right / len(judged):.1%} of {len(judged)}"


def _share(side: Side) -> str:
    return f"{side.right} ({side.right / side.photos:.0%})"
