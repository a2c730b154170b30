"""The doctor's checks that need Airflow; `moderation_airflow.doctor.run` runs all checks."""
