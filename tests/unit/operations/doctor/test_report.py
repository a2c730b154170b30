import io

from rich.console import Console

from ml.operations.doctor.result import failed, ok, skipped
from ml.operations.doctor.runner import CheckOutcome, show


def _shown(*findings: CheckOutcome) -> tuple[bool, str]:
    out = io.StringIO()
    well = show(findings, Console(file=out, width=160))
    return well, out.getvalue()


def test_one_line_a_check_and_what_to_do() -> None:
    well, text = _shown(
        CheckOutcome("disk", ok("9 GiB free")),
        CheckOutcome("pool", failed("no pool [gpu]", remedy="set it")),
    )
    assert not well
    assert "no pool [gpu]" in text
    assert "set it" in next(line for line in text.splitlines() if "pool" in line)


def test_what_was_not_asked_is_no_failure() -> None:
    well, _ = _shown(
        CheckOutcome("disk", ok("fine")), CheckOutcome("workers", skipped("other executor"))
    )
    assert well
