"""A contact sheet of the night: each photo framed in the colour of what became of it."""

from PIL import Image

from stack.catalogue.contact_sheet import contact_sheet
from stack.demo_photos import Upload
from stack.demo_result import Night

COLOURS = {"pass": "#2e9e5b", "review": "#e08a1e", "block": "#c7352e"}
PHOTOS, COLUMNS, TILE = 40, 8, 150


def verdict_sheet(night: Night, tonight: list[Upload]) -> Image.Image:
    """As many judged photos as fit, violating and normal ones mixed as they came."""
    shown = [u for u in tonight if night.state[u.name].decision is not None][:PHOTOS]
    cards = []
    for upload in shown:
        photo = night.state[upload.name]
        decision = photo.decision or ""
        caption = f"{decision} {photo.violation_score:.2f}"
        cards.append((upload.path.read_bytes(), caption, COLOURS[decision]))
    return contact_sheet(cards, COLUMNS, TILE)
