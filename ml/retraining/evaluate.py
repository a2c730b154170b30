"""Fifth step of the month: candidate and champion, side by side, on the golden set.

Both are measured at their own cut-offs, in one process, on the same decoded photos. Once the run
has ended, its report stands: a later call returns it as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import structlog
from sqlalchemy import Connection, select, update

from ml.connections import Connections
from ml.errors import ModelError, RunNotBegun, TrainingError
from ml.evaluation.report_plots import draw
from ml.evaluation.slices import brightness_name, size_name
from ml.evaluation.versus import Photos, Side, compare
from ml.inference.device import describe, resolve
from ml.inference.predictor import Predictor
from ml.model.checkpoint import WEIGHTS
from ml.policy.policy import Policy
from ml.policy.verdict import Decision
from ml.retraining import report_facts
from ml.retraining.differences import MOST, Difference, find_differences, thumbnails
from ml.retraining.judged import Judged, judge_photos, load_predictor
from ml.retraining.latency import milliseconds_a_photo
from ml.retraining.manifest import GoldenPhoto, GoldenSet, Manifest, get_golden, get_manifest
from ml.retraining.report_files import Pictures, ReportFiles
from ml.retraining.report_page import render
from ml.retraining.servable import servable
from ml.settings import Settings
from ml.storage import labelled_photos, retrain_runs
from ml.storage.database import in_transaction
from ml.storage.retrain_runs import RetrainRun
from ml.storage.schema import model_version

log = structlog.get_logger()

T = TypeVar("T")
Rows = npt.NDArray[np.int64]


def evaluate_candidate(
    run_id: str, *, settings: Settings, connections: Connections
) -> dict[str, Any]:
    """Measure the run's candidate against its champion; store and return the report.

    Writes report.json, report.html, plots and thumbnails under `evaluations/` of the model bucket,
    then `model_version.evaluation` and `compared_with`. Gates that judged an earlier report of the
    candidate are cleared.

    Raises:
        RunNotBegun: the run has no candidate or no snapshot yet.
        TrainingError: no photo of the golden set can be judged.
        ModelError: the candidate does not know the policy's classes.
    """
    run = in_transaction(connections.engine, lambda c: retrain_runs.load(c, run_id))
    if run.candidate_hash is None or run.snapshot_hash is None:
        raise RunNotBegun(f"run {run_id} has no candidate yet: its `calibrate` did not finish")
    if run.state != "running":
        return _stored(run, connections)
    step = _Evaluation(run, run.candidate_hash, run.snapshot_hash, settings, connections)
    report, pictures = step.run()
    files = ReportFiles(connections.models, report["candidate"], report["golden"]["hash"])
    files.put_pictures(pictures)
    files.put_page(render(report, pictures, gated=None))
    files.put_report(report)
    in_transaction(connections.engine, lambda c: _write(c, run, report))
    log.info("candidate evaluated", run_id=run_id, report=files.key("report.html"))
    return report


def _stored(run: RetrainRun, connections: Connections) -> dict[str, Any]:
    query = select(model_version.c.evaluation).where(
        model_version.c.model_hash == run.candidate_hash
    )
    report: dict[str, Any] | None = in_transaction(
        connections.engine, lambda c: c.execute(query).scalar()
    )
    if report is None:
        raise RunNotBegun(f"run {run.run_id} ended ({run.state}) without an evaluation")
    return report


def _write(connection: Connection, run: RetrainRun, report: dict[str, Any]) -> None:
    connection.execute(
        update(model_version)
        .where(model_version.c.model_hash == run.candidate_hash)
        .values(evaluation=report, compared_with=run.champion_hash, gates=None, gate_decision=None)
    )


@dataclass(frozen=True)
class _Golden:
    """The golden photos that could be judged; `newest` marks those of its latest version."""

    hashes: list[str]
    photos: Photos
    newest: Rows
    candidate: Side
    champion: Side | None


class _Evaluation:
    def __init__(
        self,
        run: RetrainRun,
        candidate_hash: str,
        snapshot_hash: str,
        settings: Settings,
        connections: Connections,
    ) -> None:
        self._run = run
        self._policy: Policy = run.policy
        self._classes = list(run.policy.classes)
        self._candidate_hash, self._snapshot_hash = candidate_hash, snapshot_hash
        self._settings, self._connections = settings, connections
        self._manifest: Manifest = get_manifest(connections.models, snapshot_hash)
        self._golden_set: GoldenSet = get_golden(connections.models, self._manifest.golden_hash)
        self._predictors = self._load()

    def _load(self) -> list[Predictor]:
        """The candidate and, where there is one, the champion."""
        predictors = [
            load_predictor(model_hash, settings=self._settings, connections=self._connections)
            for model_hash in (self._candidate_hash, self._run.champion_hash)
            if model_hash is not None
        ]
        if set(predictors[0].card.classes) != set(self._classes):
            raise ModelError(
                f"the candidate knows {sorted(predictors[0].card.classes)}, the run's policy "
                f"{sorted(self._classes)}: train it for this policy"
            )
        return predictors

    def run(self) -> tuple[dict[str, Any], Pictures]:
        """The report and its pictures."""
        bad = self._read(report_facts.known_bad_photos)
        known, unknown_class = self._golden_photos()
        hashes = list(dict.fromkeys([p.content_sha256 for p in known] + bad))
        judged = judge_photos(
            hashes, self._predictors, classes=self._classes,
            settings=self._settings, connections=self._connections,
        )  # fmt: skip
        golden = self._assemble(known, judged)
        differences = self._differences(golden)
        shown = differences[:MOST]
        pictures = self._pictures(golden, shown)
        report = {
            **self._names(judged.rejected | unknown_class, len(differences)),
            "sets": self._sets(golden),
            "servable": asdict(servable(self._candidate_hash, store=self._connections.models)),
            "known_bad": self._known_bad(bad, judged),
            "latency": self._latency(judged),
            "cut_offs": self._cut_offs(),
            "sample_differences": self._with_keys(shown),
            "plots": list(pictures.plots),
            "data": self._data(),
            "training": report_facts.training(self._predictors[0].card),
        }
        return report, pictures

    # The golden set.

    def _golden_photos(self) -> tuple[list[GoldenPhoto], dict[str, str]]:
        """Photos whose class the policy knows, and why the others are left out."""
        photos = self._golden_set.photos
        known = [p for p in photos if p.label in self._classes]
        others = {
            p.content_sha256: f"unknown_class:{p.label}"
            for p in photos
            if p.label not in self._classes
        }
        return known, others

    def _assemble(self, known: list[GoldenPhoto], judged: Judged) -> _Golden:
        photos = [p for p in known if p.content_sha256 not in judged.rejected]
        if not photos:
            raise TrainingError(
                f"no photo of golden set {self._golden_set.name} can be judged: label more photos, "
                "or see why they are rejected"
            )
        hashes = [p.content_sha256 for p in photos]
        rows = judged.rows(hashes)
        sides = [self._side(v, judged).take(rows) for v in range(len(self._predictors))]
        newest = [i for i, p in enumerate(photos) if p.added_in == self._golden_set.name]
        return _Golden(
            hashes=hashes,
            photos=self._photos(photos, judged, rows),
            newest=np.array(newest, dtype=np.int64),
            candidate=sides[0],
            champion=sides[1] if len(sides) > 1 else None,
        )

    def _side(self, version: int, judged: Judged) -> Side:
        cut_offs = self._predictors[version].card.cut_offs
        return Side(judged.probabilities[version], cut_offs.pass_confidence)

    def _photos(self, photos: list[GoldenPhoto], judged: Judged, rows: Rows) -> Photos:
        categories = [p.category or p.label for p in photos]
        labels = np.array([self._classes.index(p.label) for p in photos], dtype=np.int64)
        known = self._predictors[-1].card.classes  # the champion's; without one, nothing is new
        groups: dict[str, list[str | None]] = {
            "category": [*categories],
            "route": [p.route for p in photos],
            "size": [size_name(*judged.sizes[i]) for i in rows],
            "brightness": [brightness_name(judged.brightness[i]) for i in rows],
            "new_class": [None if p.label in known else p.label for p in photos],
        }
        return Photos(labels, categories, groups)

    def _sets(self, golden: _Golden) -> dict[str, Any]:
        sets = {"golden": self._compare(golden.photos, golden.candidate, golden.champion)}
        rows = golden.newest
        if len(rows):
            champion = golden.champion.take(rows) if golden.champion else None
            sets["newest"] = self._compare(
                golden.photos.take(rows), golden.candidate.take(rows), champion
            )
        return sets

    def _compare(self, photos: Photos, candidate: Side, champion: Side | None) -> dict[str, Any]:
        return compare(photos, candidate=candidate, champion=champion, policy=self._policy)

    def _differences(self, golden: _Golden) -> list[Difference]:
        if golden.champion is None:
            return []
        return find_differences(
            golden.hashes, golden.photos,
            candidate=golden.candidate, champion=golden.champion, policy=self._policy,
        )  # fmt: skip

    # The rest.

    def _names(self, rejected: dict[str, str], differing: int) -> dict[str, Any]:
        golden = self._golden_set
        return {
            "run_id": self._run.run_id,
            "candidate": self._candidate_hash,
            "champion": self._run.champion_hash,
            "golden": {
                "hash": golden.golden_hash,
                "name": golden.name,
                "photos": len(golden.photos),
                "rejected": rejected,
                "judged_differently": differing,
            },
        }

    def _known_bad(self, bad: Sequence[str], judged: Judged) -> dict[str, Any]:
        """A photo that cannot be judged is not passed either: it goes to quarantine."""
        rows = judged.rows(bad)
        side = self._side(0, judged).take(rows)
        passed = [
            judged.hashes[i]
            for i, decision in zip(rows, side.decisions(self._policy), strict=True)
            if decision is Decision.PASS
        ]
        return {"photos": len(bad), "passed": passed}

    def _latency(self, judged: Judged) -> dict[str, Any]:
        batch = self._settings.batch_images
        taken = milliseconds_a_photo(self._predictors, judged.first_batch, batch=batch)
        weights = self._connections.model_cache / self._candidate_hash / WEIGHTS
        return {
            "candidate_ms": taken[0],
            "champion_ms": taken[1] if len(taken) > 1 else None,
            "batch": batch,
            "device": describe(resolve(self._settings.device)),
            "weights_bytes": weights.stat().st_size,
        }

    def _cut_offs(self) -> dict[str, Any]:
        dumps = [p.card.cut_offs.model_dump(mode="json") for p in self._predictors]
        return {"candidate": dumps[0], "champion": dumps[1] if len(dumps) > 1 else None}

    def _pictures(self, golden: _Golden, shown: Sequence[Difference]) -> Pictures:
        curves = self._read(lambda c: report_facts.curves(c, self._run.run_id))
        plots = draw(
            golden.photos, candidate=golden.candidate, champion=golden.champion,
            policy=self._policy, curves=curves,
        )  # fmt: skip
        hashes = [difference.content_sha256 for difference in shown]
        small = thumbnails(hashes, settings=self._settings, connections=self._connections)
        return Pictures(plots, small)

    def _with_keys(self, shown: Sequence[Difference]) -> list[dict[str, Any]]:
        hashes = [difference.content_sha256 for difference in shown]
        kept = self._read(lambda c: labelled_photos.load(c, hashes))
        return [
            {
                **asdict(difference),
                "object_key": kept[difference.content_sha256].object_key
                if difference.content_sha256 in kept
                else None,
            }
            for difference in shown
        ]

    def _data(self) -> dict[str, Any]:
        doubts = self._read(lambda c: report_facts.doubts(c, self._snapshot_hash))
        return report_facts.data(self._manifest, self._snapshot_hash, doubts)

    def _read(self, work: Callable[[Connection], T]) -> T:
        return in_transaction(self._connections.engine, work)
