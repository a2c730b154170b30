"""One workload under one disturbance: each step is retried until it ends, as by Airflow."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.child import Call
from tests.chaos.processes import NEVER, Attempt, Kill, run_process

KILLS_PER_STEP = 3
KILLED_SHARE = 0.7  # of the attempts at a step that may still be killed
# When to kill an attempt: by the number of the step in its workload, and of the attempt.
DrawKill = Callable[[int, int], Kill]


class GaveUp(Exception):
    """A step did not end within its attempts."""


def no_kill(_step: int, _attempt: int) -> Kill:
    """Kill nothing."""
    return NEVER


@dataclass
class Trial:
    """Runs steps and records every attempt."""

    environment: dict[str, str]
    log: Path
    draw_kill: DrawKill = no_kill
    max_attempts: int = 1
    before_attempt: Callable[[int], None] = lambda _: None
    attempts: list[Attempt] = field(default_factory=list)
    _steps: int = 0

    def run(self, function: Callable[..., Any], *args: Any, **named: Any) -> Any:  # noqa: ANN401 - any step
        """Run a step until an attempt succeeds; return its result."""
        call, step = Call(function, args, named), self._steps
        self._steps += 1
        for number in range(self.max_attempts):
            self.before_attempt(number)
            kill = self.draw_kill(step, number)
            attempt = run_process(call, self.environment, self.log, kill)
            self.attempts.append(attempt)
            if attempt.done and not attempt.failed:
                return attempt.done.result
        raise GaveUp(
            f"{call.name} did not end in {self.max_attempts} attempts: {self._last_error()}"
        )

    @property
    def kills(self) -> int:
        """How many attempts were killed."""
        return sum(attempt.done is None for attempt in self.attempts)

    @property
    def failures(self) -> list[Attempt]:
        """The attempts that raised an error."""
        return [attempt for attempt in self.attempts if attempt.failed]

    def _last_error(self) -> str:
        done = self.attempts[-1].done
        return f"{done.error}: {done.message}\n{done.trace}" if done else "killed"


def random_kills(rng: Random, profile: list[Attempt]) -> DrawKill:
    """Draw kills from the attempts of the unbroken run: at any of its points, or after a time."""

    def draw(step: int, attempt: int) -> Kill:
        if attempt >= KILLS_PER_STEP or rng.random() >= KILLED_SHARE:
            return NEVER
        unbroken = profile[step]
        if rng.random() < 1 / 2:
            return Kill(seconds=rng.uniform(0, 1.1 * unbroken.seconds))
        return Kill(point=rng.randint(1, max(1, unbroken.done.points if unbroken.done else 1)))

    return draw
