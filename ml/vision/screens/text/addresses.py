"""Find e-mail addresses, web addresses and handles in a normalized line."""

import re
from collections.abc import Iterator
from functools import cache

from publicsuffixlist import PublicSuffixList

from ml.vision.screens.text.spelling import one_of

_I = re.IGNORECASE

_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64} ?@ ?[a-z0-9-]+(?: ?\. ?[a-z0-9-]+)*"
    r" ?(?:\. ?(?:c0m|[a-z]{2,10})| com)\b",
    _I | re.ASCII,
)
# "123456@qq", "mei 88 gmail com", "gmail: mei88": what a mail service's name makes plain.
_SERVICE = r"(?:qq|163|126|gmail|outlook|hotmail|yahoo|foxmail|icloud|sina)"
_MAIL_SERVICE = re.compile(
    rf"(?<![\w.+-])[\w.+-]{{3,64}} ?@ ?{_SERVICE}(?![\w@])|[\w.+-]{{2,64}} {_SERVICE}[ .]com\b"
    r"|\b(?:gmail|hotmail|e-?mail|邮箱|郵箱) ?[:=] ?(?=[a-z_.-]{0,30}[\d_])[a-z][\w.]{4,}",
    _I,
)
# A social media handle: 0 of 300 photos of products have one, 16 of 140 with a banner do.
_HANDLE_ALONE = re.compile(
    r"(?<![\w.@+-])@(?:[a-z][a-z0-9_.]{4,29}| [a-z][a-z0-9.]*_[a-z0-9_.]+)(?![a-z0-9@])",
    _I | re.ASCII,
)
# An account without the name of its service.
_OWN_ACCOUNT = re.compile(
    r"(?:[账帐帳][号號]|我的? ?id|\b(?:my|our) ?id|user ?name|\badd ?me|全网同名|[关關]注我?"
    r"|follow ?me)"
    r"[^\w]{1,3}(?:(?=[a-z_.-]{0,30}[\d_])[a-z][\w.]{4,}|@[^\Wa-z]\w{2,20})"
    r"|全网同名[^\w]{1,2}\w{2,}",
    _I,
)

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SCHEME = re.compile(
    r"h[tx]{2}ps? ?[:;] ?/ ?/? ?[^\s,，。]{3,}"
    r"|(?<![a-z\d])www ?[.,] ?[a-z0-9-]+(?: ?\. ?[a-z0-9-]+)*(?:/\S*)?"
    r"|(?<![a-z\d])www [a-z0-9-]+ (?:com|net|cn)\b",
    _I | re.ASCII,
)
_HOST = re.compile(
    rf"(?<![\w@.\-/])((?:{_LABEL}\.){{1,5}}([a-z]{{2,24}}))(?![a-z\d\-@])(?!\.[a-z\d])"
    r"(/[a-z0-9]\S*)?",
    _I | re.ASCII,
)
_CHINESE_HOST = re.compile(
    r"(?<![\w@.\-/])(?:www ?\. ?)?(?:[\w-]*[\u3400-\u9fff][\w-]*\.(?:com|cn|net)"
    r"|[\w-]{2,}\.(?:中国|公司|网络|网址|商城|在线|网店|集团|我爱你))(?![\w-])",
    _I,
)
# Suffixes of which some are words, so that the whole line must be the domain, or the name has a
# digit or a hyphen: "cotton.top quality" is usually a missing space.
_WORD_SUFFIXES = frozenset(
    "vip shop store club site online app my link live info top me io co tv fun pro ink art one"  # noqa: SIM905 - a list of words
    " world today life love group wang website space email tech".split()
)
# Suffixes that no sentence ends with and no unit is written as: enough for a bare domain.
_PLAIN_SUFFIXES = frozenset(
    "com net org cn de fr uk jp kr ru hk tw eu nl pl ca br vn th sg xyz biz cc".split()  # noqa: SIM905 - as above
)
_RESERVED_SUFFIXES = frozenset({"example", "test"})  # RFC 2606: of no list, but in test photos
_UNITS = frozenset({"cm", "mm", "kg", "mg", "ml", "in", "gm", "km", "pm", "am", "ms", "mb"})
_ANNOUNCED = re.compile(r"(?:访问|官网|网址|网站|登录|\bvisit|\bshop at|\bsite)[: ]*$", _I)
_MIN_NAME = 2  # characters before the suffix: "s.shop" is no domain

# Short links and collections of links: nearly always lead to an account or a shop.
_LINK_HOSTS = (
    *("bit.ly", "t.cn", "t.co", "dwz.cn", "url.cn", "suo.im", "is.gd", "v.gd", "ow.ly", "t.ly"),
    *("cutt.ly", "rb.gy", "tinyurl.com", "rebrand.ly", "shorturl.at", "goo.gl", "amzn.to"),
    *("s.click.taobao.com", "m.tb.cn", "u.jd.com", "3.cn", "linktr.ee", "beacons.ai", "bio.link"),
    *("carrd.co", "taplink.cc", "lnk.bio", "lnk.to", "linkin.bio", "campsite.bio", "solo.to"),
    *("msha.ke", "allmylinks.com", "hoo.be", "komi.io", "stan.store", "lit.link", "vk.com"),
)
_LINK = re.compile(
    r"(?<![\w@-])(?:[\w-]+\.)?"
    + one_of(*(re.escape(host).replace(r"\.", r" ?[.,] ?") for host in _LINK_HOSTS))
    + r"(?: ?/ ?\S+|(?![\w.-]))|\blink ?tree[^\w]{1,3}(?=[a-z_.-]{0,30}[\d_])[a-z][\w.]{3,}",
    _I | re.ASCII,
)


@cache
def _suffixes() -> PublicSuffixList:
    """The public suffixes that the package brings; nothing is downloaded."""
    return PublicSuffixList(only_icann=True, accept_unknown=False)


def find_emails(line: str) -> Iterator[str]:
    """E-mail addresses in a normalized line, in lower case."""
    for pattern in (_EMAIL, _MAIL_SERVICE):
        for match in pattern.finditer(line):
            yield match.group().replace(" ", "").lower()


def find_handles(line: str) -> Iterator[str]:
    """Handles of social media ("@lucky_mei") in a normalized line, in lower case."""
    for pattern in (_HANDLE_ALONE, _OWN_ACCOUNT):
        for match in pattern.finditer(line):
            yield match.group().lower()


def find_urls(line: str) -> Iterator[str]:
    """Web addresses in a normalized line, in lower case."""
    for pattern in (_SCHEME, _LINK, _CHINESE_HOST):
        for match in pattern.finditer(line):
            yield _address(match)
    for match in _HOST.finditer(line):
        if _is_address(match, line):
            yield _address(match)


def _address(match: re.Match[str]) -> str:
    return match.group().replace(" ", "").rstrip(".,;)").lower()


def _is_address(match: re.Match[str], line: str) -> bool:
    """Whether a host of the form name.suffix is a domain, and no missing space or unit."""
    host, last, path = match.groups()
    suffix, name = last.lower(), host[: -len(last) - 1]
    if len(name.split(".")[-1]) < _MIN_NAME or not re.search("[a-z]", name, _I):
        return False
    if suffix in _RESERVED_SUFFIXES:
        return True
    # "soft.Store in a cool place": a sentence that begins without a space.
    begins_sentence = last[0].isupper() and not host.isupper() and not host.istitle()
    if begins_sentence or _suffixes().publicsuffix(host.lower()) is None:
        return False
    if path:
        return suffix not in _UNITS
    if suffix in _WORD_SUFFIXES:
        announced = _ANNOUNCED.search(line[: match.start()])
        return bool(match.group() == line or announced or re.search(r"[\d-]", name))
    return suffix in _PLAIN_SUFFIXES or bool(re.fullmatch(r"[a-z-]{4,}\d+", name, _I))
