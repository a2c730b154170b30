"""Documentation that cannot drift: every command, setting, DAG, reason and link."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from ml.cli.main import app
from ml.core.commerce_names import CommerceNames
from ml.core.errors import QuarantineReason
from ml.core.settings import Settings
from ml.core.types import AlertKind
from ml.storage.commerce_table import KEYS, WRITTEN
from ml.storage.schema import metadata

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _commands(group: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401 - typer's own click group
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}"


def test_every_command_is_in_the_runbook() -> None:
    rows = set(
        re.findall(r"^\| `python -m ml ([a-z -]+)` \|", _text("docs/runbook.md"), re.MULTILINE)
    )
    assert rows == set(_commands(get_command(app)))


def test_every_setting_is_documented_and_no_other() -> None:
    names = {f"MODERATION_{n.upper()}" for n in Settings.model_fields if n != "commerce"}
    names |= {f"MODERATION_COMMERCE__{n.upper()}" for n in CommerceNames.model_fields}
    documented = set(re.findall(r"^\| `(MODERATION_\w+)`", _text("docs/settings.md"), re.MULTILINE))
    assert documented == names


def test_every_dag_is_in_the_runbook() -> None:
    dags = sorted(path.stem for path in (ROOT / "dags").glob("*.py"))
    assert dags == [
        "audit_review_images", "evaluate_alerts", "purge_expired", "retrain_model",
        "rollback_model",
    ]  # fmt: skip
    assert all(f"`{dag}`" in _text("docs/runbook.md") for dag in dags)


def test_every_alert_has_its_entry_in_the_runbook() -> None:
    entries = re.findall(r"^### `(\w+)`$", _text("docs/runbook.md"), re.MULTILINE)
    assert entries == [kind.value for kind in AlertKind]


def test_every_quarantine_reason_is_in_the_contract() -> None:
    assert all(f"`{reason.value}`" in _text("docs/data_contract.md") for reason in QuarantineReason)


def test_every_table_is_in_the_contract() -> None:
    tables = {table.name for table in metadata.tables.values()}
    rows = re.findall(r"^\| (`[^|]+`) \|", _text("docs/data_contract.md"), re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == tables


def test_every_column_of_the_shop_that_the_code_knows_is_in_the_contract() -> None:
    contract = " ".join(_text("docs/data_contract.md").split())
    assert f"`commerce.review_image({', '.join((*KEYS, *WRITTEN))})`" in contract


def test_every_verb_of_the_makefile_that_the_readme_names_exists() -> None:
    verbs = set(re.findall(r"^([a-z-]+):.*##", _text("Makefile"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", _text("README.md"), re.MULTILINE))
    assert {"demo", "test", "demo-retrain"} <= named <= verbs


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_anchors_lead_to_headings(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
        there = page.parent / target if target else page
        assert anchor in _anchors(there), f"{target}#{anchor}"


def _anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {text.replace(" ", "-") for text in kept}
