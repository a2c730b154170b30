"""`python -m benchmarks.text_order`: which texts a run reads, by the order in which it chooses.

The text gate scores real photos; the reading of a run is then simulated on these likelihoods, in
random orders, with the processor time that photos and reads usually take. Compared are the rule of
earlier versions (read a photo at once if the budget so far covers it and all likelier ones), the
batches that wait, of several lengths, and the likeliest photos of the whole run.
"""

import random
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.screens_photos import LabelledPhoto, limit_per_category, load_real_photos
from ml.core.budget import Budget
from ml.core.errors import ImageRejected
from ml.core.settings import load_settings
from ml.core.types import ImageContent, PendingImage, Scored, negative, not_run
from ml.moderation.pipeline.fetch import Fetched
from ml.moderation.pipeline.ocr_budget import OcrBudget, OcrCost
from ml.moderation.pipeline.preprocessing import ReadText, UnreadText
from ml.moderation.pipeline.screening import ProcessorTime, Screening
from ml.moderation.pipeline.text_reading import TextReading
from ml.policy.schema import load_policy
from ml.vision.images.open_photo import decode_limits
from ml.vision.images.preprocess import ARTICLE, DecodePlan
from ml.vision.screens.duplicate_index import DuplicateIndex
from ml.vision.screens.text.gate import text_likelihood

CATEGORIES = {"normal": 1200, "ad": 150, "text": 150}
WEIGHTS = {"normal": 0.96, "ad": 0.02, "text": 0.02}  # in a run: the model stops most violations
PHOTOS = 4000  # of a run, drawn with repetition
BATCH, PHOTO_SECONDS, READ_SECONDS = 32, 0.02, 0.15
WINDOWS = (32, 256, 512, 1024)
ORDERS = 10

console = Console(width=None if Console().is_terminal else 140)


@dataclass(frozen=True)
class ChosenTexts:
    """The places of the photos that were read, and the part of the budget that was used."""

    places: list[int]
    spent: float


Rule = Callable[[Sequence[float], float], ChosenTexts]


def main(
    data: Annotated[Path, typer.Option(help="Folder of real photos with manifest.csv.")],
    shares: Annotated[str, typer.Option(help="Shares of the processor time.")] = "0.02,0.05,0.15",
) -> None:
    """Score the photos, simulate each rule, and print what is read."""
    scored = _score_likelihoods(limit_per_category(load_real_photos(data), CATEGORIES))
    rules: dict[str, Rule] = {"as earlier versions": _read_at_once}
    rules |= {f"among the last {size}": _reads_of_last(size) for size in WINDOWS}
    rules["among the whole run"] = _reads_of_last(PHOTOS)
    table = Table("share", "order", "read", "used of the budget", "ad read", "text read")
    for share in map(float, shares.split(",")):
        for name, rule in rules.items():
            table.add_row(f"{share:g}", name, *_simulate(scored, rule, share))
    console.print(table)


def _score_likelihoods(photos: Sequence[LabelledPhoto]) -> list[tuple[str, float]]:
    """Category and likelihood of each photo that can be decoded."""
    settings = load_settings()
    side = load_policy(settings.policy_file).screens.picture_side
    plan, scored = DecodePlan(decode_limits(settings), side), []
    for photo in track(photos, "scoring"):
        if photo.category not in CATEGORIES:
            continue
        try:
            image = plan.decode(photo.read(), ARTICLE).image
        except ImageRejected:
            continue
        scored.append((photo.category, text_likelihood(image)))
    return scored


def _simulate(scored: Sequence[tuple[str, float]], rule: Rule, share: float) -> list[str]:
    min_likelihood = load_policy(load_settings().policy_file).screens.text.min_text_likelihood
    read, drawn = Counter[str](), Counter[str]()
    spent = 0.0
    for seed in range(ORDERS):
        run = _draw_run(scored, seed)
        drawn.update(category for category, _ in run)
        chosen = rule([x if x >= min_likelihood else -1.0 for _, x in run], share)
        spent += chosen.spent / ORDERS
        read.update(run[place][0] for place in chosen.places)
    shares = [read.total() / drawn.total(), spent, *(read[c] / drawn[c] for c in ("ad", "text"))]
    return [f"{100 * value:.1f} %" for value in shares]


def _draw_run(scored: Sequence[tuple[str, float]], seed: int) -> list[tuple[str, float]]:
    draw = random.Random(seed)
    counts = Counter(category for category, _ in scored)
    weights = [WEIGHTS[category] / counts[category] for category, _ in scored]
    return draw.choices(scored, weights, k=PHOTOS)


def _read_at_once(likelihoods: Sequence[float], share: float) -> ChosenTexts:
    """A photo is read before the next one is scored, or never."""
    seen: list[float] = []
    used, read = 0.0, list[int]()
    for place, likelihood in enumerate(likelihoods):
        used += PHOTO_SECONDS
        if likelihood < 0:
            continue
        insort(seen, likelihood)
        rank = len(seen) - bisect_right(seen, likelihood) + 1
        if rank <= share * used / READ_SECONDS and share * used > READ_SECONDS * len(read):
            read.append(place)
            used += READ_SECONDS
    return ChosenTexts(read, READ_SECONDS * len(read) / (share * used))


def _reads_of_last(window: int) -> Rule:
    def rule(likelihoods: Sequence[float], share: float) -> ChosenTexts:
        return _Run(likelihoods, share).run(window)

    return rule


class _Run:
    """The reading of a run, with a clock that counts the simulated work."""

    def __init__(self, likelihoods: Sequence[float], share: float) -> None:
        self._likelihoods, self._read = likelihoods, list[int]()
        self._now = 0.0
        budget = Budget(0.0, rate=share, clock=lambda: self._now)
        self._budget = OcrBudget(budget, share)

    def run(self, window: int) -> ChosenTexts:
        screening = Screening(
            load_policy(load_settings().policy_file).screens,
            DuplicateIndex([]),
            self._budget,
            lambda photos: [True] * len(photos),
            ProcessorTime(),
        )
        reading = TextReading(screening, self._begin, batch_size=BATCH, window_photos=window)
        for start in range(0, len(self._likelihoods), BATCH):
            places = range(start, min(start + BATCH, len(self._likelihoods)))
            self._now += PHOTO_SECONDS * len(places)
            unread = {n - start: self._unread(n) for n in places if self._likelihoods[n] >= 0}
            list(reading.add([_scored(n) for n in places], unread))
        list(reading.finish())
        spent = READ_SECONDS * len(self._read) / self._budget.budget.earned
        return ChosenTexts(self._read, spent)

    def _unread(self, place: int) -> UnreadText:
        found = not_run("text", "budget", {"likelihood": self._likelihoods[place]})
        fetched = Fetched(PendingImage(str(place), "", 0), b"")
        return UnreadText(fetched, str(place), (found.to_json(),))

    def _begin(self, unread: UnreadText) -> "Future[ReadText]":
        self._now += READ_SECONDS
        self._read.append(int(unread.sha256))
        cost = OcrCost(READ_SECONDS, READ_SECONDS, succeeded=True)
        done: Future[ReadText] = Future()
        done.set_result(ReadText(negative("text"), cost))
        return done


def _scored(place: int) -> Scored:
    content = ImageContent(str(place), "", 0, 1, 1)
    return Scored(PendingImage(str(place), "", 0), content, {}, None, {"text": not_run("text", "")})


if __name__ == "__main__":
    typer.run(main)
