"""Find contact details in recognized text, including the obfuscations that sellers use."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from ml.policy.screens import PHONE_REGIONS
from ml.vision.screens.text.accounts import find_accounts
from ml.vision.screens.text.addresses import find_emails, find_handles, find_urls
from ml.vision.screens.text.normalize_text import normalize_text
from ml.vision.screens.text.phone_numbers import (
    ends_with_phone_keyword,
    find_phone_numbers,
    find_split_mobile,
)
from ml.vision.screens.text.search_calls import find_search_call
from ml.vision.screens.text.services import ContactKind

_MAX_JOINED = 60  # characters of a line that are searched together with its neighbors
# Searches that are kept: the lines of a photo are searched again after each line that is read, and
# a line takes milliseconds.
_MAX_REMEMBERED = 4096


@dataclass(frozen=True)
class Contact:
    """One contact detail; `text` is the normalized match."""

    kind: ContactKind
    text: str


def find_contacts(lines: Sequence[str], regions: Sequence[str] = PHONE_REGIONS) -> list[Contact]:
    """The distinct contact details in lines of recognized text, in the order of the lines.

    A keyword may be in one line and its account in the next ("加微信" / "lucky_88"), so pairs of
    neighboring lines are searched, too. They are searched for phone numbers only after a phone
    keyword ("Tel" / "555-0142"): two prices together could look like a number. `regions`: the
    countries whose national formats count as phone numbers, see `find_phone_numbers`.
    """
    normalized = [normalize_text(line) for line in lines]
    contacts: list[Contact] = []
    for line, next_line in zip_longest(normalized, normalized[1:]):
        contacts += _in_line(line, tuple(regions))
        if next_line is not None:
            contacts += _across_lines(line, next_line, regions)
    for first, second, third in zip(normalized, normalized[1:], normalized[2:], strict=False):
        if len(second) <= _MAX_JOINED:
            contacts += _accounts(f"{first[-_MAX_JOINED:]} {second} {third[:_MAX_JOINED]}")
    if "CN" in regions:
        contacts += _split_numbers(normalized)
    return list(dict.fromkeys(contacts))


@lru_cache(maxsize=_MAX_REMEMBERED)
def _in_line(line: str, regions: tuple[str, ...]) -> tuple[Contact, ...]:
    numbers = (Contact(ContactKind.PHONE, n) for n in find_phone_numbers(line, regions))
    addresses = (Contact(kind, found) for kind, find in _ADDRESSES for found in find(line))
    return (*_accounts(line), *numbers, *addresses)


_ADDRESSES = (
    (ContactKind.EMAIL, find_emails),
    (ContactKind.URL, find_urls),
    (ContactKind.HANDLE, find_handles),
)


def _across_lines(line: str, next_line: str, regions: Sequence[str]) -> Iterator[Contact]:
    joined = f"{line[-_MAX_JOINED:]} {next_line[:_MAX_JOINED]}"
    yield from _accounts(joined)
    if line.endswith("@") or next_line.startswith("@"):
        for address in find_emails(joined):
            yield Contact(ContactKind.EMAIL, address)
    if ends_with_phone_keyword(line):
        for number in find_phone_numbers(joined, regions):
            yield Contact(ContactKind.PHONE, number)


@lru_cache(maxsize=_MAX_REMEMBERED)
def _accounts(line: str) -> tuple[Contact, ...]:
    call = find_search_call(line)
    calls = (Contact(ContactKind.SEARCH_CALL, call),) if call else ()
    return (*(Contact(kind, text) for kind, text in find_accounts(line)), *calls)


def _split_numbers(lines: Sequence[str]) -> Iterator[Contact]:
    """Mobile numbers of China whose digits alone fill two or three neighboring lines."""
    for count in (2, 3):
        for start in range(len(lines) - count + 1):
            for number in find_split_mobile(lines[start : start + count]):
                yield Contact(ContactKind.PHONE, number)
