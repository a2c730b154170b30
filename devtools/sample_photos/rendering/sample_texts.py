"""Texts on the products, banners, chats and receipts of the sample catalogue.

All names are fictitious; phone numbers use the ranges reserved for fiction
(US 555-01xx) or an area code that does not exist.
"""

from devtools.sample_photos.rendering.random_choice import Rng, choice, integer

BRANDS = (
    "NORDFELD", "Kumo", "LUNA & CO", "Aldertree", "MIRO", "Sunday Club", "OAKHAVEN", "Pebble",
    "VIVA", "Hoshi", "TERRA", "Bluebird", "MONO", "Fjord", "Amélie", "Citrine", "ZEST", "Harbor 9",
)  # fmt: skip
PRINTS = (
    "SUNDAY CLUB", "STAY WILD", "1987", "GOOD VIBES", "NEW YORK", "HELLO", "OCEAN", "CALIFORNIA",
    "NORTH", "COFFEE FIRST", "RUN", "TOKYO", "SMILE", "KEEP COOL", "BERLIN", "LOVE",
)  # fmt: skip
GOODS = (
    "Cotton T-shirt", "Ceramic mug 350ml", "Running shoes", "Hand cream", "Green tea 100g",
    "Phone case", "Canvas tote", "Desk lamp", "Wool scarf", "Sea salt crackers", "Water bottle",
    "Yoga mat", "LED strip 5m", "Garden gloves",
)  # fmt: skip
SMALL_PRINT = (
    "Made with care", "Ingredients: water, glycerin", "Net weight 250 g", "Keep in a cool place",
    "100% organic cotton", "Best before: see base", "Recycle this box", "Wash at 30 degrees",
    "Lot 4471-B", "Do not tumble dry", "Dermatologically tested",
)  # fmt: skip
OFFERS = (
    "CASH BACK", "ADD ME FOR DISCOUNT", "WHOLESALE PRICE", "FACTORY DIRECT", "50% OFF - CONTACT ME",
    "FREE GIFT", "SCAN FOR COUPON", "CHEAPER HERE", "BUY DIRECT & SAVE", "REPLICA 1:1 - ASK ME",
)  # fmt: skip
_CHAT = (
    "Hi, is this still available?", "Yes it is! Which size do you need?", "M please, in blue",
    "When will you ship my order?", "It was sent yesterday evening", "The parcel never arrived",
    "Please wait 2-3 more days", "I want my money back", "Give us 5 stars and we refund $5",
    "Just send a screenshot of the review", "ok thank you", "Sure, one moment", "See you then!",
    "Can you pay outside the shop?", "Send it to my account directly", "No problem at all",
)  # fmt: skip
_HANDLES = ("lucky", "shop", "best", "deal", "vip", "kiki", "mei", "sale", "star", "outlet")


def chat_line(rng: Rng) -> str:
    """Return one chat message."""
    return choice(rng, _CHAT)


def price(rng: Rng) -> str:
    """Return a price in dollars."""
    return f"${integer(rng, 2, 89)}.{choice(rng, ('00', '50', '90', '95', '99'))}"


def handle(rng: Rng) -> str:
    """Return a fictitious account name."""
    first, separator, second = (choice(rng, words) for words in (_HANDLES, ("", "_"), _HANDLES))
    return f"{first}{separator}{second}{integer(rng, 10, 999)}"


def phone(rng: Rng) -> str:
    """Return a phone number that does not exist."""
    if integer(rng, 0, 1):
        return f"+1 {integer(rng, 201, 989)} 555 01{integer(rng, 10, 99)}"
    return f"100 {integer(rng, 1000, 9999)} {integer(rng, 1000, 9999)}"


def contact(rng: Rng) -> str:
    """Return one line of contact details, as on banners over product photos."""
    name = handle(rng)
    return choice(
        rng,
        (
            f"VX: {name}",
            f"WeChat {name}",
            f"WhatsApp {phone(rng)}",
            f"TEL {phone(rng)}",
            f"www.{name.replace('_', '-')}.example",
            f"Telegram @{name}",
            f"QQ 0{integer(rng, 1_000_000, 9_999_999)}",
        ),
    )


def link(rng: Rng) -> str:
    """Return the URL of a QR code; the domain `.example` is reserved (RFC 2606)."""
    return f"https://{handle(rng).replace('_', '-')}.example/{integer(rng, 1000, 99999)}"
