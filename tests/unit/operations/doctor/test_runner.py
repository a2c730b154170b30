import io

from rich.console import Console

from ml.operations.doctor.check import Outcome, failed, ok, skipped
from ml.operations.doctor.runner import show


def _shown(*findings: Outcome) -> tuple[bool, str]:
    out = io.StringIO()
    all_passed = show(findings, Console(file=out, width=160))
    return all_passed, out.getvalue()


def test_table_has_a_line_with_remedy_for_each_check() -> None:
    all_passed, text = _shown(
        ("disk", ok("9 GiB free")),
        ("pool", failed("no pool [gpu]", remedy="set it")),
    )
    assert not all_passed
    assert "no pool [gpu]" in text
    assert "set it" in next(line for line in text.splitlines() if "pool" in line)


def test_skipped_check_is_no_failure() -> None:
    all_passed, _ = _shown(("disk", ok("fine")), ("workers", skipped("other executor")))
    assert all_passed
