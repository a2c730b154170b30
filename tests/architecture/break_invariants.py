"""`make test-invariants`: break the code on purpose, and see that the tests notice it.

For each place of `INVARIANTS` a copy of the working tree is changed there; of the invariant's tests
at least one must fail in the copy. Exits with 1 where none does.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from ml.core.settings import ROOT
from tests.architecture.invariants import INVARIANTS, Break, Invariant

RED = 1  # pytest's exit code where tests ran and some failed


def main() -> int:
    """Try every place; returns the exit code."""
    console, unnoticed = Console(), 0
    for invariant in INVARIANTS:
        for place in invariant.breaks:
            code, said = _broken(invariant, place)
            unnoticed += code != RED
            mark = "red, as it must be" if code == RED else f"NOT NOTICED (pytest ends with {code})"
            console.print(f"{invariant.name}: {place.file}: `{place.broken}`: {mark}")
            if code != RED:
                console.print(said)
    return int(unnoticed > 0)


def _broken(invariant: Invariant, place: Break) -> tuple[int, str]:
    """Pytest's exit code and output in a copy that is broken at a place."""
    with tempfile.TemporaryDirectory() as folder:
        copy = _copy(Path(folder) / "copy")
        file = copy / place.file
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(place.line, place.broken), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", *invariant.tests],
            cwd=copy, capture_output=True, text=True, check=False,
        )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def _copy(target: Path) -> Path:
    """The files that git knows, as they lie in the working tree."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target / name)
    return target


if __name__ == "__main__":
    sys.exit(main())
