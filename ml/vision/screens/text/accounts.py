"""Find accounts of services in a normalized line: a name of the service, and what is next to it."""

import re
from collections.abc import Iterator, Sequence
from functools import cache

from ml.vision.screens.text.normalize_text import digits_for_letters
from ml.vision.screens.text.services import SERVICES, ContactKind, Service
from ml.vision.screens.text.spelling import any_name, one_of

Match = tuple[ContactKind, str]

_I = re.IGNORECASE
_COLON = r" ?[:=;>~]+ ?"
_SIGNS = r"[^\w]{0,3}"
_GAP = r"[ \-./()_*·]{0,3}"  # between two digits

# --- what may stand between a name and its account

_LABEL_WORDS = one_of(
    r"ids?|uid|[帐账帳]?[号號]码?|hao|account|acc|user ?name|name|nick|number|num|nummer|nr|no\.?",
    r"me|at|on|only|plus|is|es|ist|est|shop|page|channel|是|为|搜索?|搜[尋寻]|[請请]?加|添加|联系|找我",
    r"扫码|好友|直播间|主页|店铺|아이디|채널|追加|登録|ください|ไอดี|ร้าน|ca nhan|dt|call",
)
_LABEL = rf"(?:[^\w:@]{{0,2}}{_LABEL_WORDS}(?:(?<![a-z])|(?![a-z]))){{0,2}}"

# --- accounts

# Words that follow a name and a colon on screens and packages.
_NO_ACCOUNT = (
    r"(?!(?:pay|payment|ali ?pay|official|account|scan|login|log|follow|free|version|channel|group"
    r"|store|shop|name|number|code|https?|www|messenger)(?!\w))"
)
_HANDLE = r"(?=[a-z\d_.-]{4,30}(?![a-z\d_-]))[a-z](?:[a-z\d_-]|\.(?=[a-z\d_]))+(?:#\d{1,5})?"
# Without a colon a word is an account only if it has a digit or an underscore: "WeChat account" and
# "微信支付" are none.
_ODD = r"(?=[a-z_.-]{0,30}(?:[\d_]|#\d))" + _HANDLE
# Next to a name of few letters it must be in lower case: WX-XM5B2 is a model.
_LOWER_ODD = r"(?=(?-i:[A-Z\d.-]{0,30}[a-z_]))" + _ODD
_NUMBER = rf"\+? ?\(?\d(?:{_GAP}\d){{5,14}}(?!\d)"
_LONG_NUMBER = rf"\+? ?\(?\d(?:{_GAP}\d){{7,14}}(?!\d)"
_MOBILE = rf"1{_GAP}[3-9](?:{_GAP}\d){{9}}(?!\d)"
_NICKNAME = r"(?!爆款|热[卖销]|同款|推荐|种草|笔记|网红|视频|官方)[\w·.]{2,20}"


@cache
def _patterns(service: Service) -> tuple[re.Pattern[str], ...]:
    """The forms of an account of a service, the surest first."""
    forms = [*_OWN_FORMS.get(service.kind, ()), *_linked(service)]
    if service.names:
        forms += _named(any_name(service.names), service)
    if service.words:
        forms += _worded(any_name(service.words), service)
    return tuple(re.compile(form, _I) for form in forms)


def _linked(service: Service) -> Iterator[str]:
    if service.links:
        links = "|".join(map(re.escape, service.links))
        spaced = links.replace(r"\.", r" ?[.,] ?").replace("/", " ?/ ?")
        yield rf"(?<![a-z\d])(?:{spaced})\S+"


def _named(name: str, service: Service) -> Iterator[str]:
    account = _HANDLE if service.plain else _ODD
    near = rf"(?:@ ?{_HANDLE}|{_LOWER_ODD}|{_LONG_NUMBER})"
    yield rf"{name}{_LABEL}{_COLON}@?{_NO_ACCOUNT}(?:{account}|{_NUMBER})"
    yield rf"{name}{_LABEL}(?:公众号)?{_SIGNS}{_LABEL} ?{near}"
    # "WeChat ID meimei", 微信号meimei: no colon is needed.
    yield rf"{name} ?(?:ids?(?![a-z\d])|[号號]) ?{_NO_ACCOUNT}(?=[a-z._-]{{6}}){_HANDLE}"
    # The account first: 138... (WeChat), lucky_88 on Telegram.
    first = rf"(?:(?<!\d){_NUMBER}|@{_HANDLE}|(?<![a-z\d_.]){_LOWER_ODD})"
    owner, end = r"(?:是|为|on |is )?(?:我的?|my )?", r"(?:同步|同号|号|同)?\s?(?:$|[^\w.@])"
    yield rf"{first}{_SIGNS}{owner}{name}{end}"
    yield (
        r"\b(?:add|contact|text|message|find|reach|write|chat|dm|hmu)[a-z ]{0,12}"
        rf"\b(?:me|my)\b[a-z ]{{0,8}}{name}"
    )
    if service.nicknames:
        yield rf"{name} ?(?:[号號]|id|搜索?|账号|[里上]搜|名|直播间|找我){_SIGNS}{_NICKNAME}"
        yield rf"{name}{_COLON}{_NICKNAME}$|{name}{_SIGNS}@ ?{_NICKNAME}"


def _worded(word: str, service: Service) -> Iterator[str]:
    yield rf"{word}[^\w]{{0,2}}(?:ids?|[号號]|账号)(?![a-z]){_SIGNS}(?:{_HANDLE}|{_NUMBER})"
    yield rf"{word}{_LABEL}{_SIGNS}@ ?{_HANDLE}"
    yield rf"{word}{_LABEL}(?:{_COLON}|[^\w]{{1,3}})(?=[\w.-]{{0,30}}[a-z]{{2}}){_LOWER_ODD}"
    yield rf"{word}{_LABEL}{_COLON}(?:{_LOWER_ODD}|{_LONG_NUMBER})"
    yield rf"(?:(?<!\d){_LONG_NUMBER}|{_LOWER_ODD}) ?[(\[]{word}[)\]]|@{_HANDLE} on {word}"
    if service.phones:
        yield rf"{word}(?:[ /]call)?{_SIGNS}(?<!\d){_LONG_NUMBER}"
    if service.nicknames:
        yield rf"{word} ?(?:[号號]|搜索?){_SIGNS}{_NICKNAME}"


# --- forms of one service alone

_ADD = r"(?:加|十(?=[微薇威v])|\+|➕|佳|\badd )"
_GAIN = "(?=领(?:取|红包|券|资料|福利|优惠)|咨询|聊|看|购|进群)"  # after 加V; "加V领" is a neck
_OWN_FORMS = {
    ContactKind.WECHAT: (
        # 加V abc123, +薇 138..., 加微信, 扫我微信; "加微波炉" and "加微信支付" are none.
        (
            rf"{_ADD}(?: ?(?:我|下|个|客服)){{0,2}} ?(?:微|薇|威|卫星|v(?![a-z]))"
            rf"{_SIGNS}(?:{_ODD}|{_NUMBER}|{_GAIN})"
        ),
        rf"{_ADD} ?(?:我|个|下) ?(?:微|薇|威|v)$",
        (
            rf"(?:{_ADD}|扫)(?: ?(?:我|我的|个|下|1下|客服|老板))? ?(?:微信|薇信|v信|vx|wx)"
            rf"(?!支付|公众|[a-z])(?:(?:{_COLON}| ?)(?:{_ODD}|{_NUMBER}))?"
        ),
        r"\bjia ?(?:wo ?)?(?:wei ?xin|v ?x|wx)\b|(?:微信|vx|wx|v)同(?:号|步)",
        rf"(?<![a-z\d])(?:[vw] ?x|v)(?:[^\w]{{0,2}}|同){_MOBILE}",
        r"(?<![a-z\d])wxid_[a-z0-9]{6,}",
    ),
    ContactKind.SKYPE: (r"skype[^\w]{0,3}live:\S{4,}|\blive:\.cid\.\w+",),
    ContactKind.QQ: (
        (
            r"(?<![a-z\d./])(?:q(?:[^\w:,;]|_)?q|0q(?=:)|(?:加|\+) ?q|q(?=[:群号])|🐧|kou ?kou"
            r"|扣(?:[^\w:]|_)?[扣q]|[球秋蔻叩抠丘]{2}|企(?:[^\w:]|_)?鹅|加?扣(?=号|:))"
            r"(?: ?(?:群|号码?|群号|是|id|number)){0,2}(?: ?[:=>#] ?| ?)\d(?:[ -]?\d){4,10}"
            r"(?! ?\d)(?!\.\d)"
        ),
        r"(?<!\d)\d{5,11} ?[(（]?(?:qq|扣扣)(?:同号|号)?[)）]?$",
    ),
}
_QQ = Service(ContactKind.QQ, ())  # its accounts are numbers of few digits: no form of the others
_SERIAL = re.compile(
    r"(?<![a-z])(?:s/?n|p/?n|no[.:]|serial|sku|lot|model|型号|货号|编号)[^\w]{0,3}$", _I
)


def find_accounts(line: str) -> Iterator[Match]:
    """Kind and text of the accounts in a normalized line, at most one of a kind."""
    # Replacing look-alikes can corrupt an account's letters: the unchanged line comes first.
    spellings = list(dict.fromkeys((line, digits_for_letters(line))))
    for service in (*SERVICES, _QQ):
        text = _first_match(_patterns(service), spellings)
        if text:
            yield service.kind, text


def _first_match(patterns: Sequence[re.Pattern[str]], spellings: Sequence[str]) -> str | None:
    for line in spellings:
        for pattern in patterns:
            match = pattern.search(line)
            if match and not _SERIAL.search(line[: match.start()]):
                return match.group().strip()
    return None
