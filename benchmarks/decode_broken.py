"""`python -m benchmarks.decode_broken`: decode thousands of broken files in limited processes.

Each process decodes the files of `broken_photos` one after the other, with 3 GiB of address space
and a deadline for each file. A process that a file ends is replaced by one that begins with the
next file.
"""

import json
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.broken_photos import make_broken
from ml.core.errors import ImageRejected
from ml.core.settings import ROOT
from ml.vision.images.decode import decode
from ml.vision.images.open_photo import DecodeLimits

ADDRESS_SPACE = 3 * 1024**3
DEADLINE_SECONDS = 20
CHILD = (sys.executable, "-m", "benchmarks.decode_broken", "--child")


@dataclass(frozen=True)
class Outcome:
    """What became of one file; `crash` and `hang` ended the process."""

    number: int
    file_format: str
    outcome: str
    seconds: float

    @property
    def is_defect(self) -> bool:
        """Whether no broken file may ever end like this."""
        return self.outcome in {"crash", "hang"} or self.outcome.startswith("raised")


def main(
    count: Annotated[int, typer.Option(help="Files to decode.")] = 10_000,
    start: Annotated[int, typer.Option(help="Number of the first file.")] = 0,
    child: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Decode the files; print outcomes, the slowest, crashes and hangs."""
    if child:
        decode_all(range(start, start + count))
        return
    found = list(run(range(start, start + count)))
    console, formats = Console(width=100), sorted({row.file_format for row in found})
    counts = Counter((row.outcome, row.file_format) for row in found)
    table = Table("outcome", *formats)
    for outcome in sorted({row.outcome for row in found}):
        table.add_row(outcome, *(str(counts[outcome, name]) for name in formats))
    console.print(table)
    slowest = max(found, key=lambda row: row.seconds)
    console.print(f"slowest: {slowest}")
    defects = [row for row in found if row.is_defect]
    console.print(
        f"{len(found)} files, {len(defects)} crashes, hangs or unexpected errors", *defects
    )
    raise typer.Exit(bool(defects))


def run(numbers: range, child: Sequence[str] = CHILD) -> Iterator[Outcome]:
    """The outcome of each file, whatever it does to its process."""
    while numbers:
        command = [*child, "--start", str(numbers.start), "--count", str(len(numbers))]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                yield Outcome(**json.loads(line))
                numbers = numbers[1:]
        if numbers:  # the next file ended the process
            outcome = "hang" if process.returncode == -signal.SIGALRM else "crash"
            yield Outcome(numbers[0], make_broken(numbers[0])[0], outcome, DEADLINE_SECONDS)
            numbers = numbers[1:]


def decode_all(numbers: range) -> None:
    """Decode files in this process; print one JSON line per file."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    for number in numbers:
        file_format, data = make_broken(number)
        signal.alarm(DEADLINE_SECONDS)  # ends the process
        began = time.perf_counter()
        outcome = _decode(data)
        seconds = time.perf_counter() - began
        signal.alarm(0)
        row = {"number": number, "file_format": file_format, "outcome": outcome}
        print(json.dumps({**row, "seconds": seconds}), flush=True)


def _decode(data: bytes) -> str:
    try:
        decoded = decode(data, limits=DecodeLimits(min_side=1), all_views=True)
    except ImageRejected as rejected:
        return rejected.reason.value
    except BaseException as error:  # noqa: BLE001 - what nothing should raise
        return f"raised {error!r}"
    return f"review: {decoded.unjudged}" if decoded.unjudged else "decoded"


if __name__ == "__main__":
    typer.run(main)
