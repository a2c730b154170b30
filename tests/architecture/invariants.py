"""The invariants of docs/concepts.md: which tests hold each, and a place where it can be broken.

`make test-invariants` breaks the code at each place, in a copy, and wants the tests red.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Break:
    """One line of a file, and what breaks the invariant in its place."""

    file: str
    line: str
    broken: str


@dataclass(frozen=True)
class Invariant:
    """What always holds; `tests` are node ids of tests, or files of them."""

    name: str
    tests: tuple[str, ...]
    breaks: tuple[Break, ...]


_NIGHTLY = "tests/integration/moderation/nightly"
_UI = "tests/integration/plugins/moderation_ui"

INVARIANTS = (
    Invariant(
        "Nothing is lost",
        (
            (
                "tests/integration/operations/monitoring/test_run_summary.py"
                "::test_a_night_that_lost_photos_says_how_many"
            ),
            f"{_NIGHTLY}/test_nightly_run.py::test_every_photo_has_an_outcome_in_the_commerce_database",
        ),
        (
            Break(
                "ml/moderation/nightly/reconcile.py",
                "return self.listed == settled and self.undecided == 0 and self.unwritten == 0",
                "return True",
            ),
        ),
    ),
    Invariant(
        "Writing twice equals writing once",
        (
            f"{_NIGHTLY}/test_nightly_run.py::test_repeated_run_equals_a_single_run",
            f"{_NIGHTLY}/test_kill.py::test_killed_shard_is_completed_by_a_retry",
        ),
        (Break("ml/storage/pending_images.py", "columns.outcome.is_(None),", ""),),
    ),
    Invariant(
        "One model a run",
        (
            f"{_NIGHTLY}/test_one_model.py::test_running_nightly_run_keeps_its_model_after_a_promotion",
        ),
        (
            Break(
                "ml/moderation/nightly/score_shard.py",
                "predictor = loader.load(run.model_hash, run.computation)",
                "from ml.models.registry import champion_hash\n"
                "    champion = in_transaction(engine, champion_hash)\n"
                "    predictor = loader.load(champion)",
            ),
        ),
    ),
    Invariant(
        "Nothing passes unseen",
        (
            (
                "tests/properties/test_verdict.py"
                "::test_nothing_passes_on_which_a_screen_failed_unless_the_policy_says_so"
            ),
            (
                f"{_NIGHTLY}/test_screens.py"
                "::test_failed_screen_passes_no_photo_and_the_shard_continues"
            ),
        ),
        (
            Break(
                "ml/policy/verdict.py",
                "elif state is ScreenStatus.UNKNOWN and not rules.allow_when_failed:",
                "elif False:",
            ),
        ),
    ),
    Invariant(
        "Promotion is one decision",
        (
            (
                "tests/integration/models/test_switch.py"
                "::test_of_promotions_that_expect_the_same_champion_one_wins"
            ),
            (
                "tests/integration/learning/retrain/test_promote.py"
                "::test_a_held_candidate_is_refused_with_the_gates_that_held_it"
            ),
        ),
        (
            Break(
                "ml/models/registry.py",
                "if request.expected not in (..., previous):",
                "if False:",
            ),
        ),
    ),
    Invariant(
        "The card travels with the weights",
        (
            "tests/unit/models/test_checkpoint.py::test_load_checkpoint_rejects_weights_with_one_flipped_bit",
            (
                "tests/integration/models/test_registry.py"
                "::test_a_version_tampered_with_in_the_bucket_is_refused"
            ),
        ),
        (
            Break(
                "ml/models/checkpoint.py", "if weights_sha256 != card.weights_sha256:", "if False:"
            ),
        ),
    ),
    Invariant(
        "The borders hold",
        (
            (
                "tests/architecture/test_borders.py"
                "::test_the_library_imports_neither_airflow_nor_pickle"
            ),
        ),
        (
            Break(
                "ml/policy/verdict.py",
                "from enum import StrEnum",
                "from enum import StrEnum\n\nimport airflow",
            ),
        ),
    ),
    Invariant(
        "Closed by default",
        (
            f"{_UI}/web/test_access.py::test_each_role_reaches_its_routes_alone",
            f"{_UI}/web/test_access.py::test_request_without_login_is_401",
            "tests/integration/moderation/serving/test_auth.py",
        ),
        (
            Break(
                "plugins/moderation_ui/web/access.py", "if not may(user, permission):", "if False:"
            ),
            Break("ml/moderation/serving/auth.py", "if right not in key.rights:", "if False:"),
        ),
    ),
)
