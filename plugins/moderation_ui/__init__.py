"""The pages that the moderation plugin mounts in Airflow's UI."""
