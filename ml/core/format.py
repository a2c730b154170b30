"""Numbers, hashes and sizes as text for notes, reports and pages. A missing value is a dash."""

from collections.abc import Mapping

MISSING = "–"
_HASH_DIGITS = 12
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_UNIT_FACTOR = 1024


def percent(share: float | None, digits: int = 1, *, unit: str = "%") -> str:
    """A share (1.0 is 100 %) in percent; `unit=" %"` separates number and sign."""
    return MISSING if share is None else f"{100 * share:.{digits}f}{unit}"


def count(value: float | None, digits: int = 0) -> str:
    """A number with thousands separators: 12,345."""
    return MISSING if value is None else f"{value:,.{digits}f}"


def counts(values: Mapping[str, float]) -> str:
    """Names with their numbers, separated by commas: `pass 1,200, review 34`."""
    return ", ".join(f"{name} {value:,}" for name, value in values.items()) or MISSING


def signed(value: float | None, digits: int = 3, *, minus: str = "−") -> str:
    """A difference with its sign; a value that rounds to zero has none."""
    if value is None:
        return MISSING
    text = f"{value:+.{digits}f}"
    return text.replace("-", minus) if float(text) else text[1:]


def short_hash(value: str | None) -> str:
    """The first 12 digits of a hash."""
    return MISSING if value is None else value[:_HASH_DIGITS]


def file_size(size: float) -> str:
    """A number of bytes in the largest binary unit that gives at least 1: 1.5 MiB."""
    for unit in _UNITS[:-1]:
        if size < _UNIT_FACTOR:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= _UNIT_FACTOR
    return f"{size:.1f} {_UNITS[-1]}"
