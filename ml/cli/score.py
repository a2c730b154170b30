"""`python -m ml score`: what a nightly run would decide on files of this machine, and why."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from ml.cli.context import console, opened
from ml.core.format import MISSING, short_hash
from ml.core.types import Evidence, Json, Scored, ScreenResult, ScreenStatus

if TYPE_CHECKING:
    from ml.moderation.local_files.scored_file import ScoredFile

_MAX_EVIDENCE = 400  # characters
_LAYOUT_KEYS = {"box"}  # evidence that only a picture shows

app = typer.Typer()  # without a name: its commands are top-level commands


@app.command("score")
def score_command(
    files: Annotated[list[Path], typer.Argument(help="Photos on this machine; no folders.")],
    version: Annotated[
        str | None,
        typer.Option(
            help="Hash of a model version, or its first 8 digits or more.",
            show_default="the champion",
        ),
    ] = None,
    read_all_text: Annotated[
        bool,
        typer.Option(
            "--read-all-text",
            help="Read every text that the gate finds likely, also of photos that do not pass "
            "anyway. Without it, of those that would pass, within the budget of a nightly run.",
        ),
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Also print scores, screens, views and times.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON object a line, with everything.")
    ] = False,
) -> None:
    """Score files as a nightly run would, write nothing, and print a line for each.

    A line has decision, violation score, milliseconds of work, file and reasons. The exit code is 0
    whatever the decisions.
    """
    from ml.moderation.local_files.score_files import load_scorer

    with opened() as (settings, connections):
        scorer = load_scorer(settings, connections, version=version, read_all_text=read_all_text)
        setup = scorer.describe()
        with _progress_bar(len(files)) as advance:
            for found in scorer.score(files):
                for line in _describe(found, setup, details=details, as_json=as_json):
                    _print(line)
                advance()


@contextmanager
def _progress_bar(total: int) -> Iterator[Callable[[], None]]:
    """A bar below the lines, or where they go to a file; the yielded function advances it."""
    out = console if console.is_terminal else Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    is_shown = out.is_terminal and total > 1
    # Lines must reach standard output, also where the bar is on standard error.
    with Progress(
        *columns, console=out, transient=True, disable=not is_shown, redirect_stdout=False
    ) as bar:
        task = bar.add_task("photos", total=total)
        yield lambda: bar.advance(task)


def _print(line: str) -> None:
    """Print one line; characters that could control the terminal are escaped, as in JSON."""
    text = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def _describe(
    found: "ScoredFile", setup: Mapping[str, Json], *, details: bool, as_json: bool
) -> Iterator[str]:
    if as_json:
        yield json.dumps({**found.to_json(), **setup}, ensure_ascii=False)
        return
    yield _summary(found)
    if details:
        yield from (f"    {line}" for line in _details(found, setup))


def _summary(found: "ScoredFile") -> str:
    verdict, text = found.verdict, found.screens.get("text")
    score = f"{verdict.violation_score:.3f}" if verdict else MISSING
    milliseconds = 1000 * sum(found.seconds.values())
    notes = [*found.reasons, *([found.detail] if found.detail else [])]
    if text is not None and text.state is ScreenStatus.NOT_RUN and text.reason == "budget":
        notes.append("(text not read)")
    if view := found.worst_view:
        notes.append(f"(worst view: {_name_view(view)})")
    columns = f"{found.decision:<10} {score:>5} {milliseconds:>6.0f} ms"
    return f"{columns}  {found.path}  {' '.join(notes)}"


def _name_view(view: Mapping[str, Json]) -> str:
    """Frame and part counted from 1, as the queue does; the evidence counts from 0."""
    counted = ((k, v + 1 if isinstance(v, int) else v) for k, v in view.items())
    return ", ".join(f"{key} {value}" for key, value in counted)


def _details(found: "ScoredFile", setup: Mapping[str, Json]) -> Iterator[str]:
    if isinstance(found.outcome, Scored):
        content = found.outcome.content
        scores = ", ".join(f"{name} {p:.4f}" for name, p in found.outcome.scores.items())
        yield f"scores   {scores}; passes up to a violation score of {_max_violation(setup):.4f}"
        yield f"photo    {content.width} x {content.height}, SHA-256 {content.sha256}"
    for name, result in found.screens.items():
        yield f"screen   {name} {_screen(result)}"
    times = (f"{stage} {1000 * seconds:.0f}" for stage, seconds in found.seconds.items())
    yield f"ms       {', '.join(times) or MISSING}"
    version, policy = (short_hash(str(setup[k])) for k in ("model_version", "policy_version"))
    yield f"by       version {version}, {setup['computation']}, policy {policy}"


def _max_violation(setup: Mapping[str, Json]) -> float:
    threshold = setup["pass_confidence"]
    return 1.0 - threshold if isinstance(threshold, float) else 0.0


def _screen(result: ScreenResult) -> str:
    value = f"{result.value:.4g}" if result.value is not None else ""
    parts = (result.state.value, result.reason or "", value, _short_evidence(result.evidence))
    return " ".join(part for part in parts if part)


def _short_evidence(evidence: Evidence) -> str:
    if not evidence:
        return ""
    text = json.dumps(_without_layout(evidence), ensure_ascii=False)
    return text if len(text) <= _MAX_EVIDENCE else f"{text[:_MAX_EVIDENCE]}..."


def _without_layout(value: Json) -> Json:
    if isinstance(value, dict):
        return {k: _without_layout(v) for k, v in value.items() if k not in _LAYOUT_KEYS}
    return [_without_layout(item) for item in value] if isinstance(value, list) else value
