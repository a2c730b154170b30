"""What the Markdown pages hold: headings, blocks, commands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from ml.core.settings import ROOT

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_SPAN = re.compile(r"`([^`\n]+)`")
_PROGRAMS = re.compile(
    r"^(?:\.venv/bin/)?(?:make|python|airflow|apt-get|docker|docker-compose|kubectl|helm|psql|curl|"
    r"git|pg_dump|pg_restore|sha256sum|createdb|ruff|mypy|pytest|uv|nvidia-smi)\s+\S"
)


def read(page: str) -> str:
    """The text of a page, by its path from the root."""
    return (ROOT / page).read_text(encoding="utf-8")


def headings(text: str) -> list[int]:
    """The levels of the headings, in order."""
    return [len(marks) for marks in re.findall(r"^(#+) ", _FENCE.sub("", text), re.MULTILINE)]


def blocks(text: str, *languages: str) -> list[list[str]]:
    """The lines of the fenced blocks of these languages ("" for none), comments cut off."""
    found = [m for m in _FENCE.finditer(text) if m["language"] in languages]
    return [[_bare(line) for line in m["body"].splitlines() if _bare(line)] for m in found]


def _bare(line: str) -> str:
    return re.sub(r"(^|\s)#.*$", "", line).strip()


def links(text: str) -> list[str]:
    """Where links and pictures lead, in order."""
    return re.findall(r"\]\(([^)]+)\)", text)


def commands(text: str) -> Iterator[str]:
    """The commands of a page: lines of its blocks, then spans that begin with a program."""
    lines = [line for block in blocks(text, "", "sh", "bash", "console") for line in block]
    spans = _SPAN.findall(_FENCE.sub("", text))
    for line in (*lines, *spans):
        if _PROGRAMS.match(line):
            yield line.removeprefix(".venv/bin/")


def words(command: str) -> list[str]:
    """The command as a shell splits it."""
    return shlex.split(command)


def below(folder: Path, pattern: str) -> list[str]:
    """Pages of a folder, by their path from the root."""
    return sorted(path.relative_to(ROOT).as_posix() for path in folder.glob(pattern))
