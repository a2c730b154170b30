"""A budget of seconds, requests or other units that refills at a constant rate (token bucket)."""

import math
import threading
import time
from collections.abc import Callable

Clock = Callable[[], float]  # seconds, increasing


class Budget:
    """An amount that may be spent and refills up to a capacity. Thread-safe.

    It starts with `initial` and refills by `rate` per second, up to `capacity`. Work that has
    started is finished, so the level can become negative.
    """

    def __init__(
        self,
        initial: float,
        *,
        rate: float = 0.0,
        capacity: float = math.inf,
        clock: Clock = time.monotonic,
    ) -> None:
        self._rate, self._capacity, self._clock = rate, capacity, clock
        self._earned, self._spent = initial, 0.0
        self._refilled_at = clock()
        self._lock = threading.Lock()

    @property
    def earned(self) -> float:
        """Total amount that could have been spent until now."""
        with self._lock:
            self._refill()
            return self._earned

    @property
    def level(self) -> float:
        """Amount left; negative if more was spent than earned."""
        with self._lock:
            return self._refill()

    @property
    def exhausted(self) -> bool:
        """Whether nothing is left."""
        return self.level <= 0

    def spend(self, amount: float) -> None:
        """Subtract an amount, even if less is left."""
        with self._lock:
            self._refill()
            self._spent += amount

    def take_one(self) -> float:
        """Spend one unit and return 0; if none is left, return the seconds until there is one."""
        with self._lock:
            missing = 1.0 - self._refill()
            if missing > 0:
                return missing / self._rate if self._rate else math.inf
            self._spent += 1.0
            return 0.0

    def _refill(self) -> float:
        now = self._clock()
        refilled = self._earned + self._rate * (now - self._refilled_at)
        self._earned = min(refilled, self._spent + self._capacity)
        self._refilled_at = now
        return self._earned - self._spent
