"""A nightly run behind a faulty bucket: which requests a fault hits, and what it must lead to."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from threading import Lock

from tests.chaos.end_state import State, differences, load_state
from tests.chaos.faults import Fault, Scope
from tests.chaos.faulty_bucket import Answer, Forward, Request
from tests.chaos.processes import Attempt
from tests.support.servers import Shop

MAX_HITS = 8  # of a photo: more than the store's attempts, so that some steps fail
MAX_LISTING_HITS = 3  # of a listing, which the first step does not retry itself
MAX_PHOTOS = 6
PHOTOS_IN_A_ROW = 30  # more failures in a row than stop a shard
STEP_ATTEMPTS = 12  # more than in Airflow: each path of a step has hits of its own


@dataclass
class Hits:
    """Decides which requests a fault hits, and changes their answers."""

    fault: Fault
    seed: int
    keys: frozenset[str]
    active: bool = True
    hit: Counter[str] = field(default_factory=Counter)
    _planned: dict[str, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def answer(self, request: Request, forward: Forward) -> Answer:
        """Return the real answer, or the one of the fault."""
        if self.fault.hits(request) and self._is_hit(request):
            return self.fault.change(request, forward)
        return forward()

    def before_attempt(self, number: int) -> None:
        """End a fault of the whole bucket after the first attempt at a step."""
        self.active = self.fault.scope is not Scope.BUCKET or number == 0

    def _is_hit(self, request: Request) -> bool:
        with self._lock:
            hit = self.active and self._draw(request)
            self.hit[request.path] += hit
            return hit

    def _draw(self, request: Request) -> bool:
        if self.fault.scope is Scope.PHOTOS:
            return request.key in self.keys
        if self.fault.scope is not Scope.PASSING:
            return True
        if request.path not in self._planned:
            # By the path, so that threads in another order get the same faults.
            rng = Random(f"{self.seed} {request.path}")
            is_hit = request.is_listing or rng.random() < self.fault.share
            most = MAX_LISTING_HITS if request.is_listing else MAX_HITS
            self._planned[request.path] = rng.randint(1, most) if is_hit else 0
        return self.hit[request.path] < self._planned[request.path]


def draw_keys(fault: Fault, rng: Random, reference: State) -> frozenset[str]:
    """Return the keys of the photos that a fault hits, of those that the unbroken run judged."""
    if fault.scope is not Scope.PHOTOS:
        return frozenset()
    rows = map(json.loads, reference["audit_image"])
    judged = sorted(
        row["object_key"] for row in rows if (row["run_id"], row["outcome"]) == ("second", "judged")
    )
    if fault.in_a_row:
        first = rng.randrange(len(judged) - PHOTOS_IN_A_ROW)
        return frozenset(judged[first : first + PHOTOS_IN_A_ROW])
    return frozenset(rng.sample(judged, rng.randint(1, MAX_PHOTOS)))


def find_problems(
    hits: Hits, failures: Iterable[Attempt], reference: State, shop: Shop
) -> list[str]:
    """Return what is not right after a run that ended."""
    found = load_state(shop)
    problems = [*_wrong_reports(hits.fault, list(failures)), *_wrongly_passed(reference, found)]
    if not hits.hit.total():
        problems.append("the fault hit no request")
    if hits.fault.scope is Scope.PHOTOS:
        problems += _wrong_quarantine(hits, shop)
        problems += _wrong_others(hits.keys, reference, found)
    else:
        problems += map(str, differences(reference, found))
    return problems


def _wrong_reports(fault: Fault, failures: list[Attempt]) -> Iterator[str]:
    if fault.scope is Scope.HARMLESS and failures:
        yield "a step failed, although nothing was wrong"
    if fault.scope is Scope.BUCKET and not failures:
        yield "no step failed, although the whole bucket did"
    for attempt in failures:
        message = attempt.done.message if attempt.done else ""
        if not attempt.raised(fault.errors):
            yield f"{attempt.step} raised {attempt.failed}, not {sorted(fault.errors)}: {message}"
        elif not fault.reports(message):
            yield f"{attempt.step} does not say `{fault.says}`: {message}"


def _wrongly_passed(reference: State, found: State) -> Iterator[str]:
    right, shown = _statuses(reference), _statuses(found)
    for key in sorted(shown):
        if shown[key] == "pass" != right.get(key):
            yield f"{key} passed, which must not: it is {right.get(key)}"


def _wrong_quarantine(hits: Hits, shop: Shop) -> Iterator[str]:
    rows = shop.rows(
        "select object_key, reason, detail from moderation.quarantine "
        "where object_key = any(:keys) and released_by is null",
        keys=sorted(hits.keys),
    )
    reasons = {str(key): (str(reason), str(detail)) for key, reason, detail in rows}
    for key in sorted(hits.keys):
        reason, detail = reasons.get(key, ("none", ""))
        if reason not in hits.fault.reasons:
            yield f"{key} is in quarantine for {reason}, not {sorted(hits.fault.reasons)}"
        elif not re.search(hits.fault.detail, detail, re.IGNORECASE):
            yield f"the quarantine of {key} does not say `{hits.fault.detail}`: {detail}"


def _wrong_others(keys: frozenset[str], reference: State, found: State) -> Iterator[str]:
    right, shown = _statuses(reference), _statuses(found)
    for key in sorted(right.keys() - keys):
        if shown.get(key) != right[key]:
            yield f"{key} is {shown.get(key)}, not {right[key]}, although the fault did not hit it"
    for table in differences({"verdict": reference["verdict"]}, {"verdict": found["verdict"]}):
        for verdict in table.unexpected:
            yield f"a verdict that is not of the unbroken run: {verdict}"


def _statuses(state: State) -> dict[str, str | None]:
    """Return the status of each key in the commerce table."""
    rows = map(json.loads, state["commerce"])
    return {row["object_key"]: row["moderation_status"] for row in rows}
