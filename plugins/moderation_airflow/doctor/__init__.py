"""The doctor's checks that need Airflow; `python -m moderation_airflow.doctor` runs all checks."""
