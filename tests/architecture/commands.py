"""Which test runs each command that the pages name: one line a command, add yours."""

_MAKE = "tests/architecture/test_makefile.py::test_each_verb_calls_programs_that_are_there"
_AIRFLOW = "tests/architecture/test_commands.py::test_airflow_knows_its_commands"
_PACKAGES = "tests/architecture/test_commands.py::test_the_ci_installs_the_same_packages"
_CELERY = "tests/integration/airflow/test_celery_workers.py"
_DOCTOR = "tests/integration/operations/doctor"
_CLI = "tests/integration/cli/test_main.py"
_LABELS = "tests/integration/cli/test_labels.py"
_BLOCKLIST = "tests/integration/cli/test_blocklist.py"
_MODELS = "tests/integration/cli/test_models.py"
_PHOTOS = "tests/integration/cli/test_photos.py"
_REPLAY = "tests/integration/cli/test_replay.py"
_SCORE = "tests/integration/cli/test_score.py"
_SERVE = "tests/integration/cli/test_serve.py"
_SIGNALS = "tests/integration/cli/test_signals.py"
_BACKUP = "tests/integration/cli/test_backup.py"

RUN_BY = {
    "airflow backfill create": _AIRFLOW,
    "airflow celery worker": (
        f"{_CELERY}::test_nightly_run_continues_after_its_gpu_worker_is_killed"
    ),
    "airflow pools set": _AIRFLOW,
    "apt-get install": _PACKAGES,
    "curl -H": "tests/integration/moderation/serving/test_predict.py::test_documented_curl_works",
    "make bench": _MAKE,
    "make chaos": _MAKE,
    "make check": _MAKE,
    "make demo": _MAKE,
    "make demo-retrain": _MAKE,
    "make doctor": f"{_DOCTOR}/test_whole.py::test_make_doctor_checks_a_deployment_without_airflow",
    "make down": _MAKE,
    "make format": _MAKE,
    "make help": _MAKE,
    "make lock": _MAKE,
    "make test": _MAKE,
    "make test-all": _MAKE,
    "make test-fast": _MAKE,
    "make test-invariants": _MAKE,
    "make up": _MAKE,
    "python -m benchmarks.calibration": (
        "tests/unit/benchmarks/test_calibration.py"
        "::test_images_per_second_uses_all_cores_and_restores_torch_threads"
    ),
    "python -m ml backup": f"{_BACKUP}::test_backup_and_restore_report_what_they_did",
    "python -m ml blocklist": f"{_BLOCKLIST}::test_add_by_hash_archives_a_scored_photo",
    "python -m ml blocklist import": f"{_BLOCKLIST}::test_a_list_is_imported_once_and_removed",
    "python -m ml blocklist list": f"{_BLOCKLIST}::test_a_list_is_imported_once_and_removed",
    "python -m ml blocklist remove": f"{_BLOCKLIST}::test_a_list_is_imported_once_and_removed",
    "python -m ml doctor": f"{_DOCTOR}/test_runner.py::test_doctor_exits_1_on_a_failed_check",
    "python -m ml keys": f"{_SERVE}::test_serve_and_keys",
    "python -m ml labels": f"{_LABELS}::test_import_takes_valid_lines_and_reports_the_others",
    "python -m ml labels export": f"{_LABELS}::test_export_writes_labels_and_photos",
    "python -m ml migrate": f"{_CLI}::test_migrate_is_idempotent",
    "python -m ml models champion-at": f"{_MODELS}::test_champion_at_prints_the_version_at_a_time",
    "python -m ml models export": f"{_MODELS}::test_export_writes_a_checked_version",
    "python -m ml models history": (
        f"{_MODELS}::test_rollback_restores_the_previous_champion_and_history_lists_it"
    ),
    "python -m ml models list": f"{_MODELS}::test_list_shows_the_champion",
    "python -m ml models promote": f"{_MODELS}::test_promote_switches_the_champion",
    "python -m ml models rollback": (
        f"{_MODELS}::test_rollback_restores_the_previous_champion_and_history_lists_it"
    ),
    "python -m ml photos explain": f"{_PHOTOS}::test_explain_lists_the_runs_that_scored_a_photo",
    "python -m ml pretrain distill": (
        "tests/integration/models/distillation/test_distill.py"
        "::test_distillation_killed_twice_gives_the_bytes_of_an_unbroken_one"
    ),
    "python -m ml pretrain list-photos": (
        "tests/integration/cli/test_pretrain.py"
        "::test_weights_are_distilled_on_a_list_of_the_shops_own_photos"
    ),
    "python -m ml replay": (
        f"{_REPLAY}::test_replay_reports_equal_verdicts_and_fails_on_a_difference"
    ),
    "python -m ml restore": f"{_BACKUP}::test_backup_and_restore_report_what_they_did",
    "python -m ml score": f"{_SCORE}::test_score_prints_one_line_a_file_whatever_the_verdicts",
    "python -m ml serve": f"{_SERVE}::test_serve_and_keys",
    "python -m ml signals install": (
        f"{_SIGNALS}::test_install_prints_the_hash_that_a_policy_names_and_list_shows_it"
    ),
    "python -m ml signals list": (
        f"{_SIGNALS}::test_install_prints_the_hash_that_a_policy_names_and_list_shows_it"
    ),
    "python -m ml signals report": (
        f"{_SIGNALS}::test_report_of_a_policy_without_signals_is_empty"
    ),
    "python -m ml train": f"{_CLI}::test_train_registers_and_promotes",
    "sha256sum --check": (
        "tests/integration/operations/backup/test_backup.py"
        "::test_folder_is_private_and_its_checksums_hold"
    ),
}
