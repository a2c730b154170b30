import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml.core.errors import LabelImportError
from ml.learning.labels.csv_rows import CsvRow, RowError, read_rows

NOW = datetime(2026, 11, 20, tzinfo=UTC)
WRITTEN = datetime(2026, 11, 1, 12, 30, tzinfo=UTC)


def _read(folder: Path, data: str | bytes) -> list[CsvRow | RowError]:
    file = folder / "labels.csv"
    file.write_bytes(data.encode() if isinstance(data, str) else data)
    os.utime(file, (WRITTEN.timestamp(), WRITTEN.timestamp()))
    return list(read_rows(file, classes=("normal", "violate"), now=NOW))


def _reason(folder: Path, header: str, line: str) -> str:
    (refused,) = _read(folder, f"{header}\n{line}\n")
    assert isinstance(refused, RowError)
    assert refused.line == 2
    return refused.reason


def test_line_of_two_values_gets_the_defaults(tmp_path: Path) -> None:
    (line,) = _read(tmp_path, "object_key,label\nreviews/a.jpg,normal\n")
    assert line == CsvRow(
        number=2,
        object_key="reviews/a.jpg",
        path=None,
        label="normal",
        category=None,
        reviewer="import",
        decided_at=WRITTEN,
        dated=False,
        review_id=None,
        route="import",
        sampling_rate=1.0,
    )


def test_every_column_is_read_without_the_byte_order_mark(tmp_path: Path) -> None:
    (line,) = _read(
        tmp_path,
        "\ufeffpath,label,category,reviewer,decided_at,review_id,route,sampling_rate\r\n"
        '"a, b .jpg", violate ,二维码,安,2026-10-31T08:00:00+08:00,77,spot_check,0.1\r\n',
    )
    assert isinstance(line, CsvRow)
    assert (line.path, line.label, line.category) == ("a, b .jpg", "violate", "二维码")
    assert (line.reviewer, line.review_id, line.route) == ("安", "77", "spot_check")
    assert line.decided_at == datetime(2026, 10, 31, tzinfo=UTC)
    assert (line.dated, line.sampling_rate) == (True, 0.1)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("", "needs label"),
        ("path,object_key\n", "needs label"),
        ("label\nnormal\n", "object_key or path"),
        ("path,label,colour\na,normal,red\n", "unknown column 'colour'"),
        ("path;label\na;normal\n", "separated by commas"),
        ("path,label,label\na,normal,normal\n", "twice"),
        (b"\xff\xfep\x00a\x00", "unknown column"),
    ],
)
def test_invalid_header_rejects_the_file(tmp_path: Path, data: str, said: str) -> None:
    with pytest.raises(LabelImportError, match=said):
        _read(tmp_path, data)


def test_missing_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(LabelImportError, match="cannot be read"):
        list(read_rows(tmp_path / "none.csv", classes=("normal",), now=NOW))


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("label", "spam", "unknown_class: 'spam'"),
        ("label", "", "unknown_class"),
        ("decided_at", "yesterday", "bad_time: 'yesterday' is no"),
        ("decided_at", "2026-10-31T08:00:00", "bad_time: .* no time zone"),
        ("decided_at", "2026-10-31", "bad_time: .* no time zone"),
        ("decided_at", "2027-01-01T00:00:00Z", "bad_time: .* future"),
        ("decided_at", "0001-01-01T00:00:00+08:00", "bad_time: .* before 2000"),
        ("sampling_rate", "0", "bad_rate"),
        ("sampling_rate", "1.01", "bad_rate"),
        ("sampling_rate", "nan", "bad_rate"),
        ("sampling_rate", "a tenth", "bad_rate"),
        ("route", "gossip", "bad_route"),
        ("category", "a\x00b", "bad_text"),
        ("category", "x" * 1025, "bad_text"),
        ("category", "x" * 200_000, "bad_line: no CSV"),
    ],
)
def test_invalid_value_rejects_its_line(tmp_path: Path, column: str, value: str, code: str) -> None:
    header = "path,label" if column == "label" else f"path,label,{column}"
    line = f"a.jpg,{value}" if column == "label" else f"a.jpg,normal,{value}"
    assert re.match(code, _reason(tmp_path, header, line))


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("path,object_key,label", "a.jpg,b.jpg,normal"),
        ("path,object_key,label", ",,normal"),
        ("path,label,category", "a.jpg,normal"),
        ("path,label", "a.jpg,normal,more"),
        ("path,label", '"a"b.jpg,normal'),
    ],
)
def test_malformed_line_is_rejected(tmp_path: Path, header: str, line: str) -> None:
    assert _reason(tmp_path, header, line).startswith("bad_line")


def test_invalid_line_keeps_its_neighbors_and_their_numbers(tmp_path: Path) -> None:
    data = (
        b"path,label,category\n"
        b"a.jpg,normal,\xe4\n"  # Latin-1
        b'b.jpg,normal,"two\nlines"\n'
        b"\n"
        b"c.jpg,spam,\n"
        b"d.jpg,normal,\n"
    )
    found = _read(tmp_path, data)
    assert [item.line if isinstance(item, RowError) else item.number for item in found] == [
        2,
        3,
        6,
        7,
    ]
    assert [type(item) for item in found] == [RowError, CsvRow, RowError, CsvRow]


@pytest.mark.parametrize(
    "after", ["", '"d.jpg",normal\n', 'd.jpg,normal,"\n', "d.jpg,normal,\n" * 9000]
)
@pytest.mark.parametrize("line", ['"b.jpg,normal,', 'b.jpg,"normal,', 'b.jpg,normal,"open'])
def test_unclosed_quote_is_reported_at_its_line_and_spoils_no_other(
    tmp_path: Path, line: str, after: str
) -> None:
    lines = f"path,label,category\na.jpg,normal,\n{line}\nc.jpg,normal,x\ne.jpg,normal,y\n{after}"
    found = _read(tmp_path, lines)
    first = next(item for item in found if isinstance(item, RowError))
    assert (first.line, first.reason) == (3, "bad_line: no CSV: a quote is not closed")
    read = {item.number: item.path for item in found if isinstance(item, CsvRow)}
    assert {2: "a.jpg", 4: "c.jpg", 5: "e.jpg"}.items() <= read.items()
    assert len(found) == lines.count("\n") - 1  # each line has a result


def test_unclosed_quote_in_the_header_rejects_the_file(tmp_path: Path) -> None:
    with pytest.raises(LabelImportError, match=r"header is no CSV: .* quote is not closed"):
        _read(tmp_path, '"path,label\na.jpg,normal\n')


@pytest.mark.parametrize("order", ["le", "be"])
def test_utf_16_with_a_byte_order_mark_is_read(tmp_path: Path, order: str) -> None:
    lines = ("\ufeffpath,label,category", "\u56fe \U0001f600.jpg,normal,\u4e8c", "b.jpg,normal,")
    text = "".join(f"{line}\r\n" for line in lines)
    found = _read(tmp_path, text.encode(f"utf-16-{order}"))
    assert [(row.path, row.category) for row in found if isinstance(row, CsvRow)] == [
        ("\u56fe \U0001f600.jpg", "\u4e8c"),
        ("b.jpg", None),
    ]


def test_bytes_that_are_no_utf_16_spoil_their_line_only(tmp_path: Path) -> None:
    text = "\ufeffpath,label\na\ud83d.jpg,normal\nb.jpg,normal\n"
    found = _read(tmp_path, text.encode("utf-16-le", "surrogatepass"))
    assert isinstance(found[0], RowError)
    assert found[0].reason.startswith("bad_text")
    assert isinstance(found[1], CsvRow)


def test_decision_may_be_an_hour_in_the_future(tmp_path: Path) -> None:
    soon = (NOW + timedelta(minutes=5)).isoformat()
    (line,) = _read(tmp_path, f"path,label,decided_at\na.jpg,normal,{soon}\n")
    assert isinstance(line, CsvRow)
