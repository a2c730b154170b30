"""The whole system on one machine: embedded servers, Airflow, Redis, Celery workers."""
