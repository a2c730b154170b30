"""What the DAGs need of Airflow itself; imports light, since Airflow loads it in every process."""
