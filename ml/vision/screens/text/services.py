"""The services on which sellers offer an account: kinds of contact details, and their names."""

from dataclasses import dataclass
from enum import StrEnum


class ContactKind(StrEnum):
    """Kind of a contact detail."""

    PHONE = "phone"
    WECHAT = "wechat"
    QQ = "qq"
    WHATSAPP = "whatsapp"
    TELEGRAM = "telegram"
    LINE = "line"
    KAKAOTALK = "kakaotalk"
    ZALO = "zalo"
    VIBER = "viber"
    SIGNAL = "signal"
    SKYPE = "skype"
    DISCORD = "discord"
    INSTAGRAM = "instagram"
    FACEBOOK = "facebook"
    SNAPCHAT = "snapchat"
    TIKTOK = "tiktok"
    XIAOHONGSHU = "xiaohongshu"
    KUAISHOU = "kuaishou"
    WEIBO = "weibo"
    BILIBILI = "bilibili"
    SEARCH_CALL = "search_call"
    EMAIL = "email"
    URL = "url"
    HANDLE = "handle"


@dataclass(frozen=True)
class Service:
    """How a service is written.

    Attributes:
        names: stand for the service alone. Letters in brackets are alternatives; between two
            letters a sign or two may stand (微❤信, w-e-c-h-a-t).
        words: names that mean other things as well: only "ID", a colon or @ makes what follows an
            account.
        plain: whether any word after the name and a colon is an account; else one with a digit or
            an underscore.
        phones: whether a phone number after a word is an account.
        nicknames: whether accounts have Chinese names.
        links: beginnings of addresses of accounts.
    """

    kind: ContactKind
    names: tuple[str, ...]
    words: tuple[str, ...] = ()
    plain: bool = True
    phones: bool = False
    nicknames: bool = False
    links: tuple[str, ...] = ()


SERVICES = (
    Service(
        ContactKind.WECHAT,
        (
            *(
                "[微薇威嶶徽維维唯溦葳巍][信芯訊讯心伈]",
                "[微威薇]❤",
                "v[信芯心]",
                "we信",
                "wei信",
                "[微薇威]x",
                "卫星",
            ),
            *(
                "wechat",
                "vvechat",
                "weixin",
                "wxid",
                "wx",
                "vx",
                "vchat",
                "绿泡泡",
                "绿色软件",
                "위챗",
                "вичат",
                "ウィーチャット",
            ),
        ),
        ("v", "v我", "[微薇威围]", "wc"),
        links=("u.wechat.com/", "weixin.qq.com/", "work.weixin.qq.com/"),
    ),
    Service(
        ContactKind.WHATSAPP,
        (
            *("what[’'`]?s ?app?", "whatapp", "watsapp", "whatsup app", "wapp", "wpp", "whatsap"),
            *(
                "вотсап",
                "ватсап",
                "вацап",
                "왓츠앱",
                "ワッツアップ",
                "瓦次普",
                "zapzap",
                "واتساب",
                "واتس",
            ),
        ),
        ("wa", "zap", "wsp", "whats"),
        plain=False,
        phones=True,
        links=("wa.me/", "api.whatsapp.com/", "chat.whatsapp.com/"),
    ),
    Service(
        ContactKind.TELEGRAM,
        (
            *("telegram", "telegrm", "电报", "電報", "纸飞机", "телеграм", "телега", "텔레그램"),
            *("テレグラム", "เทเลแกรม", "تيليجرام", "تلغرام"),
        ),
        ("tg", "tele", "飞机", "飛機", "тг", "텔레"),
        phones=True,
        links=("t.me/", "telegram.me/", "telegram.dog/"),
    ),
    Service(
        ContactKind.LINE,
        ("賴id", "赖id", "加賴", "加赖", "ไลน์", "라인", "ライン"),
        ("line", "賴", "赖"),
        links=("line.me/", "lin.ee/"),
    ),
    Service(
        ContactKind.KAKAOTALK,
        ("kakaotalk", "kakao", "카카오톡", "카톡", "까톡", "카카오", "カカオトーク", "ㅋㅌ"),
        ("katalk", "カカオ", "kkt"),
        links=("open.kakao.com/", "pf.kakao.com/"),
    ),
    Service(ContactKind.ZALO, ("zalo",), plain=False, phones=True, links=("zalo.me/",)),
    Service(
        ContactKind.VIBER,
        ("viber", "вайбер", "바이버"),
        plain=False,
        phones=True,
        links=("vb.me/", "viber:"),
    ),
    Service(
        ContactKind.SIGNAL,
        ("signal app",),
        ("signal", "сигнал", "シグナル"),
        plain=False,
        phones=True,
        links=("signal.me/", "signal.group/"),
    ),
    Service(
        ContactKind.SKYPE,
        ("skype", "скайп", "スカイプ", "스카이프"),
        links=("join.skype.com/", "skype:"),
    ),
    Service(
        ContactKind.DISCORD,
        ("discord", "디스코드", "дискорд"),
        ("dc",),
        plain=False,
        links=("discord.gg/", "discord.com/", "discord.me/"),
    ),
    Service(
        ContactKind.INSTAGRAM,
        ("instagram", "instgram", "инстаграм", "인스타그램", "インスタグラム", "ไอจี"),
        ("ig", "ins", "insta", "инста", "인스타", "インスタ"),
        links=("instagram.com/", "instagr.am/", "ig.me/"),
    ),
    Service(
        ContactKind.FACEBOOK,
        (
            *("facebook", "facebook messenger", "fb messenger", "脸书", "臉書", "페이스북", "페북"),
            *("фейсбук", "フェイスブック", "เฟสบุ๊ค", "เฟส"),
        ),
        ("fb", "messenger", "msgr"),
        links=("facebook.com/", "fb.com/", "fb.me/", "m.me/", "messenger.com/"),
    ),
    Service(
        ContactKind.SNAPCHAT,
        ("snapchat", "👻", "снэпчат", "스냅챗", "سناب"),
        ("snap", "sc"),
        links=("snapchat.com/",),
    ),
    Service(
        ContactKind.TIKTOK,
        ("[抖斗豆逗][音窨]", "抖yin", "douyin", "tiktok", "틱톡", "тикток", "ติ๊กต็อก"),
        ("dy", "d音", "tt"),
        nicknames=True,
        links=("tiktok.com/", "douyin.com/", "v.douyin.com/", "vm.tiktok.com/"),
    ),
    Service(
        ContactKind.XIAOHONGSHU,
        ("[小某][红紅❤][书書薯]", "小🍠书?", "xiaohongshu", "rednote", "红书(?=号)"),
        ("xhs", "红薯"),
        nicknames=True,
        links=("xhslink.com/", "xiaohongshu.com/"),
    ),
    Service(
        ContactKind.KUAISHOU,
        ("[快筷某]手", "快[🖐✋]", "快shou", "kuaishou", "kwai"),
        ("ks",),
        nicknames=True,
        links=("kuaishou.com/", "v.kuaishou.com/"),
    ),
    Service(
        ContactKind.WEIBO,
        ("[微薇围]博", "weibo", "围脖"),
        ("wb",),
        nicknames=True,
        links=("weibo.com/", "weibo.cn/"),
    ),
    Service(
        ContactKind.BILIBILI,
        ("bilibili", "哔哩哔哩", "[b哔逼]站", "小破站", "阿b"),
        ("bili",),
        nicknames=True,
        links=("b23.tv/", "bilibili.com/", "space.bilibili.com/"),
    ),
)
