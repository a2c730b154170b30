import time
from pathlib import Path

import pytest

from ml.core.errors import ModelError, PolicyError, SettingsError
from ml.core.settings import ROOT
from ml.core.yaml_file import MAX_BYTES, StrictModel, load_json, load_model, load_yaml
from ml.models.card import read_card
from ml.models.training.preset import load_preset
from ml.policy.schema import load_policy

SHIPPED = (ROOT / "config" / "policy.yaml").read_text(encoding="utf-8")
BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{last}, *{last}, *{last}]\n"
    for last, name in zip("abcdefgh", "bcdefghi", strict=True)
)
# Each is appended to a valid policy, which has no key `x`.
UNUSABLE = {
    "date": ("x: 2026-11-29", "without quotes.*put it in quotes"),
    "no such date": ("x: 2026-13-45", "without quotes.*put it in quotes"),
    "no such time": ("x: 2026-11-29T99:00:00Z", "without quotes.*put it in quotes"),
    "date as a key": ("2026-11-29: x", "no text; put it in quotes"),
    "huge integer": (f"x: {'9' * 5000}", "too many digits; shorten it"),
    "huge base 60": (f"x: 1{':1' * 50_000}", "too many digits; shorten it"),
    "integer over 64 bits": ("x: 99999999999999999999", "too large; write a smaller one"),
    "recursion": ("x: &x [*x]", "anchors.*write the value out"),
    "undefined alias": ("x: *nowhere", "anchors.*write the value out"),
    "merge bomb": (f"{BOMB}x:\n  <<: [*i, *i]", "anchors.*write the value out"),
    "merge key": ("<<: {x: 1}", "no text; put it in quotes"),
    "deep flow": (f"x: {'[' * 60_000}", "deeper than.*flatten it"),
    "deep block": (f"x:\n{'- ' * 60_000}", "deeper than.*flatten it"),
    "deep keys": (f"x:\n{'? ' * 60_000}", "deeper than.*flatten it"),
    "tab": ("x:\n\ty: 1", "replace tabs by spaces"),
    "control character": ("x: a\x07b", "remove this character"),
    "duplicate key": ("pass_confidence: 0.9", "`pass_confidence` occurs twice; remove"),
    "duplicate key inside": ("x: {a: 1, 'a': 2}", "`a` occurs twice; remove"),
    "tag": ("x: !!python/object:os.x {}", "tag .* is not supported; remove it"),
    "number by a tag": ("x: !!int word", "tag .* is not supported; remove it"),
    "key that is a list": ("? [a]\n: b", "no text; put it in quotes"),
    "key that is true": ("yes: 1", "no text; put it in quotes"),
    "NUL": ('x: "a\\0b"', "no text; remove it"),
    "surrogate": ('x: "\\ud800"', "remove it|correct this line"),
    "NUL in a key": ('"a\\0b": 1', "no text; remove it"),
    "open list": ("x: [", "correct this line, or restore the file"),
    "second document": ("---\nx: 1", "correct this line, or restore the file"),
    "unknown key": ("x: 1", "remove it or fix its spelling"),
}


@pytest.mark.parametrize(("added", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_yaml_is_one_error_with_file_line_and_remedy_within_a_second(
    added: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"{SHIPPED}\n{added}\n", encoding="utf-8")
    began = time.process_time()
    with pytest.raises(PolicyError, match=rf"(?s)mine\.yaml.*{words}") as caught:
        load_policy(path)
    assert time.process_time() - began < 1
    first = SHIPPED.count("\n") + 2
    lines = [f"line {n}" in str(caught.value) for n in range(first, first + added.count("\n") + 1)]
    assert any(lines), caught.value


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"ok: 1\nx: \xff\xfe", r"mine\.yaml, line 2: not UTF-8; save the file as UTF-8"),
        ("x: 1".encode("utf-16"), "line 1: not UTF-8; save the file as UTF-8"),
        ("x: ü".encode("latin-1"), "line 1: not UTF-8; save the file as UTF-8"),
        (b"x: \0", "line 1: .*; remove this character"),
        (b"# " + b"x" * MAX_BYTES, "larger than 131,072 bytes"),
    ],
    ids=["bytes", "UTF-16", "latin-1", "NUL", "large"],
)
def test_bytes_that_are_no_text_are_rejected_with_the_line(
    data: bytes, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(data)
    with pytest.raises(SettingsError, match=words):
        load_yaml(path)


def test_folder_and_file_in_a_file_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "policy.yaml"):
        with pytest.raises(SettingsError, match=r"cannot be read: .*name a readable file"):
            load_yaml(path)


def test_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("x: 1", encoding="utf-8-sig")
    assert load_yaml(path) == {"x": 1}


class Item(StrictModel):
    """An item of a list."""

    share: float


class Items(StrictModel):
    """A list of items."""

    items: list[Item]


@pytest.mark.parametrize("value", ["high", ".inf", ".nan"])
def test_invalid_value_is_named_with_its_line(value: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"items:\n  - share: 1\n  - share: {value}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"- items\.1\.share: .* \(line 3\)"):
        load_model(path, Items)


@pytest.mark.parametrize("pattern", ["a{99999999999999999999}", "(" * 5000 + ")" * 5000])
def test_regular_expression_beyond_all_limits_is_a_policy_error(
    pattern: str, tmp_path: Path
) -> None:
    path = tmp_path / "mine.yaml"
    text = SHIPPED.replace("allowed: []", f"allowed: ['{pattern}']", 1)
    assert pattern in text
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match=r"mine\.yaml is not valid"):
        load_policy(path)


def test_duplicate_key_of_a_preset_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    fast = (ROOT / "config" / "training" / "fast.yaml").read_text(encoding="utf-8")
    path.write_text(f"{fast}\nepochs: 3\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="`epochs` occurs twice"):
        load_preset(str(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"seed": 1, "seed": 2}', "'seed' occurs twice"),
        ('{"metrics": {"f1": 1, "f1": 0}}', "'f1' occurs twice"),
        ('{"seed": NaN}', "NaN"),
        ('{"seed": ' + "9" * 5000 + "}", "not valid"),
        ('{"seed": ' + "[" * 100_000, "not valid"),
        ('{"seed": 1', "line 1"),
        ("{}", "weights_sha256"),
    ],
    ids=["duplicate", "duplicate inside", "NaN", "huge integer", "deep", "cut off", "empty"],
)
def test_unusable_card_is_a_model_error(text: str, words: str) -> None:
    with pytest.raises(ModelError, match=rf"(?s)card\.json.*{words}"):
        read_card(text, source="card.json")


def test_json_without_duplicates_is_read() -> None:
    assert load_json('{"a": {"b": [1, null]}}', source="x", error=ModelError) == {
        "a": {"b": [1, None]}
    }
