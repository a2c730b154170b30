"""Find calls to search for a seller in another shop: "search for LUCKY on ..."."""

import re

from ml.vision.screens.text.spelling import any_name, one_of

_LATIN_SHOPS = (
    *("amazon", "ebay", "etsy", "taobao", "shopee", "lazada", "temu", "aliexpress", "vinted"),
    *("avito", "авито", "mercari", "tokopedia", "depop"),
)
_SHOPS = (
    *("[淘桃涛陶掏某x][宝淘]", "某淘", "淘寶", "tao宝", "[闲咸][鱼渔🐟]", "某鱼", "小黄鱼"),
    *("海鲜市场", "🐟", "xianyu"),
    *("拼多多", "[拼并]夕夕", "[p某]多多", "多多", "pdd", "tb", "jd", "[京狗某]东"),
    *("天猫", "阿里巴巴", "1688", "转转", "得物", "微店", "唯品会", "抖音", "小红书", "快手"),
    *("虾皮", "蝦皮", "露天", "亚马逊", "メルカリ", "ヤフオク", "楽天", "쿠팡"),
    *("당근마켓", "번개장터"),
)
_LATIN_SHOP = any_name(_LATIN_SHOPS)
_SHOP = any_name((*_SHOPS, *_LATIN_SHOPS))
_WANTED = r"[^\w]{0,3}[\w\"']{2,}"
_SEARCH = one_of("搜索?|查找|找|搜尋|検索|검색|search") + (
    r"(?!索?(?:引擎|框|栏|热|排行|指数|页|结果)|热|榜|不到|寻)"  # 淘宝搜索框, 淘宝热搜 are no calls
)
_CLIPBOARD = r"[₤¥$¢€£(][a-z0-9]{8,14}"  # which the app of a shop opens from the clipboard
_CALL = re.compile(
    one_of(
        rf"{_SHOP} ?(?:app|网|商城)?[里上内中]? ?(?:直接|可)?{_SEARCH}"
        rf"(?:店铺?|1下|同款)?名?{_WANTED}",
        rf"{_SHOP} ?(?:店铺?名?|店[名号]|同号|[号號]|[賣卖]場|shop|store)[:\"“「【『 ]+{_WANTED}",
        rf"[上去来到]{_SHOP}(?:搜|找)|{_SHOP}で検索",
        r"搜索?店(?:铺|名|铺名)?[:“\"「【『 ]+\w",
        rf"{_LATIN_SHOP} ?: ?[\w.]{{3,}}",
        rf"{_SHOP} ?: ?(?!官方|自营|旗舰|热)[^\W\d][\w.]{{2,}}$",
        rf"\b(?:search|find|look)\b[\w\"' -]{{0,40}}? ?\bon ?{_LATIN_SHOP}",
        rf"\bmy ?{_LATIN_SHOP} ?(?:shop|store)\b|ha {_LATIN_SHOP} ?:",
        rf"{_CLIPBOARD}[₤¥$¢€£)].{{0,6}}(?:复制|打开|淘)|(?:复制|打开).{{0,8}}{_CLIPBOARD}",
    ),
    re.IGNORECASE,
)


def find_search_call(line: str) -> str | None:
    """The call in a normalized line; None if there is none."""
    match = _CALL.search(line)
    return match.group().strip() if match else None
