"""The table of invariants names tests of `make test`, and places that are there to be broken."""

import ast

import pytest

from ml.core.settings import ROOT
from tests.architecture.invariants import INVARIANTS, Invariant
from tests.architecture.pages import read

NAMES = [invariant.name for invariant in INVARIANTS]


@pytest.mark.parametrize("invariant", INVARIANTS, ids=NAMES)
def test_its_tests_are_there_and_run_in_make_test(invariant: Invariant) -> None:
    for test in invariant.tests:
        file, _, function = test.partition("::")
        source = read(file)
        assert "mark.slow" not in source
        functions = [n.name for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)]
        assert not function or function in functions


@pytest.mark.parametrize("invariant", INVARIANTS, ids=NAMES)
def test_each_place_to_break_is_one_line_of_its_file(invariant: Invariant) -> None:
    for place in invariant.breaks:
        assert read(place.file).count(place.line) == 1
        ast.parse((ROOT / place.file).read_text(encoding="utf-8").replace(place.line, place.broken))


@pytest.mark.parametrize("invariant", INVARIANTS, ids=NAMES)
def test_contributing_lists_it_with_its_tests_and_places(invariant: Invariant) -> None:
    lines = read("CONTRIBUTING.md").splitlines()
    [row] = [line for line in lines if line.startswith(f"| {invariant.name} |")]
    named = [*invariant.tests, *(place.file for place in invariant.breaks)]
    assert all(f"`{name}`" in row for name in named)
