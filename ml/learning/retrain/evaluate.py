"""Fifth step of a retraining run: compare candidate and champion on photos that neither has seen.

These are the golden set without disputed labels; and until it is complete, the labels since the
champion, one of each group, by the candidate's out-of-fold predictions. Both are evaluated at their
own thresholds, in one process, on the same decoded photos. The report of a finished run is final: a
later call returns it unchanged.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import structlog

from ml.core.errors import ModelError, RunNotStarted
from ml.core.manifest import GoldenSet, LabelledPhoto, Manifest, Split
from ml.core.settings import Settings
from ml.learning.report.page import Pictures, ReportFiles, thumbnail
from ml.learning.report.tables import count_confirmations, snapshot_section
from ml.learning.retrain.compared_scores import ComparedScores, model_scores
from ml.learning.retrain.comparison import choose_of_groups, compare_versions
from ml.learning.retrain.scoring import ScoredPhotos, load_predictor, ms_per_photo
from ml.models.card import ModelCard
from ml.models.checkpoint import WEIGHTS
from ml.models.evaluation.plots import draw_report_plots
from ml.models.load_check import load_check
from ml.models.out_of_fold import OutOfFold, load_out_of_fold
from ml.models.predictor import Predictor, describe_device, resolve_device
from ml.policy.verdict import Decision
from ml.storage import model_versions, photo_archive, retrain_runs
from ml.storage.connections import Connections
from ml.storage.database import in_transaction
from ml.storage.label_issues import count_label_issues
from ml.storage.photo_cache import local_copies
from ml.storage.retrain_runs import RetrainRun
from ml.storage.snapshots import get_golden, get_manifest
from ml.vision.images.open_photo import decode_limits

log = structlog.get_logger()

MAX_DISAGREEMENTS = 12  # in the report
_CURVES = ("train_loss", "validation_loss", "train_accuracy", "validation_accuracy")
_TRAINING_FACTS = {
    "preset", "seed", "architecture", "pretrained_weights", "training_images", "calibration",
    "libraries",
}  # fmt: skip


def evaluate_candidate(
    run_id: str, *, settings: Settings, connections: Connections
) -> dict[str, Any]:
    """Compare the run's candidate with its champion; store and return the report.

    Writes report.json, report.html, plots and thumbnails under `evaluations/` of the model bucket,
    then `model_version.evaluation` and `compared_with`. Gates of an earlier report are cleared.

    Raises:
        RunNotStarted: the run has no candidate or no snapshot yet.
        TrainingError: no photo can be compared on.
        ModelError: the candidate's classes are not the policy's.
    """
    run = in_transaction(connections.engine, lambda c: retrain_runs.load(c, run_id))
    if run.candidate_hash is None or run.snapshot_hash is None:
        raise RunNotStarted(f"run {run_id} has no candidate yet: its `calibrate` did not finish")
    if run.state != "running":
        return _load_final(run, connections)
    inputs = _load_inputs(run, run.candidate_hash, run.snapshot_hash, settings, connections)
    report, pictures = _evaluate(inputs)
    files = ReportFiles(connections.models, report["candidate"], report["golden"]["hash"])
    files.put(report, pictures)
    # The gates of an earlier evaluation no longer hold.
    values = {"evaluation": report, "compared_with": run.champion_hash}
    values |= {"gates": None, "gate_decision": None}
    in_transaction(
        connections.engine,
        lambda c: model_versions.set_values(c, run.candidate_hash, **values),
    )
    log.info("candidate evaluated", run_id=run_id, report=files.key("report.html"))
    return report


def _load_final(run: RetrainRun, connections: Connections) -> dict[str, Any]:
    report = in_transaction(
        connections.engine, lambda c: model_versions.load_evaluation(c, run.candidate_hash)
    )
    if report is None:
        raise RunNotStarted(f"run {run.run_id} ended ({run.state}) without an evaluation")
    return report


@dataclass(frozen=True)
class _Inputs:
    """What is evaluated, and on what; `predictors` are the candidate and, if any, the champion."""

    settings: Settings
    connections: Connections
    run: RetrainRun
    candidate_hash: str
    snapshot_hash: str
    manifest: Manifest
    golden_set: GoldenSet
    blocklist: list[str]
    predictors: list[Predictor]

    @property
    def classes(self) -> list[str]:
        return list(self.run.policy.classes)

    @property
    def cards(self) -> list[ModelCard]:
        return [predictor.card for predictor in self.predictors]

    @property
    def held_out(self) -> list[LabelledPhoto]:
        """Photos to compare on besides golden ones: none if these are as many as planned."""
        undisputed = len(self.golden_set.photos) - len(self.manifest.disputed)
        if undisputed >= self.run.policy.retraining.golden_photos:
            return []
        photos = self.manifest.photos_in(Split.TRAIN)
        return choose_of_groups([photo for photo in photos if not photo.seen], self._groups)

    @property
    def distinct_golden(self) -> GoldenSet:
        """The golden set without disputed labels, with one photo of each group."""
        disputed = self.manifest.disputed
        photos = [p for p in self.golden_set.photos if p.content_sha256 not in disputed]
        chosen = choose_of_groups(photos, self._groups)
        return self.golden_set.model_copy(update={"photos": tuple(chosen)})

    @cached_property
    def _groups(self) -> dict[str, int]:
        return {photo.content_sha256: photo.group for photo in self.manifest.photos}

    @property
    def out_of_fold(self) -> OutOfFold | None:
        return load_out_of_fold(self.connections.models, self.candidate_hash)


def _load_inputs(
    run: RetrainRun,
    candidate_hash: str,
    snapshot_hash: str,
    settings: Settings,
    connections: Connections,
) -> _Inputs:
    manifest = get_manifest(connections.models, snapshot_hash)
    versions = [candidate_hash] + ([run.champion_hash] if run.champion_hash else [])
    predictors = [
        load_predictor(version, settings=settings, connections=connections) for version in versions
    ]
    if set(predictors[0].card.classes) != set(run.policy.classes):
        raise ModelError(
            f"the candidate knows {sorted(predictors[0].card.classes)}, the run's policy "
            f"{sorted(run.policy.classes)}: train it for this policy"
        )
    return _Inputs(
        settings=settings,
        connections=connections,
        run=run,
        candidate_hash=candidate_hash,
        snapshot_hash=snapshot_hash,
        manifest=manifest,
        golden_set=get_golden(connections.models, manifest.golden_hash),
        blocklist=in_transaction(connections.engine, photo_archive.list_blocklist),
        predictors=predictors,
    )


def _evaluate(inputs: _Inputs) -> tuple[dict[str, Any], Pictures]:
    """The report and its pictures."""
    policy, golden_set, engine = inputs.run.policy, inputs.golden_set, inputs.connections.engine
    compared = compare_versions(
        inputs.distinct_golden, inputs.held_out, inputs.out_of_fold,
        extra=inputs.blocklist, predictors=inputs.predictors, classes=inputs.classes,
        settings=inputs.settings, connections=inputs.connections,
    )  # fmt: skip
    main = compared.main
    disagreements = main.find_disagreements(policy)
    shown = disagreements[:MAX_DISAGREEMENTS]
    hashes = [photo["content_sha256"] for photo in shown]
    archived = in_transaction(engine, lambda c: photo_archive.load(c, hashes))
    keys = {content: photo.object_key for content, photo in archived.items()}
    pictures = Pictures(_draw_plots(inputs, main), _draw_thumbnails(inputs, hashes))
    label_issues = in_transaction(engine, lambda c: count_label_issues(c, inputs.snapshot_hash))
    report = {
        "run_id": inputs.run.run_id,
        "candidate": inputs.candidate_hash,
        "champion": inputs.run.champion_hash,
        "golden": {
            "hash": golden_set.golden_hash,
            "name": golden_set.name,
            "photos": len(golden_set.photos),
            "rejected": compared.rejected_golden,
            "judged_differently": len(disagreements),
            "confirmations": count_confirmations(inputs.manifest),
        },
        "main_set": compared.main_set,
        "sets": compared.golden.compare(policy) | compared.held_out.compare(policy),
        "servable": asdict(
            load_check(inputs.candidate_hash, inputs.connections.models, inputs.settings.data_dir)
        ),
        "blocklist": _blocklist_section(inputs, compared.scored),
        "latency": _latency_section(inputs, compared.scored),
        "thresholds": _thresholds_section(inputs.cards),
        "sample_differences": [
            {**photo, "object_key": keys.get(photo["content_sha256"])} for photo in shown
        ],
        "plots": list(pictures.plots),
        "data": snapshot_section(inputs.manifest, inputs.snapshot_hash, label_issues),
        "training": inputs.cards[0].model_dump(mode="json", include=_TRAINING_FACTS),
        "starts": inputs.run.starts or [],
    }
    return report, pictures


def _draw_plots(inputs: _Inputs, compared: ComparedScores) -> dict[str, bytes]:
    curves = in_transaction(
        inputs.connections.engine,
        lambda c: retrain_runs.load_curves(c, inputs.run.run_id, _CURVES),
    )
    return draw_report_plots(
        compared.photos,
        candidate=compared.candidate,
        champion=compared.champion,
        policy=inputs.run.policy,
        curves=curves,
    )


def _draw_thumbnails(inputs: _Inputs, hashes: Sequence[str]) -> dict[str, bytes]:
    """Small JPEGs of archived photos, by content hash."""
    limits = decode_limits(inputs.settings)
    paths = local_copies(inputs.connections.models, hashes, inputs.settings.data_dir / "labelled")
    return {path.name: thumbnail(path.read_bytes(), limits) for path in paths}


def _blocklist_section(inputs: _Inputs, scored: ScoredPhotos) -> dict[str, Any]:
    """Photos of the blocklist that the candidate passes; a rejected photo goes to quarantine."""
    rows = scored.rows(inputs.blocklist)
    scores = model_scores(scored, 0, inputs.cards[0]).subset(rows)
    decisions = zip(rows, scores.decisions(inputs.run.policy), strict=True)
    passed = [scored.hashes[i] for i, decision in decisions if decision is Decision.PASS]
    return {"photos": len(inputs.blocklist), "passed": passed}


def _latency_section(inputs: _Inputs, scored: ScoredPhotos) -> dict[str, Any]:
    settings = inputs.settings
    milliseconds = ms_per_photo(inputs.predictors, scored.first_batch, batch=settings.batch_size)
    weights = inputs.connections.model_cache / inputs.candidate_hash / WEIGHTS
    return {
        "candidate_ms": milliseconds[0],
        "champion_ms": milliseconds[1] if len(milliseconds) > 1 else None,
        "batch": settings.batch_size,
        "device": describe_device(resolve_device(settings.device)),
        "weights_bytes": weights.stat().st_size,
    }


def _thresholds_section(cards: Sequence[ModelCard]) -> dict[str, Any]:
    thresholds = [card.thresholds.model_dump(mode="json") for card in cards]
    return {"candidate": thresholds[0], "champion": thresholds[1] if len(thresholds) > 1 else None}
