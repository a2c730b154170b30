"""The signals of a policy: models of others, run on each photo after the forward pass.

As every screen, they can only send a photo to review. No error of theirs stops the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np
import structlog

from ml.core.concurrency import StageTimer
from ml.core.errors import ModelError, PolicyError
from ml.core.settings import Settings
from ml.core.types import ScreenResult, screen_failed
from ml.models.predictor import resolve_device
from ml.models.signals.predictor import SignalPredictor
from ml.models.signals.registry import load_signal
from ml.policy.screens import Screens, Signal
from ml.storage.connections import Connections
from ml.vision.screens.signals import Pixels, SignalInput, screen_signal

log = structlog.get_logger()


@dataclass(frozen=True)
class Signals:
    """The enabled signals of a policy and their models, by the name of their screen. Thread-safe.

    `len` is their number.
    """

    rules: Mapping[str, Signal]
    predictors: Mapping[str, SignalPredictor]
    clock: StageTimer

    def __len__(self) -> int:
        return len(self.rules)

    @property
    def inputs(self) -> tuple[SignalInput, ...]:
        """What each of them sees, in their order."""
        return tuple(self.predictors[name].card.input for name in self.rules)

    def screen(self, photos: Sequence[Sequence[Pixels]]) -> list[dict[str, ScreenResult]]:
        """The results of photos by name; of each photo, the pixels for every signal, in order.

        Pixels are uint8 (views, 3, size, size).
        """
        columns = zip(self.rules, zip(*photos, strict=True), strict=True) if photos else ()
        of_signals = {name: self._screen(name, pixels) for name, pixels in columns}
        return [{n: found[i] for n, found in of_signals.items()} for i in range(len(photos))]

    def _screen(self, name: str, photos: Sequence[Pixels]) -> list[ScreenResult]:
        try:
            with self.clock.time("screen_signals"):
                return self._screen_batch(name, photos)
        except Exception as error:  # noqa: BLE001 - no error of a signal may stop the run
            if len(photos) > 1:  # a photo must not fail the others
                return list(chain.from_iterable(self._screen(name, [photo]) for photo in photos))
            log.warning("a signal failed", signal=name, error=f"{type(error).__name__}: {error}")
            return [screen_failed(name, error)]

    def _screen_batch(self, name: str, photos: Sequence[Pixels]) -> list[ScreenResult]:
        predictor, rules = self.predictors[name], self.rules[name]
        scores = predictor.scores(list(chain.from_iterable(photos)))
        ends = np.cumsum([0, *map(len, photos)]).tolist()
        classes = predictor.card.output.classes
        return [screen_signal(name, rules, classes, scores[a:b]) for a, b in pairwise(ends)]


NO_SIGNALS = Signals({}, {}, StageTimer())


def load_signals(
    screens: Screens, settings: Settings, connections: Connections, clock: StageTimer | None = None
) -> Signals:
    """Load the enabled signals of a policy, and check them.

    Raises:
        PolicyError: one is not installed, cannot be used here, or has no such output; names the
            fix.
        StorageError: the bucket failed.
    """
    predictors = {
        name: _load(name, rules, settings, connections)
        for name, rules in screens.enabled_signals.items()
    }
    return Signals(screens.enabled_signals, predictors, clock or StageTimer())


def _load(
    name: str, rules: Signal, settings: Settings, connections: Connections
) -> SignalPredictor:
    place = f"screens.signals.{name.partition(':')[2]}"
    try:
        predictor = load_signal(
            rules.model,
            store=connections.models,
            cache=connections.model_cache,
            device=resolve_device(settings.device),
        )
    except ModelError as error:
        raise PolicyError(f"{place}: {error}") from error
    classes = predictor.card.output.classes
    if unknown := sorted(rules.raises.keys() - set(classes)):
        raise PolicyError(
            f"{place}.raises: {predictor.card.name} has no output {', '.join(unknown)}; it has "
            f"{', '.join(classes)}"
        )
    return predictor
