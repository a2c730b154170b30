"""Which test runs each command that the pages name: one line a command, add yours."""

_MAKE = "tests/architecture/test_makefile.py::test_each_verb_calls_programs_that_are_there"
_AIRFLOW = "tests/architecture/test_commands.py::test_airflow_knows_its_commands"
_PACKAGES = "tests/architecture/test_commands.py::test_the_ci_installs_the_same_packages"
_CELERY = "tests/integration/test_airflow_celery.py"
_DOCTOR = "tests/integration/doctor"
_CLI = "tests/integration/test_cli.py"
_LABELS = "tests/integration/commands/test_labels.py"
_MODELS = "tests/integration/commands/test_models.py"
_SERVE = "tests/integration/commands/test_serve.py"
_BACKUP = "tests/integration/commands/test_backup.py"

RUN_BY = {
    "airflow backfill create": _AIRFLOW,
    "airflow celery worker": f"{_CELERY}::test_a_night_goes_on_after_its_gpu_worker_was_killed",
    "airflow pools set": _AIRFLOW,
    "apt-get install": _PACKAGES,
    "curl -H": "tests/integration/serving/test_predict.py::test_curl_as_the_page_has_it",
    "make bench": _MAKE,
    "make check": _MAKE,
    "make demo": _MAKE,
    "make doctor": f"{_DOCTOR}/test_whole.py::test_a_deployment_without_an_airflow_here",
    "make down": _MAKE,
    "make help": _MAKE,
    "make lock": _MAKE,
    "make month": _MAKE,
    "make test": _MAKE,
    "make up": _MAKE,
    "python -m ml backup": f"{_BACKUP}::test_backup_and_restore_say_what_they_did",
    "python -m ml distil": (
        "tests/integration/distillation/test_distil.py"
        "::test_a_killed_run_goes_on_and_ends_as_an_unbroken_one"
    ),
    "python -m ml doctor": f"{_DOCTOR}/test_command.py::test_the_exit_code_tells_of_failures",
    "python -m ml history": f"{_MODELS}::test_history_says_who_was_champion_then",
    "python -m ml keys": f"{_SERVE}::test_serve_and_keys",
    "python -m ml labels": f"{_LABELS}::test_import_takes_the_good_lines_and_reports_the_others",
    "python -m ml migrate": f"{_CLI}::test_migrate_runs_again_without_harm",
    "python -m ml models": f"{_CLI}::test_models_lists_the_champion",
    "python -m ml promote": f"{_CLI}::test_promote_switches_the_champion",
    "python -m ml replay": f"{_MODELS}::test_replay_says_equal_and_fails_where_it_is_not",
    "python -m ml restore": f"{_BACKUP}::test_backup_and_restore_say_what_they_did",
    "python -m ml rollback": f"{_MODELS}::test_rollback_goes_back_and_the_history_lists_it",
    "python -m ml serve": f"{_SERVE}::test_serve_and_keys",
    "python -m ml train": f"{_CLI}::test_train_registers_and_promotes",
    "sha256sum --check": (
        "tests/integration/backup/test_restore.py"
        "::test_the_folder_is_private_and_checkable_by_anyone"
    ),
}
